"""OPTIONS["statement_timeout"] ends a statement, also where the server stays silent, and not long work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import dorm
import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector import StatementTimeout, UnsupportedByDatabase, bulk_load, no_statement_timeout, to_matrix
from dorm_vector.engines.postgresql import pool_check
from tests.chaos import workers
from tests.chaos.proxy import Proxy
from tests.chaos.test_driver_errors import DRIVERS
from tests.databases import Database
from tests.models import Author, Document

# A silent server would never answer; a busy machine answers late.
LIMIT, MOST = 0.3, 10.0
NUMBERS = {
    "postgresql": "generate_series(1, 1000) {0}(i)",
    "sqlite": "numbers {0}",
    "mariadb": "numbers {0}",
    "mysql": "numbers {0}",
    "turso": "(SELECT value AS i FROM generate_series(1, 1000)) {0}",
}
SLEEP = {"postgresql": "SELECT pg_sleep(0.4)", **dict.fromkeys(("mariadb", "mysql"), "SELECT SLEEP(0.4)")}
WITH = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 1000) "
IN_PROCESS = pytest.mark.not_on("libsql", reason="its driver cannot end a statement")
ON_SERVERS = pytest.mark.not_on("sqlite", "turso", "libsql", reason="they have no server here")


def query(name: str, size: int = 1000) -> str:
    """A query that counts to ``size`` millions, one by one."""
    a, b, c = (NUMBERS[name].format(alias) for alias in "abc")
    counted = f"SELECT SUM(a.i + b.i + c.i) AS total FROM {a}, {b}, {c} WHERE c.i <= {size}"
    return (WITH if "numbers" in NUMBERS[name] else "") + counted


def update(name: str) -> str:
    table = Author._meta.db_table
    return f"UPDATE \"{table}\" SET \"name\" = CASE WHEN ({query(name)}) > 0 THEN 'late' ELSE 'never' END"


def with_limit(database: Database, seconds: float = LIMIT, **more: Any) -> Database:
    options = {**database.settings.get("OPTIONS", {}), "statement_timeout": seconds}
    return replace(database, settings={**database.settings, **more, "OPTIONS": options})


@pytest.fixture
def limited(db: Database) -> Iterator[Database]:
    there = with_limit(db)
    there.use()
    yield there
    db.use()


def assert_ended(error: StatementTimeout, database: Database, began: float) -> None:
    assert time.monotonic() - began < MOST
    assert isinstance(error, dorm.OperationalError)
    assert isinstance(error, type(error.__cause__))
    assert type(error.__cause__).__module__.partition(".")[0] == DRIVERS[database.name]
    for part in ("0.3 seconds", "SELECT SUM(a.i", 'OPTIONS["statement_timeout"]'):
        assert part in str(error)


@IN_PROCESS
def test_a_statement_ends(limited: Database) -> None:
    Author.objects.create(name="Ada")
    for work in (limited.connection.execute, lambda sql: list(limited.connection.execute_streaming(sql))):
        began = time.monotonic()
        with pytest.raises(StatementTimeout) as raised:
            work(query(limited.name))
        assert_ended(raised.value, limited, began)
    began = time.monotonic()
    with pytest.raises(StatementTimeout) as raised:
        limited.connection.execute_write(update(limited.name))
    assert_ended(raised.value, limited, began)
    assert Author.objects.get().name == "Ada"
    with pytest.raises(dorm.OperationalError):
        write_in_a_block(limited)
    assert [author.name for author in Author.objects.all()] == ["Ada"]
    # No statement that goes on holds the row's lock.
    assert Author.objects.update(name="Eve") == 1


def write_in_a_block(database: Database) -> None:
    with atomic():
        Author.objects.create(name="Bob")
        database.connection.execute_write(update(database.name))


async def awrite_in_a_block(database: Database) -> None:
    async with aatomic():
        await Author.objects.acreate(name="Bob")
        await database.async_connection.execute_write(update(database.name))


@IN_PROCESS
async def test_an_async_statement_ends(limited: Database) -> None:
    await Author.objects.acreate(name="Ada")
    connection = limited.async_connection
    began = time.monotonic()
    with pytest.raises(StatementTimeout) as raised:
        await connection.execute(query(limited.name))
    assert_ended(raised.value, limited, began)
    began = time.monotonic()
    with pytest.raises(StatementTimeout) as raised:
        async for _row in connection.execute_streaming(query(limited.name)):
            pass
    assert_ended(raised.value, limited, began)
    with pytest.raises(dorm.OperationalError):
        await awrite_in_a_block(limited)
    assert [author.name async for author in Author.objects.all()] == ["Ada"]
    assert await Author.objects.aupdate(name="Eve") == 1


@IN_PROCESS
def test_exempt_work_takes_its_time(limited: Database) -> None:
    with atomic():
        with no_statement_timeout():
            assert slowest(limited) > LIMIT
        with pytest.raises(StatementTimeout), atomic():
            limited.connection.execute(query(limited.name))
    with no_statement_timeout():
        assert slowest(limited) > LIMIT
    with pytest.raises(StatementTimeout):
        limited.connection.execute(query(limited.name))


def slowest(database: Database) -> float:
    """Run statements that take longer each time, until one takes longer than the limit, and return its seconds."""
    took, size = 0.0, 1
    while took <= LIMIT:
        began = time.monotonic()
        database.connection.execute(SLEEP.get(database.name) or query(database.name, size))
        took, size = time.monotonic() - began, 2 * size
    return took


@ON_SERVERS
@pytest.mark.parametrize("outer", [nullcontext, atomic])
def test_loads_are_exempt(db: Database, outer: Any) -> None:
    there = with_limit(db, 0.002)
    try:
        there.use()
        with outer():
            rows = ({"title": str(number), "embedding": [number, 1.0, 0.0]} for number in range(3000))
            assert bulk_load(Document, rows) == 3000
            keys, _matrix = to_matrix(Document.objects.all(), "embedding")
            assert len(keys) == 3000
        with pytest.raises(StatementTimeout):
            there.connection.execute(query(db.name))
    finally:
        db.use()


@ON_SERVERS
def test_a_server_that_stays_silent(proxied: Database, proxy: Proxy) -> None:
    there = with_limit(proxied, MAX_POOL_SIZE=1)
    there.use()
    Author.objects.create(name="Ada")

    async def swallowed() -> None:
        proxy.swallows = False
        await Author.objects.acount()
        proxy.swallows = True
        began = time.monotonic()
        with pytest.raises(StatementTimeout, match="check whether its writes were stored"):
            await Author.objects.acreate(name="Bob")
        assert time.monotonic() - began < LIMIT + MOST

    proxy.swallows = True
    began = time.monotonic()
    with pytest.raises(StatementTimeout, match="check whether its writes were stored"):
        Author.objects.create(name="Bob")
    assert time.monotonic() - began < LIMIT + MOST
    workers.run(swallowed())
    proxy.swallows = False
    proxy.cut()
    workers.stop()


@pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="they have no check of pooled connections")
def test_the_check_of_a_connection_ends_where_the_server_stays_silent(
    proxied: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(proxied, settings={**proxied.settings, "OPTIONS": {"connect_timeout": 2}}).use()

    # Every connection is in doubt, as one that was idle for long.
    monkeypatch.setattr(pool_check, "_IDLE", -1.0)
    Author.objects.count()
    proxy.swallows = True
    began = time.monotonic()
    with pytest.raises(dorm.OperationalError):
        Author.objects.count()
    assert time.monotonic() - began < 8


@pytest.mark.not_on("sqlite", "turso", "postgresql", "mariadb", "mysql", reason="they can end a statement")
def test_a_database_that_cannot_end_a_statement_refuses(db: Database) -> None:
    import libsql

    assert not {"interrupt", "set_progress_handler", "set_query_timeout"} & set(dir(libsql.Connection))
    with_limit(db).use()
    with pytest.raises(UnsupportedByDatabase, match="its driver cannot end a statement"):
        Author.objects.count()
    db.use()


@pytest.mark.parametrize("seconds", [0, -1, "soon", True, float("nan")])
def test_the_setting_is_checked(db: Database, seconds: Any) -> None:
    with_limit(db, seconds).use()
    with pytest.raises(dorm.ImproperlyConfigured, match="statement_timeout"):
        Author.objects.count()
    db.use()


@pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="PgBouncer is in front of PostgreSQL")
def test_sessions_that_others_share_have_no_setting(db: Database) -> None:
    with_limit(db, PGBOUNCER_MODE="transaction").use()
    active = "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(20)%%'"
    try:
        assert db.connection.execute("SHOW statement_timeout")[0]["statement_timeout"] == "0"
        began = time.monotonic()
        with pytest.raises(StatementTimeout):
            db.connection.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - began < MOST
        while db.connection.execute(active)[0]["n"]:
            assert time.monotonic() - began < 19, "the server still runs what the client gave up"
            time.sleep(0.02)
        with no_statement_timeout():
            db.connection.execute("SELECT pg_sleep(0.5)")
    finally:
        db.use()
