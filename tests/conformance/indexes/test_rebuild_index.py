"""rebuild_index() and RebuildIndex: an index is built again, and holds what its table does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.migrations.state import ProjectState
from dorm.transaction import atomic

import dorm_vector
from dorm_vector import (
    HnswIndex,
    IndexWouldWait,
    RebuildIndex,
    TextIndex,
    Vec0Index,
    VectorField,
    arebuild_index,
    rebuild_index,
)
from tests.conformance.inside import state_of
from tests.databases import Database, create_tables, drop_table
from tests.helpers.oracle import vectors

ROWS, QUERY = vectors(60, 8), vectors(1, 8, seed=8)[0]
NAMES = ("page_hnsw", "page_vec0", "page_words", "page_number")


class Page(dorm.Model):
    number = dorm.IntegerField()
    body = dorm.TextField()
    embedding = VectorField(dimensions=8)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(fields=["embedding"], name="page_hnsw", distance="l2"),
            Vec0Index(["embedding"], "page_vec0", distance="l2"),
            TextIndex(fields=["body"], name="page_words"),
            dorm.Index(fields=["number"], name="page_number"),
        ]


@pytest.fixture
def pages(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Page,))
    Page.objects.bulk_create(
        Page(number=number, body=f"page {number}", embedding=row) for number, row in enumerate(ROWS)
    )
    yield db
    drop_table(db, Page)


def sync(_database: Database, name: str) -> None:
    rebuild_index(Page, name)


def in_a_block(database: Database, name: str) -> None:
    with atomic():
        rebuild_index(Page, name)


def in_async_code(database: Database, name: str) -> None:
    async def rebuild() -> None:
        await arebuild_index(Page, name)
        await database.async_connection.close()

    asyncio.run(rebuild())


def in_a_migration(database: Database, name: str) -> None:
    migrate(database, RebuildIndex("Page", name))


def concurrently_in_a_migration(database: Database, name: str) -> None:
    migrate(database, RebuildIndex("Page", name, concurrently=True))


def migrate(database: Database, operation: RebuildIndex) -> None:
    state: ProjectState = state_of([Page])
    operation.state_forwards("tests", state)
    operation.database_forwards("tests", database.connection, state, state)
    operation.database_backwards("tests", database.connection, state, state)


WAYS = (sync, in_a_block, in_async_code, in_a_migration, concurrently_in_a_migration)


@pytest.mark.parametrize("rebuild", WAYS)
def test_an_index_is_built_again(pages: Database, rebuild: Callable[[Database, str], None]) -> None:
    before = {name: built(pages, name) for name in NAMES}
    for name in NAMES:
        rebuild(pages, name)
    after = {name: built(pages, name) for name in NAMES}
    assert {name for name in NAMES if before[name]} == {name for name in NAMES if after[name]}
    if pages.name in ("postgresql", "mariadb", "mysql"):
        assert all(before[name] != after[name] for name in NAMES if before[name])
    expected = [row.number for row in Page.objects.nearest("embedding", QUERY, exact=True)[:5]]
    assert [row.number for row in Page.objects.nearest("embedding", QUERY)[:5]] == expected
    assert Page.objects.get(number=7).body == "page 7"


def built(database: Database, name: str) -> Any:
    """Return what stands for an index in the catalog; it changes where the catalog tells one build from the next."""
    sql = {
        "postgresql": "SELECT pg_relation_filenode(to_regclass(%s)) AS mark",
        "mysql": "SELECT INDEX_ID AS mark FROM information_schema.INNODB_INDEXES WHERE NAME = %s",
        "mariadb": "SELECT COALESCE((SELECT INDEX_ID FROM information_schema.INNODB_SYS_INDEXES WHERE NAME = %s),"
        " (SELECT MAX(SPACE) FROM information_schema.INNODB_SYS_TABLESPACES"
        " WHERE NAME LIKE CONCAT(DATABASE(), '/%%page#i#%%') AND %s = 'page_hnsw')) AS mark",
    }.get(database.name, "SELECT COUNT(*) AS mark FROM sqlite_master WHERE name = %s")
    rows = database.connection.execute(sql, [name] * sql.count("%s"))
    return rows[0]["mark"] if rows else None


def test_a_rebuild_tells_its_progress_from_its_beginning_to_its_end(pages: Database) -> None:
    main, told = threading.get_ident(), list[tuple[int, int | None]]()

    def note(done: int, total: int | None) -> None:
        told.append((done, total))

    def note_in_the_loop(done: int, total: int | None) -> None:
        assert threading.get_ident() == main
        told.append((done, total))

    async def rebuild_all() -> None:
        for name in NAMES:
            told.clear()
            await arebuild_index(Page, name, progress=note_in_the_loop)
            is_whole(name)
        await pages.async_connection.close()

    def is_whole(name: str) -> None:
        assert told[0] == (0, None), name
        assert told[-1][0] == told[-1][1], name
        assert all(total is None or done <= total for done, total in told)
        if pages.name == "sqlite" and name == "page_vec0":
            assert told[1:] == [(0, 60), (60, 60), (60, 60)]
            (held,) = pages.connection.execute('SELECT COUNT(*) AS "rows" FROM "page_vec0"')
            assert held["rows"] == len(ROWS)

    for name in NAMES:
        told.clear()
        rebuild_index(Page, name, progress=note)
        is_whole(name)
    asyncio.run(rebuild_all())
    assert [row.number for row in Page.objects.nearest("embedding", ROWS[7])[:1]] == [7]


@pytest.mark.not_on("turso", "postgresql", "libsql", "mariadb", "mysql", reason="they have no companion tables")
def test_a_companion_is_filled_in_parts_while_somebody_watches(
    pages: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dorm_vector.indexes.build_progress._ROWS_AT_ONCE", 7)
    Page.objects.filter(number__range=(10, 19)).delete()
    expected = sorted(Page.objects.values_list("pk", flat=True))
    told: list[int] = []
    rebuild_index(Page, "page_vec0", progress=lambda done, _total: told.append(done))
    assert told == [0, 0, 7, 14, 21, 28, 35, 42, 49, 50, 50]
    held = pages.connection.execute('SELECT "id" FROM "page_vec0" ORDER BY "id"')
    assert [row["id"] for row in held] == expected


def test_a_progress_that_fails_is_raised(pages: Database) -> None:
    def fail(_done: int, _total: int | None) -> None:
        raise LookupError("the bar is gone")

    with pytest.raises(LookupError, match="the bar is gone"):
        rebuild_index(Page, "page_number", progress=fail)
    rebuild_index(Page, "page_number")


@pytest.mark.not_on("turso", "postgresql", "libsql", "mariadb", "mysql", reason="they have no companion tables")
def test_a_companion_holds_its_table_again(pages: Database) -> None:
    pages.connection.execute_write('DELETE FROM "page_vec0" WHERE "id" % 2 = 0')
    counted = 'SELECT COUNT(*) AS "rows" FROM "page_vec0"'
    assert pages.connection.execute(counted)[0]["rows"] == len(ROWS) / 2
    rebuild_index(Page, "page_vec0")
    assert pages.connection.execute(counted)[0]["rows"] == len(ROWS)


def test_an_unknown_name(pages: Database) -> None:
    with pytest.raises(ValueError, match=r"Page has no index named 'page' to rebuild\. It has page_hnsw, page_number"):
        rebuild_index(Page, "page")
    with pytest.raises(ValueError, match="no index named 'page'"):
        migrate(pages, RebuildIndex("Page", "page"))


@pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="PostgreSQL builds concurrently")
def test_a_concurrent_rebuild_does_not_wait_for_its_own_migration(pages: Database) -> None:
    with atomic():
        Page.objects.filter(number=1).update(body="changed")
        with pytest.raises(IndexWouldWait, match=r"RebuildIndex\('page_hnsw', concurrently=True\) would wait"):
            concurrently_in_a_migration(pages, "page_hnsw")


def test_the_operation_is_written_to_a_migration() -> None:
    from dorm.migrations.writer import _serialize_operation

    for concurrently in (False, True):
        written = _serialize_operation(RebuildIndex("Page", "page_hnsw", concurrently))
        again = eval(written, {"dorm_vector": dorm_vector})  # noqa: S307  # what the writer wrote
        assert vars(again) == vars(RebuildIndex("Page", "page_hnsw", concurrently))
