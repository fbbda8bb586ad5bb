"""A Vec0Index through the real command: built, filled, changed, kept through a rebuild, and gone with its table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection

from tests.conformance.inside import Unsupported, dialect_for
from tests.helpers.project import Project

MODEL = """
class Item(dorm.Model):
    section = dorm.CharField(max_length={length})
    pages = dorm.IntegerField(default=1{null})
    embedding = VectorField(dimensions={dimensions}, null=True, db_column='vector_of_it')
    {more}

    class Meta:
        indexes = [{indexes}]
"""
VEC0 = 'Vec0Index(["embedding"], "item_vec0", distance="cosine", partition_by=["section"], metadata=["pages"])'
L2 = 'Vec0Index(["embedding"], "item_vec0", distance="l2")'
SIGNS = 'Vec0Index(["embedding"], "item_signs", distance="cosine", precision="bit", metadata=["pages"])'
BYTES = 'Vec0Index(["embedding"], "item_bytes", distance="cosine", precision="int8", metadata=["pages"])'
GRAPH = 'HnswIndex(["embedding"], "item_graph", distance="cosine", precision="int8")'
NAMES = ("item_vec0", "item_signs", "item_bytes")
FILL = (
    "Item.objects.bulk_create([Item(section='ab'[n % 2], pages=n, embedding=[n + 1] + [1] * 7) for n in range(20)]"
    " + [Item(section='c')])"
)
CHECK = """
from dorm_vector import CosineDistance
def far(row): return CosineDistance('embedding', [1] * {dimensions})
rows = Item.objects.nearest('embedding', [1] * {dimensions})
print([row.pages for row in rows[:3]], rows[:3].explain_search().index)
"""


def item(*indexes: str, dimensions: int = 8, length: int = 20, null: str = "", more: str = "") -> str:
    return MODEL.format(dimensions=dimensions, length=length, null=null, more=more, indexes=", ".join(indexes))


@pytest.fixture
def project(empty_project: Project) -> Project:
    empty_project.models(item())
    empty_project.dorm("makemigrations", "--enable-pgvector", "shop")
    return empty_project


class Catalogue:
    """What the database says it holds. Hangs up after each question: Turso lets in one process at a time."""

    def __init__(self, project: Project) -> None:
        self.connection: Any = _create_sync_connection("catalogue", project.database)
        self.has_vec0 = not isinstance(dialect_for(self.connection).indexes["vec0"], Unsupported)

    def asked(self, sql: str) -> list[Any]:
        with closing(self.connection):
            return list(self.connection.execute(sql))

    def graphs(self) -> list[str]:
        """Return the indexes of 8-bit integers that libSQL has; the other databases build none."""
        if dialect_for(self.connection).index_rules.int8 is not True:
            return ["item_graph"]
        return [row["name"] for row in self.asked("SELECT name FROM sqlite_master WHERE sql LIKE '%%=float8%%'")]

    def tables(self) -> set[str]:
        """Return the companion tables, without the shadow tables of vec0."""
        if not self.has_vec0:
            with closing(self.connection):
                assert not any(self.connection.table_exists(name) for name in NAMES)
            return set()
        rows = self.asked("SELECT name FROM sqlite_master WHERE name LIKE 'item%' AND type IN ('table', 'trigger')")
        names = {row["name"] for row in rows}
        events = ("insert", "update", "move", "delete")
        return (
            {name for name in NAMES if name in names}
            if all({f"{name}_{event}" for event in events} <= names or name not in names for name in NAMES)
            else names
        )


@pytest.fixture
def catalogue(project: Project) -> Iterator[Catalogue]:
    opened = Catalogue(project)
    yield opened
    opened.connection.close()


def migrate(project: Project, *arguments: str) -> None:
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", *arguments)


def assert_answers(project: Project, catalogue: Catalogue, index: str = "item_vec0", dimensions: int = 8) -> None:
    """The nearest are found, and by the index where the database has it."""
    found = project.python(CHECK.format(dimensions=dimensions))
    assert found == f"[0, 1, 2] {index if catalogue.has_vec0 else None}"


def expected(catalogue: Catalogue, *names: str) -> set[str]:
    return set(names) if catalogue.has_vec0 else set()


def test_the_whole_way_and_back(project: Project, catalogue: Catalogue) -> None:
    migrate(project)
    project.python(FILL)
    project.models(item(VEC0, SIGNS, BYTES, GRAPH))
    migrate(project)
    source = project.source(3)
    assert (
        "dorm_vector.Vec0Index(fields=['embedding'], name='item_vec0', distance='cosine',"
        " partition_by=['section'], metadata=['pages'])"
    ) in source
    for precision in ("bit", "int8"):
        assert f"distance='cosine', precision='{precision}', metadata=['pages'])" in source
    assert catalogue.tables() == expected(catalogue, *NAMES)
    assert catalogue.graphs() == ["item_graph"]
    assert "name='item_graph', distance='cosine', precision='int8'" in source
    assert_answers(project, catalogue)
    assert "No changes detected" in project.dorm("makemigrations", "shop")

    # Another column is changed: SQLite rebuilds the table, and the triggers of the old one are gone.
    project.models(item(VEC0, SIGNS, BYTES, GRAPH, length=30))
    migrate(project)
    assert catalogue.tables() == expected(catalogue, *NAMES)
    assert catalogue.graphs() == ["item_graph"]
    project.python(
        "Item.objects.filter(pages=0).delete(); Item.objects.create(section='a', pages=0, embedding=[1] * 8)"
    )
    assert_answers(project, catalogue)

    project.models(item(L2, length=30, more="extra = dorm.IntegerField(null=True)"))
    migrate(project)
    assert catalogue.tables() == expected(catalogue, "item_vec0")
    assert_answers(project, catalogue)

    project.models(item(length=30))
    migrate(project)
    assert catalogue.tables() == set()
    assert_answers(project, catalogue, index="None")

    for target, names in (("5", ["item_vec0"]), ("4", NAMES), ("3", NAMES)):
        project.dorm("migrate", "shop", target)
        assert catalogue.tables() == expected(catalogue, *names)
    assert catalogue.graphs() == ["item_graph"]
    project.models(item(VEC0, SIGNS, BYTES, GRAPH))
    assert_answers(project, catalogue)
    project.dorm("migrate", "shop", "zero")
    assert catalogue.tables() == set()
    if catalogue.has_vec0:
        assert catalogue.asked("SELECT name FROM sqlite_master WHERE name LIKE 'item%'") == []
    project.dorm("migrate")


def test_a_squash_loads_and_runs(project: Project, catalogue: Catalogue) -> None:
    project.models(item(VEC0))
    migrate(project)
    project.models(item(VEC0, SIGNS))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop", "zero")
    project.dorm("squashmigrations", "shop", "1", "3")
    for number in (1, 2, 3):
        next((project.directory / "shop" / "migrations").glob(f"{number:04d}_*.py")).unlink()
    project.dorm("migrate")
    project.python(FILL)
    assert catalogue.tables() == expected(catalogue, "item_vec0", "item_signs")
    assert_answers(project, catalogue)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop", "zero")
    assert catalogue.tables() == set()


def test_other_dimensions(project: Project, catalogue: Catalogue) -> None:
    project.models(item(VEC0, SIGNS))
    migrate(project)
    project.python(FILL)
    project.models(item(VEC0, SIGNS, dimensions=12))
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert "holds vectors of 8 dimensions; the migration requires 12" in refused.stdout + refused.stderr
    project.python("Item.objects.update(embedding=None)")
    project.dorm("migrate")
    project.python(FILL.replace("* 7", "* 11"))
    assert_answers(project, catalogue, dimensions=12)
    project.python("Item.objects.update(embedding=None)")
    project.dorm("migrate", "shop", "2")
    project.models(item(VEC0, SIGNS))
    project.python("Item.objects.all().delete()\n" + FILL)
    assert_answers(project, catalogue)


def test_it_goes_with_its_model_and_follows_another_name(project: Project, catalogue: Catalogue) -> None:
    project.models(item(VEC0, SIGNS))
    migrate(project)
    project.python(FILL)
    imported = "from dorm.migrations.operations import AlterModelTable"
    rename = f"{imported}\n\noperations = [AlterModelTable('Item', 'shop_thing')]\n"
    (project.directory / "shop" / "migrations" / "0003_named.py").write_text(rename)
    project.dorm("migrate")
    project.models(item(VEC0, SIGNS).replace("class Meta:", "class Meta:\n        db_table = 'shop_thing'"))
    project.python(
        "Item.objects.filter(pages=0).delete(); Item.objects.create(section='a', pages=0, embedding=[1] * 8)"
    )
    assert_answers(project, catalogue)
    assert catalogue.tables() == expected(catalogue, "item_vec0", "item_signs")
    project.models("class Other(dorm.Model):\n    name = dorm.CharField(max_length=5)\n")
    migrate(project)
    assert catalogue.tables() == set()


REFUSED: dict[str, dict[str, Any]] = {
    "cannot build item_vec0: vec0 takes no NULL in metadata, and pages may be.": {"null": ", null=True"},
    "cannot build item_vec0: metadata takes whole numbers, floats and text, and price is NUMERIC.": {
        "index": VEC0.replace('"pages"', '"price"'),
        "more": "price = dorm.DecimalField(max_digits=5, decimal_places=2, default=0)",
    },
    "cannot build item_vec0: vec0 takes up to 8,192 dimensions; the vectors have 8,200.": {"dimensions": 8200},
    "cannot build item_vec0: it finds rows by a primary key of one column, a whole number or text.": {
        "more": "key = dorm.FloatField(primary_key=True)"
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_built_is_refused_before_anything_is_changed(
    project: Project, catalogue: Catalogue, message: str
) -> None:
    options: dict[str, Any] = dict(REFUSED[message])
    project.models(item(options.pop("index", VEC0), **options))
    project.dorm("makemigrations", "shop")
    migrated = project.try_dorm("migrate")
    said = migrated.stdout + migrated.stderr
    if catalogue.has_vec0:
        assert migrated.returncode != 0
        assert message in said
        assert "Nothing was changed." in said
        assert catalogue.asked("SELECT name FROM sqlite_master WHERE name = 'shop_item'") == []
    else:
        assert message not in said


def test_a_dry_run_shows_it_and_changes_nothing(project: Project, catalogue: Catalogue) -> None:
    project.models(item(VEC0, SIGNS))
    project.dorm("makemigrations", "shop")
    shown = project.dorm("migrate", "--dry-run")
    assert ('CREATE VIRTUAL TABLE "item_vec0"' in shown) is catalogue.has_vec0
    assert catalogue.tables() == set()


def test_inspectdb_writes_no_model_of_it(project: Project, catalogue: Catalogue) -> None:
    project.models(item(VEC0, SIGNS))
    migrate(project)
    settings = project.directory / "settings.py"
    settings.write_text(f"import dorm_vector\n{settings.read_text()}")
    shown = project.dorm("inspectdb")
    assert "class ShopItem" in shown
    assert "item_vec0" not in shown
    assert "item_signs" not in shown
