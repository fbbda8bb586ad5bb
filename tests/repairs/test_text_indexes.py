"""Each repair that an index of words needs, and the bug that comes back without it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dorm
import pytest
from dorm.db.connection import _create_async_connection, _create_sync_connection, reset_connections
from dorm.migrations import operations
from dorm.migrations.state import ProjectState

import backends
from dorm_vector import TextIndex, text_search
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables
from tests.models import Article, Author

TABLES = (Author, Article)
CREATE_WORDS = 'CREATE INDEX "t_words" ON "t" USING fts ("a")'


@pytest.fixture(params=["sqlite", "libsql", "turso"])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    with backends.get(request.param).start() as running:
        database = Database(running, running.new_database())
        database.use()
        create_tables(database.connection, TABLES)
        yield database
        reset_connections()


def found(text: str) -> list[str]:
    return sorted(row.headline for row in text_search(Article.objects.all(), text=text))


def states() -> tuple[ProjectState, ProjectState]:
    return ProjectState.from_apps(), ProjectState.from_apps()


def test_text_index_ddl(db: Database) -> None:
    state, _ = states()
    index = TextIndex(["headline", "body"], "again_words")
    operations.RemoveIndex("Article", Article._meta.indexes[0]).database_forwards("tests", db.connection, state, state)
    operations.AddIndex("Article", index).database_forwards("tests", db.connection, state, state)
    names = {row["name"] for row in db.connection.execute("SELECT name FROM sqlite_master")}
    assert "again_words" in names
    assert "article_words" not in names


def test_keep_text_indexes(db: Database) -> None:
    before, after = states()
    alter = operations.AlterField("Article", "pages", dorm.IntegerField(default=2))
    alter.state_forwards("tests", after)
    Article.objects.create(headline="first heron")
    alter.database_forwards("tests", db.connection, before, after)
    Article.objects.create(headline="next heron")
    assert found("heron") == ["first heron", "next heron"]
    assert all(row.text_score > 0 for row in text_search(Article.objects.all(), text="heron"))


def test_drop_text_indexes(db: Database) -> None:
    state, nothing = states()
    nothing.models = {}
    delete = operations.DeleteModel("Article")

    def left() -> list[Any]:
        return list(db.connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%article%'"))

    assert left()
    delete.database_forwards("tests", db.connection, state, nothing)
    assert left() == []


def test_rename_indexed_fields(db: Database) -> None:
    rename = operations.RenameField("Article", "body", "text")

    def indexed() -> list[list[str]]:
        state, _ = states()
        rename.state_forwards("tests", state)
        return [index.fields for index in state.models["tests.article"]["options"]["indexes"]]

    assert indexed() == [["headline", "text"]]
    assert Article._meta.indexes[0].fields == ["headline", "body"]


def test_rename_plain_indexes() -> None:
    rename = operations.RenameField("Item", "name", "title")

    def indexed() -> list[str]:
        state = ProjectState()
        options = {"indexes": [dorm.Index(["-name"], "item_name", condition=dorm.Q(name__gt="a"))]}
        state.add_model("shop", "Item", {"name": dorm.CharField(max_length=9)}, options)
        rename.state_forwards("shop", state)
        (index,) = state.models["shop.item"]["options"]["indexes"]
        return [*index.fields, index.condition.children[0][0]]

    assert indexed() == ["-title", "title__gt"]
    with repairs.switched_off("rename_indexed_fields"):
        assert indexed() == ["-name", "name__gt"], "a field that is no more"


async def test_turso_text_indexes() -> None:
    with backends.get("turso").start() as running:
        settings = running.new_database()
        connection: Any = _create_sync_connection("first", settings)
        connection.execute_script('CREATE TABLE "t" ("id" INTEGER PRIMARY KEY, "a" TEXT)')
        connection.execute_script(CREATE_WORDS)
        connection.execute_write('INSERT INTO "t" VALUES (1, %s)', ["a heron"])
        connection.close()
        for off in ((), ("turso_async", "async_transactions")):
            with repairs.switched_off(*off):
                later: Any = _create_async_connection("later", settings)
                rows = await later.execute("SELECT id FROM t WHERE fts_match(a, ?1)", ["heron"])
                assert [row[0] for row in rows] == [1]
                await later.execute_script('DROP INDEX "t_words"')
                await later.execute_script(CREATE_WORDS)
                await later.close()


def test_turso_text_indexes_for_threads_that_connect_at_once() -> None:
    barrier = threading.Barrier(8)

    def index_words(number: int) -> None:
        barrier.wait()
        for turn in range(20):
            connection = _create_sync_connection(f"{number}_{turn}", {"ENGINE": "libsql", "NAME": ":memory:"})
            connection.execute_script('CREATE TABLE "t" ("a" TEXT)')
            connection.execute_script(CREATE_WORDS)
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(index_words, range(8)))
