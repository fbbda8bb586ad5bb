"""Each repair of djanorm on Turso, and the bug that comes back without it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dorm
import pytest
import turso
from dorm.db.connection import reset_connections
from dorm.migrations import operations
from dorm.migrations.executor import MigrationExecutor
from dorm.migrations.state import ProjectState
from dorm.transaction import aatomic, atomic

import backends
from dorm_vector import CosineDistance, L1Distance, L2Distance, MaxInnerProduct, VectorField, ato_matrix, to_matrix
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables
from tests.helpers.project import ROOT
from tests.models import Document


@pytest.fixture
def db() -> Iterator[Database]:
    with backends.get("turso").start() as running:
        database = Database(running, running.new_database())
        database.use()
        create_tables(database.connection)
        yield database
        reset_connections()


def write_all() -> int:
    with ThreadPoolExecutor(max_workers=16) as pool:
        return sum(pool.map(written, range(320)))


def written(number: int) -> bool:
    try:
        Document.objects.create(title=str(number), embedding=[1, 2, 3])
    except (dorm.OperationalError, turso.Error):
        return False
    return True


def test_turso_patience(db: Database) -> None:
    """Sixteen threads write at once; without the repair most are told that the database is locked."""
    assert write_all() == Document.objects.count() == 320
    reset_connections()
    # The setting, for a thread does not have the context variable of switched_off().
    dorm.configure(DORM_VECTOR_REPAIRS=[])
    try:
        assert write_all() < 320
    finally:
        dorm.configure(DORM_VECTOR_REPAIRS=True)


def test_turso_errors(db: Database) -> None:
    def insert() -> None:
        db.connection.execute_insert('INSERT INTO "tests_author" ("id", "name") VALUES (1, %s)', ["Ada"])

    def select() -> None:
        db.connection.execute("SELECT vector_distance_l2(x'00', x'0000803f')")

    insert()
    with pytest.raises(dorm.IntegrityError, match="UNIQUE constraint failed"):
        insert()
    with pytest.raises(dorm.OperationalError, match="Conversion error"):
        select()
    with repairs.switched_off("turso_errors"):
        for statement in (insert, select):
            with pytest.raises(turso.DatabaseError):
                statement()


def test_a_transaction_that_read_what_another_one_changed(db: Database) -> None:
    """Pyturso's exception is neither one of its own hierarchy nor of the module that holds them."""
    other = turso.connect(db.settings["NAME"])
    # With the lock taken at the start, the other one would have to wait.
    with repairs.switched_off("waiting_writers"), atomic():
        Document.objects.count()
        other.execute("INSERT INTO tests_author (name) VALUES ('Ada')")
        other.commit()
        with pytest.raises(dorm.OperationalError, match="snapshot is stale"):
            Document.objects.create(title="a", embedding=[1, 2, 3])
    other.close()


async def count_in_a_transaction() -> int:
    async with aatomic():
        await Document.objects.acreate(title="a", embedding=[1, 2, 3])
        return int(await Document.objects.acount())


def test_turso_async(db: Database) -> None:
    """An attribute that is not there, and a wrapper that keeps threads and files of loops that are gone."""
    assert asyncio.run(count_in_a_transaction()) == 1
    with repairs.switched_off("turso_async", "async_transactions"):
        reset_connections()
        with pytest.raises(AttributeError, match="_conn"):
            asyncio.run(count_in_a_transaction())
        reset_connections()


async def count() -> int:
    return int(await Document.objects.acount())


