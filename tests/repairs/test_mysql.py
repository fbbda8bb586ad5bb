"""Each repair of djanorm and of the drivers on MySQL and MariaDB, and the bug that comes back without it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import aiomysql
import dorm
import pytest
from dorm.db.connection import _create_async_connection, _create_sync_connection, get_async_connection
from dorm.inspect import introspect_tables
from dorm.migrations import operations
from dorm.migrations.state import ProjectState
from dorm.signals import post_query
from dorm.transaction import aatomic

from dorm_vector import L2Distance
from dorm_vector.engines import dialect_for
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables
from tests.models import Author, Document

pytestmark = pytest.mark.not_on("sqlite", "postgresql", "turso", "libsql", reason="it is about MySQL's protocol")
ON_MYSQL = pytest.mark.not_on("mariadb", reason="MariaDB takes it as djanorm has it")
VECTOR = [1.0, 2.0, 3.0]


class Utterance(dorm.Model):
    text = dorm.TextField(default='it\'s "so"')

    class Meta:
        db_table = "tests_utterance"


class Reader(dorm.Model):
    # Else deleting an author asks for a table that only these tests have.
    author = dorm.ForeignKey(Author, on_delete=dorm.DO_NOTHING)

    class Meta:
        db_table = "tests_reader"


@contextmanager
def opened(db: Database, **options: Any) -> Iterator[Any]:
    """A connection that nothing was asked on yet."""
    connection = _create_sync_connection("another", {**db.settings, "OPTIONS": options})
    yield connection
    connection.close()


@contextmanager
def dropped(db: Database, table: str) -> Iterator[None]:
    try:
        yield
    finally:
        db.connection.execute_script(f'DROP TABLE IF EXISTS "{table}"')


def three() -> None:
    for number in range(3):
        Document.objects.create(title=str(number), embedding=VECTOR)


def test_connection_per_thread(db: Database) -> None:
    def connections() -> int:
        with opened(db) as wrapper, ThreadPoolExecutor(max_workers=4) as pool:
            wrapper.get_connection()
            together = Barrier(4)

            def its_own(_number: int) -> int:
                together.wait()
                return id(wrapper.get_connection())

            return len(set(pool.map(its_own, range(4))))

    assert connections() == 4
    # The setting, for a thread does not have the context variable of switched_off().
    dorm.configure(DORM_VECTOR_REPAIRS=["driver_arguments"])
    try:
        assert connections() == 1
    finally:
        dorm.configure(DORM_VECTOR_REPAIRS=True)


def test_autocommit(db: Database) -> None:
    def seen() -> int:
        with opened(db) as reader:
            counts = []
            for title in ("before", "after"):
                counts.append(reader.execute("SELECT COUNT(*) AS n FROM tests_document")[0]["n"])
                Document.objects.create(title=title)
            return int(counts[1] - counts[0])

    with repairs.switched_off("autocommit"):
        assert seen() == 0
    assert seen() == 1


def test_driver_arguments(db: Database) -> None:
    with (
        repairs.switched_off("driver_arguments"),
        opened(db, pool=object()) as connection,
        pytest.raises(TypeError, match="pool"),
    ):
        connection.execute("SELECT 1 AS one")
    with opened(db, pool=object()) as connection:
        assert connection.execute("SELECT 1 AS one") == [{"one": 1}]


def test_precise_averages(db: Database) -> None:
    def mean(**options: Any) -> str:
        with opened(db, **options) as connection:
            return str(connection.execute("SELECT AVG(pages) AS mean FROM tests_document")[0]["mean"])

    for pages in (1, 1, 2):
        Document.objects.create(title="a", pages=pages)
    with repairs.switched_off("precise_averages"):
        assert mean() == "1.3333"
    assert mean() == "1.3333333333333333"
    assert mean(init_command="SET SESSION div_precision_increment = 2") == "1.33"


def test_streaming_connection(db: Database) -> None:
    def read() -> int:
        rows = 0
        for row in Document.objects.iterator(chunk_size=1):
            row.save()
            rows += 1
        return rows

    three()
    with repairs.switched_off("streaming_connection"), warnings.catch_warnings():
        # PyMySQL's, of the result that is dropped.
        warnings.simplefilter("ignore")
        assert read() < 3
    assert read() == 3


def test_bulk_insert(db: Database) -> None:
    with repairs.switched_off("bulk_insert"), pytest.raises(AttributeError, match="execute_bulk_insert"):
        Document.objects.bulk_create([Document(title="a")])
    first, second = Document.objects.bulk_create([Document(title="a"), Document(title="b")])
    assert [Document.objects.get(pk=row.pk).title for row in (first, second)] == ["a", "b"]


def test_on_duplicate_key(db: Database) -> None:
    author = Author.objects.create(name="Ada")
    with repairs.switched_off("on_duplicate_key"), pytest.raises(dorm.DatabaseError, match="CONFLICT"):
        Author.objects.bulk_create([Author(id=author.pk, name="Bob")], ignore_conflicts=True)
    Author.objects.bulk_create([Author(id=author.pk, name="Bob")], ignore_conflicts=True)
    assert Author.objects.get().name == "Ada"


def test_like_escape(db: Database) -> None:
    three()
    with repairs.switched_off("like_escape"), pytest.raises(dorm.DatabaseError, match="syntax"):
        Document.objects.filter(title__contains="1").count()
    assert Document.objects.filter(title__contains="1").count() == 1


def test_foreign_key_type(db: Database) -> None:
    with dropped(db, "tests_reader"):
        with repairs.switched_off("foreign_key_type"), pytest.raises(dorm.DatabaseError):
            create_tables(db.connection, (Author, Reader))
        create_tables(db.connection, (Author, Reader))
        reader = Reader.objects.create(author=Author.objects.create(name="Ada"))
        assert Reader.objects.get(pk=reader.pk).author.name == "Ada"


async def test_statements_in_their_transaction(db: Database) -> None:
    async def write_and_fail(name: str) -> None:
        async with aatomic():
            await Author.objects.acreate(name=name)
            raise ZeroDivisionError

    with repairs.switched_off("statements_in_their_transaction"), pytest.raises(ZeroDivisionError):
        await write_and_fail("on a connection of its own")
    with pytest.raises(ZeroDivisionError):
        await write_and_fail("in the transaction")
    assert list(Author.objects.values_list("name", flat=True)) == ["on a connection of its own"]


async def test_strict_async_writes(db: Database) -> None:
    with repairs.switched_off("strict_async_writes"), warnings.catch_warnings():
        # What the server says of the text that it cuts off.
        warnings.simplefilter("ignore")
        await Author.objects.acreate(name="x" * 60)
        assert (await Author.objects.aget()).name == "x" * 50
    db.use()
    with pytest.raises(dorm.DatabaseError, match="too long"):
        await Author.objects.acreate(name="y" * 60)
    assert await Author.objects.acount() == 1


async def test_async_query_log(db: Database) -> None:
    sent: list[str] = []

    def note(sender: str, sql: str, **_more: Any) -> None:
        sent.append(sql)

    post_query.connect(note, weak=False, dispatch_uid="mysql")
    try:
        with repairs.switched_off("async_query_log"):
            await Author.objects.acount()
            assert sent == []
        await Author.objects.acount()
        assert len(sent) == 1
    finally:
        post_query.disconnect(dispatch_uid="mysql")


async def test_async_streaming(db: Database) -> None:
    three()
    with repairs.switched_off("async_streaming"), pytest.raises(AttributeError, match="execute_streaming"):
        [row async for row in Document.objects.aiterator(chunk_size=2)]
    assert len([row async for row in Document.objects.aiterator(chunk_size=2)]) == 3


async def test_async_script(db: Database) -> None:
    script = "INSERT INTO tests_author (name) VALUES ('a;b'); INSERT INTO tests_author (name) VALUES ('c')"
    with repairs.switched_off("async_script"), pytest.raises(AttributeError, match="execute_script"):
        await get_async_connection().execute_script(script)
    await get_async_connection().execute_script(script)
    assert set(Author.objects.values_list("name", flat=True)) == {"a;b", "c"}


async def test_async_introspection(db: Database) -> None:
    with repairs.switched_off("async_introspection"), pytest.raises(AttributeError, match="table_exists"):
        await get_async_connection().table_exists("tests_author")
    assert await get_async_connection().table_exists("tests_author")
    assert not await get_async_connection().table_exists("tests_nothing")
    assert [row["name"] for row in await get_async_connection().get_table_columns("tests_author")] == ["id", "name"]


@ON_MYSQL
def test_vector_columns_as_bytes(db: Database) -> None:
    Document.objects.create(title="a", embedding=[-1.5, 2e18, 1e-40])
    with opened(db) as connection:
        (row,) = connection.execute('SELECT "embedding" FROM "tests_document"')
        assert isinstance(row["embedding"], bytes)


async def test_async_bytes(db: Database) -> None:
    async def sent() -> Any:
        return await get_async_connection().execute("SELECT %s AS value", [b"\x00'a"])

    with repairs.switched_off("async_bytes"), pytest.raises(TypeError, match="not callable"):
        await sent()
    assert await sent() == [{"value": b"\x00'a"}]
    with repairs.switched_off("async_bytes"):
        await Document.objects.acreate(title="a", embedding=VECTOR)
    assert (await Document.objects.aget()).embedding == VECTOR


def test_drop_index_on_table(db: Database) -> None:
    state, index = ProjectState.from_apps(), dorm.Index(fields=["pages"], name="document_pages")
    operation = operations.AddIndex("Document", index)
    operation.database_forwards("tests", db.connection, state, state)
    with repairs.switched_off("drop_index_on_table"), pytest.raises(dorm.DatabaseError, match="syntax"):
        operation.database_backwards("tests", db.connection, state, state)
    operation.database_backwards("tests", db.connection, state, state)
    operation.database_forwards("tests", db.connection, state, state)
    operations.RemoveIndex("Document", index).database_forwards("tests", db.connection, state, state)


def test_introspect_mysql_tables(db: Database) -> None:
    with repairs.switched_off("introspect_mysql_tables"), pytest.raises(Exception, match="format string"):
        introspect_tables(db.connection)
    assert "tests_document" in {table["name"] for table in introspect_tables(db.connection)}


@ON_MYSQL
def test_text_default(db: Database) -> None:
    with dropped(db, "tests_utterance"):
        with repairs.switched_off("text_default"), pytest.raises(dorm.DatabaseError, match="can't have a default"):
            create_tables(db.connection, (Utterance,))
        create_tables(db.connection, (Utterance,))
        db.connection.execute_write('INSERT INTO "tests_utterance" () VALUES ()')
        assert Utterance.objects.get().text == 'it\'s "so"'


@ON_MYSQL
async def test_quiet_async_plans(db: Database) -> None:
    queryset = Document.objects.order_by(L2Distance("embedding", VECTOR))
    with repairs.switched_off("quiet_async_plans"), pytest.warns(Warning, match="was resolved in SELECT"):
        await queryset.aexplain()
    assert await queryset.aexplain()


# Which of the two answers is known from the server, whatever the settings say.


@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_the_server_says_which_it_is(db: Database, engine: str) -> None:
    settings = {**db.settings, "ENGINE": engine}
    connection = _create_sync_connection("sync", settings)
    assert dialect_for(connection).name == db.name
    connection.close()
    assert dialect_for(_create_async_connection("async", settings)).name == db.name


async def test_a_pool_of_the_users_own_says_so_too(db: Database) -> None:
    settings = {name: db.settings[name] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
    names = {"NAME": "db"}
    pool = await aiomysql.create_pool(**{names.get(name, name.lower()): value for name, value in settings.items()})
    try:
        wrapper = _create_async_connection("pooled", {**db.settings, "OPTIONS": {"pool": pool}})
        assert dialect_for(wrapper).name == db.name
        assert await wrapper.execute("SELECT 1 AS one") == [{"one": 1}]
    finally:
        pool.close()
        await pool.wait_closed()


@pytest.mark.not_on("mysql", reason="only trying says what a MySQL computes: test_mysql.py")
def test_no_query_asks_mariadb(db: Database) -> None:
    def questions() -> int:
        return int(db.connection.execute("SHOW GLOBAL STATUS LIKE 'Questions'")[0]["Value"])

    with opened(db) as connection:
        connection.get_connection()
        before = questions()
        assert dialect_for(connection).name == "mariadb"
        assert questions() - before == 1
