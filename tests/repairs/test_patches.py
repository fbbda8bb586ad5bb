"""Each repair, and the bug that comes back without it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm import Q, Value
from dorm.db.connection import get_connection, reset_connections
from dorm.functions import Coalesce
from dorm.migrations import operations, writer
from dorm.migrations.autodetector import MigrationAutodetector
from dorm.migrations.state import ProjectState

import backends
from dorm_vector import (
    EmbeddingField,
    HnswIndex,
    L2Distance,
    Vec0Index,
    VectorExtension,
    VectorField,
    VectorsWouldBeLost,
)
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables, drop_table
from tests.helpers.project import ROOT, Project
from tests.models import Author, Chunk, Document

BUGS = (dorm.OperationalError, dorm.DatabaseError, dorm.exceptions.ProgrammingError)


@pytest.fixture
def sqlite() -> Iterator[Database]:
    running = backends.get("sqlite").start()
    database = Database(running, running.new_database())
    database.use()
    create_tables(database.connection)
    yield database
    reset_connections()
    running.stop()


def test_every_repair_says_what_it_fixes() -> None:
    for entry in repairs.REPAIRS:
        documented = next(other for other in repairs.REPAIRS if other.name == entry.name and other.documentation)
        for part in ("Symptom:", "Cause:", "djanorm 4"):
            assert part in documented.documentation, entry.name


def test_the_setting_turns_repairs_off(sqlite: Database) -> None:
    assert repairs.is_on("not_of_several")
    for chosen, expected in ((False, False), (["not_of_several"], True), (["other"], False), (True, True)):
        dorm.configure(DORM_VECTOR_REPAIRS=chosen)
        assert repairs.is_on("not_of_several") is expected


def test_remember_connection(sqlite: Database) -> None:
    """A distance inside Coalesce is written for the database of its statement."""
    with backends.get("postgresql").start() as postgresql:
        settings = postgresql.new_database()
        dorm.configure(DATABASES={"default": sqlite.settings, "other": settings})
        create_tables(get_connection("other"))
        Document.objects.using("other").create(title="a", embedding=[3, 4, 0])
        distance = Coalesce(L2Distance("embedding", [0, 0, 0]), Value(9.0))
        queryset = Document.objects.using("other").annotate(distance=distance)
        assert queryset.get().distance == 5
        reset_connections()


def test_vector_querysets(sqlite: Database) -> None:
    author = Author.objects.create(name="Ada")
    Document.objects.create(title="a", author=author, embedding=[3, 4, 0])

    def close() -> Any:
        return author.documents.all().alias(distance=L2Distance("embedding", [0, 0, 0])).filter(distance__lt=6)

    assert close().count() == 1


def test_not_of_several(sqlite: Database) -> None:
    for title in ("one", "other"):
        Document.objects.create(title=title, pages=1)

    def others() -> set[str]:
        condition = Q(title="one") & Q(pages=1)
        assert Document.objects.exclude(condition).count() == Document.objects.filter(~condition).count()
        return set(Document.objects.filter(~condition).values_list("title", flat=True))

    assert others() == {"other"}
    with repairs.switched_off("not_of_several"):
        assert others() == {"one", "other"}, "what either condition finds"


def test_what_is_negated_keeps_its_conditions_to_itself() -> None:
    condition = (Q(title="one") & Q(pages=1)) | Q(pages=2)
    before, negated = repr(condition), ~condition
    for child in negated.children:
        child.children.append(("title", "changed"))
        for inner in child.children:
            if isinstance(inner, Q):
                inner.negated = True
    assert repr(condition) == before


def test_upgrade_on_distance(sqlite: Database) -> None:
    def ranked() -> list[Any]:
        queryset = Author.objects.annotate(distance=L2Distance("documents__embedding", [0, 0, 0]))
        return list(queryset.order_by("distance"))

    assert ranked() == []


async def test_upgrade_on_text(sqlite: Database) -> None:
    threads: set[int] = set()

    def embed(texts: list[str]) -> list[list[float]]:
        threads.add(threading.get_ident())
        return [[1, 2, 3]] * len(texts)

    class Line(dorm.Model):
        title = dorm.CharField(max_length=9)
        embedding = EmbeddingField(3, source="title", embedder=embed, null=True)

        class Meta:
            db_table = "tests_line"

    create_tables(sqlite.connection, (Line,))
    try:
        found = Line.objects.nearest("embedding", "a")[:1].values("pk")
        assert await Author.objects.filter(pk__in=found) == []
        assert threading.get_ident() not in threads
        assert threads, "embedded outside of the loop"
    finally:
        drop_table(sqlite, Line)


@pytest.mark.parametrize("switch", ["True", "False"])
def test_prepare_connections(switch: str, tmp_path: Path) -> None:
    """Vectors work with the repairs, and without them."""
    program = (
        "import dorm, dorm_vector, sys\n"
        f"dorm.configure(DATABASES={{'default': {{'ENGINE': 'sqlite', 'NAME': {str(tmp_path / 'db')!r}}}}},"
        " DORM_VECTOR_REPAIRS=sys.argv[1] == 'True')\n"
        "from dorm.db.connection import get_connection\n"
        "print(get_connection().execute('SELECT vec_version() AS v')[0]['v'])\n"
    )

    run = subprocess.run([sys.executable, "-c", program, switch], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("v")


def test_the_setting_of_a_settings_file(tmp_path: Path) -> None:
    """The command reads it by itself; a program is given it."""
    project = Project(tmp_path, {"ENGINE": "sqlite", "NAME": str(tmp_path / "db.sqlite3")}, is_new=True)
    project.models("class Item(dorm.Model):\n    embedding = VectorField(dimensions=3)\n")
    with (tmp_path / "settings.py").open("a") as settings:
        settings.write("DORM_VECTOR_REPAIRS = False\n")
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    assert "from dorm_vector import VectorExtension" in project.source(1), "a hook, which the setting leaves alone"
    asked = "from dorm_vector.patching.registry import is_on\nprint(is_on('not_of_several'))"
    assert project.python(asked) == "True"
    given = "dorm.configure(**{name: value for name, value in vars(settings).items() if name.isupper()})\n"
    assert project.python(given + asked) == "False"


def state_of(**fields: Any) -> ProjectState:
    state = ProjectState()
    state.add_model("shop", "Item", {"id": dorm.BigAutoField(primary_key=True), **fields}, {"indexes": []})
    return state


def create(state: ProjectState, connection: Any) -> operations.CreateModel:
    operation = operations.CreateModel("Item", list(state.models["shop.item"]["fields"].items()))
    operation.database_forwards("shop", connection, ProjectState(), state)
    return operation


def test_vector_index_ddl(sqlite: Database) -> None:
    state = state_of(embedding=VectorField(dimensions=2))
    create(state, sqlite.connection)
    index = HnswIndex(fields=["embedding"], name="item_hnsw")
    for operation in (operations.AddIndex("Item", index), operations.RemoveIndex("Item", index)):
        operation.database_forwards("shop", sqlite.connection, state, state)
        operation.database_backwards("shop", sqlite.connection, state, state)


def test_alter_vector_field(sqlite: Database) -> None:
    before = state_of(embedding=VectorField(dimensions=2, null=True))
    after = state_of(embedding=VectorField(dimensions=3, null=True))
    create(before, sqlite.connection)
    sqlite.connection.execute_write('INSERT INTO "shop_item" ("embedding") VALUES (X\'0000803f0000803f\')')
    operation = operations.AlterField("Item", "embedding", after.models["shop.item"]["fields"]["embedding"])
    with pytest.raises(
        VectorsWouldBeLost, match=r"Item\.embedding holds vectors of 2 dimensions; the migration requires 3"
    ):
        operation.database_forwards("shop", sqlite.connection, before, after)


def test_alter_vector_field_back() -> None:
    before = state_of(embedding=VectorField(dimensions=2, null=True))
    after = state_of(embedding=VectorField(dimensions=3, null=True))
    operation = operations.AlterField("Item", "embedding", after.models["shop.item"]["fields"]["embedding"])

    def column_type(connection: Any) -> str:
        query = "SELECT format_type(atttypid, atttypmod) AS t FROM pg_attribute WHERE attname = 'embedding'"
        return str(connection.execute(f"{query} AND attrelid = 'shop_item'::regclass")[0]["t"])

    with backends.get("postgresql").start() as postgresql:
        database = Database(postgresql, postgresql.new_database())
        database.use()
        VectorExtension().database_forwards("shop", database.connection, before, before)
        create(before, database.connection)
        operation.database_forwards("shop", database.connection, before, after)
        assert column_type(database.connection) == "vector(3)"
        operation.database_backwards("shop", database.connection, after, before)
        assert column_type(database.connection) == "vector(2)"
        reset_connections()


def test_remove_vector_field(sqlite: Database) -> None:
    before = state_of(embedding=VectorField(dimensions=2, null=True, db_column="vector"))
    create(before, sqlite.connection)
    operation = operations.RemoveField("Item", "embedding")
    operation.database_forwards("shop", sqlite.connection, before, state_of())
    assert [column["name"] for column in sqlite.connection.get_table_columns("shop_item")] == ["id"]


def test_separate_model_state() -> None:
    def indexes_after_adding_one() -> list[Any]:
        operation = operations.CreateModel("Item", [("embedding", VectorField(dimensions=2))], {"indexes": []})
        state = ProjectState()
        operation.state_forwards("shop", state)
        operations.AddIndex("Item", HnswIndex(["embedding"], "late")).state_forwards("shop", state)
        return list(operation.options["indexes"])

    assert indexes_after_adding_one() == []
    with repairs.switched_off("separate_model_state"):
        assert len(indexes_after_adding_one()) == 1


def test_vector_default(sqlite: Database) -> None:
    state = state_of(embedding=VectorField(dimensions=2, default=[1, 2]))
    create(state, sqlite.connection)
    sqlite.connection.execute_write('INSERT INTO "shop_item" DEFAULT VALUES')
    (row,) = sqlite.connection.execute('SELECT "embedding" FROM "shop_item"')
    assert VectorField(dimensions=2).from_db_value(row["embedding"]) == [1, 2]


def test_rename_what_a_companion_filters_by(sqlite: Database) -> None:
    before = state_of(place=dorm.IntegerField(default=0), embedding=VectorField(dimensions=2))
    create(before, sqlite.connection)
    index = Vec0Index(["embedding"], "item_vec0", distance="l2", metadata=["place"])
    operations.AddIndex("Item", index).state_forwards("shop", before)
    after = before.clone()
    rename = operations.RenameField("Item", "place", "spot")
    rename.state_forwards("shop", after)
    operations.AddIndex("Item", index).database_forwards("shop", sqlite.connection, before, before)

    def columns() -> list[str]:
        (row,) = sqlite.connection.execute("SELECT sql FROM sqlite_master WHERE name = 'item_vec0'")
        return re.findall(r"by_\w+", row["sql"])

    assert columns() == ["by_place"]
    rename.database_forwards("shop", sqlite.connection, before, after)
    assert columns() == ["by_spot"]
    rename.database_backwards("shop", sqlite.connection, after, before)
    assert columns() == ["by_place"]


def changes(old: dorm.Index, new: dorm.Index) -> list[str]:
    before, after = (state_of(embedding=VectorField(dimensions=2)) for _ in range(2))
    before.models["shop.item"]["options"]["indexes"] = [old]
    after.models["shop.item"]["options"]["indexes"] = [new]
    found = MigrationAutodetector(before, after).changes()
    return [type(operation).__name__ for operation in found.get("shop", ())]


def test_changed_indexes() -> None:
    old, new = (HnswIndex(["embedding"], "item_hnsw", m=m) for m in (16, 32))
    plain, unique = (dorm.Index(["place"], "item_place", unique=unique) for unique in (False, True))
    assert changes(old, old) == changes(plain, plain) == []
    assert changes(old, new) == changes(plain, unique) == ["RemoveIndex", "AddIndex"]
    with repairs.switched_off("changed_indexes"):
        assert changes(old, new) == ["RemoveIndex", "AddIndex"], "a hook"
        assert changes(plain, unique) == []


def load(path: Path) -> list[Any]:
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)  # noqa: S102  # a migration that djanorm just wrote
    loaded: list[Any] = namespace["operations"]
    return loaded


def test_index_source(tmp_path: Path) -> None:
    index = HnswIndex(["embedding"], "item_hnsw", distance="cosine", m=8, condition=dorm.Q(id__gt=3) | ~dorm.Q(id=1))
    created = operations.CreateModel("Item", [("embedding", VectorField(dimensions=2))], {"indexes": [index]})
    path = writer.write_migration("shop", tmp_path / "on", 1, [created, operations.AddIndex("Item", index)])
    again, added = load(path)
    assert again.options["indexes"][0].deconstruct()[2].keys() == index.deconstruct()[2].keys()
    assert (added.index.opclass, added.index.with_options) == ("vector_cosine_ops", {"m": 8, "ef_construction": 64})


def test_plain_index_source(tmp_path: Path) -> None:
    index = dorm.Index(["place"], "item_place", unique=True, condition=dorm.Q(place__gt=3))
    created = operations.CreateModel("Item", [("place", dorm.IntegerField())], {"indexes": [index]})
    with repairs.switched_off("index_source"), pytest.raises((NameError, SyntaxError, TypeError)):
        load(writer.write_migration("shop", tmp_path / "off", 1, [created]))
    path = writer.write_migration("shop", tmp_path / "on", 1, [created, operations.AddIndex("Item", index)])
    again, added = load(path)
    for written in (again.options["indexes"][0], added.index):
        assert (written.fields, written.name, written.unique) == (index.fields, index.name, True)
        assert repr(written.condition) == repr(index.condition)


def test_vector_field_source(tmp_path: Path) -> None:
    field = VectorField(dimensions=2, db_column="vector", help_text="why", as_numpy=True)
    added = operations.AddField("Item", "embedding", field)
    (kept,) = load(writer.write_migration("shop", tmp_path / "on", 1, [added]))
    assert kept.field.deconstruct() == field.deconstruct()


def test_write_migration(tmp_path: Path) -> None:
    ours = [VectorExtension()]
    (loaded,) = load(writer.write_squashed_migration("shop", tmp_path / "on", 2, ours, [("shop", "0001_x")]))
    assert isinstance(loaded, VectorExtension)


def test_enable_pgvector(tmp_path: Path) -> None:
    (ours,) = load(writer.write_pgvector_extension_migration("shop", tmp_path / "on", 1))
    assert isinstance(ours, VectorExtension)


def test_a_model_without_vectors_keeps_djanorms_queryset(sqlite: Database) -> None:
    assert type(Author.objects.all()) is dorm.QuerySet
    assert type(Chunk.objects.all()).__name__ == "VectorQuerySet"