def test_a_matrix_makes_no_row_in_python(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which took two thirds of its time."""
    made: list[Any] = []
    make = turso.Row.__new__

    def counted(*args: Any) -> Any:
        made.append(args)
        return make(*args)

    monkeypatch.setattr(turso.Row, "__new__", counted)
    Document.objects.create(title="a", embedding=[1, 2, 3])
    assert list(Document.objects.values_list("title")) == [("a",)]
    assert made
    made.clear()
    with atomic():
        assert to_matrix(Document.objects.all(), "embedding")[1].tolist() == [[1, 2, 3]]
    assert asyncio.run(matrix_in_a_transaction())[1].tolist() == [[1, 2, 3]]
    assert made == []


async def matrix_in_a_transaction() -> Any:
    async with aatomic():
        return await ato_matrix(Document.objects.all(), "embedding")


def test_a_closed_loop_leaves_no_thread_behind(db: Database) -> None:
    def workers() -> int:
        return sum(thread.name == "turso-async-worker" for thread in threading.enumerate())

    before = workers()
    for _ in range(3):
        asyncio.run(count())
    assert workers() == before + 1
    reset_connections()
    assert workers() == before


def test_two_loops_at_once(db: Database) -> None:
    async def write() -> None:
        for number in range(20):
            await Document.objects.acreate(title=str(number), embedding=[1, 2, 3])

    with ThreadPoolExecutor(max_workers=4) as pool:
        for done in [pool.submit(asyncio.run, write()) for _ in range(4)]:
            done.result()
    assert Document.objects.count() == 80


def test_an_async_connection_may_be_the_first(db: Database) -> None:
    """In a process of its own: no sync connection has installed anything before it."""
    program = (
        "import asyncio, dorm, dorm_vector\n"
        f"dorm.configure(DATABASES={{'default': {db.settings!r}}})\n"
        "from tests.models import Document\n"
        "async def main():\n"
        "    await Document.objects.acreate(title='a', embedding=[1, 2, 3])\n"
        "    print(await Document.objects.acount())\n"
        "asyncio.run(main())\n"
    )
    reset_connections()
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "1", run.stderr


def state_of(**fields: Any) -> ProjectState:
    state = ProjectState()
    state.add_model("shop", "Item", {"id": dorm.BigAutoField(primary_key=True), **fields}, {"indexes": []})
    return state


def create(state: ProjectState, connection: Any) -> None:
    operation = operations.CreateModel("Item", list(state.models["shop.item"]["fields"].items()))
    operation.database_forwards("shop", connection, ProjectState(), state)


def declared(connection: Any) -> str:
    return str(connection.execute("SELECT sql FROM sqlite_master WHERE name = 'shop_item'")[0]["sql"])


def test_alter_by_rebuilding(db: Database) -> None:
    before = state_of(name=dorm.CharField(max_length=5), embedding=VectorField(dimensions=2))
    after = state_of(name=dorm.CharField(max_length=9), embedding=VectorField(dimensions=2))
    create(before, db.connection)
    operation = operations.AlterField("Item", "name", after.models["shop.item"]["fields"]["name"])
    with repairs.switched_off("alter_by_rebuilding", "alter_every_field"):
        operation.database_forwards("shop", db.connection, before, after)
    assert "VARCHAR (5)" in declared(db.connection) or "VARCHAR(5)" in declared(db.connection)
    operation.database_forwards("shop", db.connection, before, after)
    assert "9)" in declared(db.connection)
    # The key still counts by itself.
    first = db.connection.execute_insert("INSERT INTO shop_item (name, embedding) VALUES ('a', x'00')")
    assert first == 1


def test_create_junction(db: Database) -> None:
    class Label(dorm.Model):
        documents = dorm.ManyToManyField(Document)

    operation = operations.CreateModel("Label", [("documents", Label._meta.get_field("documents"))])
    field = operation.fields[0][1]
    operation._emit_m2m_junction("tests_label", "documents", field, db.connection)
    assert db.connection.table_exists("tests_label_documents")
    with repairs.switched_off("create_junction"), pytest.raises(turso.DatabaseError):
        operation._emit_m2m_junction("tests_other", "documents", field, db.connection)


MIGRATIONS = {
    "0001_initial": """
    CreateModel("Item", [("id", dorm.BigAutoField(primary_key=True)), ("name", dorm.CharField(max_length=5))]),
    RunSQL("CREATE TABLE part (item INTEGER REFERENCES shop_item (id) ON DELETE CASCADE)"),
    RunSQL("INSERT INTO shop_item (id, name) VALUES (1, 'a')"),
    RunSQL("INSERT INTO part (item) VALUES (1)"),""",
    "0002_longer": "AlterField('Item', 'name', dorm.CharField(max_length=9)),",
}


@pytest.mark.parametrize("name", ["sqlite", "turso"])
def test_keep_what_refers(name: str, tmp_path: Path) -> None:
    """A longer name of an item must not delete the parts that refer to it."""
    for stem, source in MIGRATIONS.items():
        head = "import dorm\nfrom dorm.migrations.operations import *\ndependencies = []\n"
        (tmp_path / f"{stem}.py").write_text(f"{head}operations = [{source}]\n")

    def parts_left() -> int:
        with backends.get(name).start() as running:
            database = Database(running, running.new_database())
            database.use()
            MigrationExecutor(database.connection, verbosity=0).migrate("shop", tmp_path)
            (row,) = database.connection.execute("SELECT count(*) AS n FROM part")
            with pytest.raises(dorm.IntegrityError, match="FOREIGN KEY"):
                database.connection.execute_write("INSERT INTO part (item) VALUES (9)")
            reset_connections()
            return int(row["n"])

    assert parts_left() == 1
    with repairs.switched_off("keep_what_refers"):
        assert parts_left() == 0


def test_turso_unused_parameters(db: Database) -> None:
    """Sort keys and conditions that Turso leaves out, before, between and after parameters that it uses."""
    for number in (1, 2, 3):
        Document.objects.create(title=str(number), embedding=[number, 0, 0])
    near: Any = Document.objects.annotate(near=L2Distance("embedding", [0, 0, 0]))
    by_key = near.order_by("pk", "near")
    # The second half says what the first one does.
    titled = dorm.Q(title__isnull=False) | (dorm.Q(title__isnull=False) & dorm.Q(title="3"))
    first = [("1", 1.0), ("2", 2.0), ("3", 3.0)]

    def sync() -> list[Any]:
        return [
            list(by_key.values_list("title", "near")),
            list(by_key.filter(near__lt=3).values_list("title", "near")),
            list(near.filter(titled).order_by("title").values_list("title", "near")),
            [(row.title, row.near) for row in by_key.iterator(chunk_size=2)],
            [(by_key.first().title, by_key.first().near)],
        ]

    async def asynchronous() -> list[Any]:
        row = await by_key.afirst()
        return [
            [row async for row in by_key.values_list("title", "near")],
            [row async for row in by_key.filter(near__lt=3).values_list("title", "near")],
            [row async for row in near.filter(titled).order_by("title").values_list("title", "near")],
            [(row.title, row.near) async for row in by_key.aiterator(chunk_size=2)],
            [(row.title, row.near)],
        ]

    assert sync() == asyncio.run(asynchronous()) == [first, first[:2], first, first, first[:1]]
    assert Document.objects.filter(titled).update(pages=1) == 3
    assert asyncio.run(Document.objects.filter(titled, pages=1).aupdate(pages=2)) == 3
    with pytest.raises(dorm.OperationalError, match="bind index 2"):
        db.connection.execute("SELECT title, '?' FROM tests_document WHERE title = %s -- ?", ["1", "2"])
    with repairs.switched_off("turso_unused_parameters"), pytest.raises(dorm.OperationalError, match="bind index"):
        sync()
    assert Document.objects.filter(titled).delete()[0] == 3


# The trap: a vector function that fails takes the open transaction with it.


@pytest.mark.parametrize("argument", ["NULL", "x'0000803f'", "'[1, 2'", "x'00'"])
def test_a_vector_function_that_fails_rolls_everything_back(db: Database, argument: str) -> None:
    raw = db.connection.get_connection()
    raw.execute("BEGIN")
    raw.execute("INSERT INTO tests_author (name) VALUES ('Ada')")
    raw.execute("SAVEPOINT inner")
    with pytest.raises(turso.DatabaseError, match="Conversion error"):
        raw.execute(f"SELECT vector_distance_l2(x'0000803f0000803f', {argument})").fetchall()
    assert not raw.in_transaction
    assert raw.execute("SELECT count(*) FROM tests_author").fetchone()[0] == 0


@pytest.mark.parametrize("distance", [CosineDistance, L1Distance, L2Distance, MaxInnerProduct])
def test_a_distance_never_does(db: Database, distance: Any) -> None:
    """Over NULL, zero, huge and tiny vectors, on either side, alone and inside a subquery."""
    stored = [None, [0, 0, 0], [-0.0, 0, 0], [3e18, -3e18, 3e18], [1e-16, 0, 0], [-1, -2, -3], [1, 2, 3]]
    with atomic():
        for vector in stored:
            Document.objects.create(title="a", embedding=vector, other=stored[2])
        for right in (*stored, dorm.F("other"), dorm.Subquery(Document.objects.values("embedding")[:1])):
            rows = Document.objects.annotate(distance=distance("embedding", right)).order_by("distance")
            assert len(list(rows)) == rows.count() == len(stored)
            nearest = Document.objects.order_by(distance("embedding", dorm.OuterRef("other"))).values("pk")[:1]
            assert len(list(Document.objects.annotate(nearest=dorm.Subquery(nearest)))) == len(stored)
        assert db.connection.get_connection().in_transaction
    assert Document.objects.count() == len(stored)
