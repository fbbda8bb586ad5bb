"""The repair of concurrent builds, and the bug that comes back without it."""

from __future__ import annotations

from collections.abc import Iterator

import dorm
import pytest
from dorm.db.connection import reset_connections
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

import backends
from dorm_vector import HnswIndex, IndexWouldWait
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables
from tests.models import Chunk, Document


@pytest.fixture
def postgresql() -> Iterator[Database]:
    with backends.get("postgresql").start() as running:
        database = Database(running, running.new_database())
        database.use()
        create_tables(database.connection)
        yield database
        reset_connections()


def names(database: Database) -> set[str]:
    return {row["name"] for row in database.connection.execute("SELECT indexname AS name FROM pg_indexes")}


PLAIN = dorm.Index(["document_id"], "by_document")


def test_concurrent_index(postgresql: Database) -> None:
    state, connection = ProjectState.from_apps(), postgresql.connection
    add = AddIndex("Chunk", PLAIN, concurrently=True)
    with (
        repairs.switched_off("concurrent_index"),
        pytest.raises(Exception, match="inside a transaction block"),
        connection.atomic(),
    ):
        add.database_forwards("tests", connection, state, state)
    assert "by_document" not in names(postgresql)
    build_and_drop(postgresql, PLAIN)


def test_a_concurrent_vector_index_needs_no_repair(postgresql: Database) -> None:
    with repairs.switched_off("concurrent_index"):
        build_and_drop(postgresql, HnswIndex(["embedding"], "by_document"))


def build_and_drop(postgresql: Database, index: dorm.Index) -> None:
    """As ``dorm migrate`` does, in a transaction; what the migration does around it is still undone together."""
    state, connection = ProjectState.from_apps(), postgresql.connection
    add, remove = (operation("Chunk", index, concurrently=True) for operation in (AddIndex, RemoveIndex))
    with connection.atomic():
        add.database_forwards("tests", connection, state, state)
    assert "by_document" in names(postgresql)
    with connection.atomic():
        remove.database_forwards("tests", connection, state, state)
    assert "by_document" not in names(postgresql)
    add.database_forwards("tests", connection, state, state)
    add.database_backwards("tests", connection, state, state)
    assert "by_document" not in names(postgresql)


def test_a_concurrent_build_never_waits_for_its_own_transaction(postgresql: Database) -> None:
    state, connection = ProjectState.from_apps(), postgresql.connection
    index = HnswIndex(["embedding"], "by_document")
    add, remove = (operation("Chunk", index, concurrently=True) for operation in (AddIndex, RemoveIndex))
    with connection.atomic():
        Document.objects.create(title="a")
        Chunk.objects.create(document=Document.objects.get(), embedding=[1, 2, 3])
        with pytest.raises(IndexWouldWait, match=r"AddIndex\('by_document', concurrently=True\) would wait"):
            add.database_forwards("tests", connection, state, state)
    with connection.atomic():
        # It waits for writers; and a query with parameters leaves a snapshot behind, for which it would wait, too.
        assert Chunk.objects.filter(pk__gt=0).count() == 1
        add.database_forwards("tests", connection, state, state)
    with connection.atomic():
        assert Chunk.objects.count() == 1
        with pytest.raises(IndexWouldWait, match=r"RemoveIndex\('by_document'"):
            remove.database_forwards("tests", connection, state, state)
    with connection.atomic():
        connection.execute_script('ALTER TABLE "tests_chunk" ADD COLUMN more integer')
        remove.database_forwards("tests", connection, state, state)
        assert "by_document" not in names(postgresql), "nobody else can use the table: in the transaction"
    assert "by_document" not in names(postgresql)
