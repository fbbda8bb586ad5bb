"""Round trips of a search on PostgreSQL, as the driver's own trace shows them, and connections that went away."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection, reset_connections
from dorm.transaction import atomic

import backends
from dorm_vector import CosineDistance
from dorm_vector.engines.postgresql import pool_check as pooling
from dorm_vector.engines.statement import Statement
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables
from tests.models import Document

ROUND_TRIP = re.compile(r"\sF\s.*\b(?:Query|Sync)\b")
QUERY = [1.0, 0.0, 0.0]


@pytest.fixture
def postgresql() -> Iterator[Database]:
    with backends.get("postgresql").start() as running:
        database = Database(running, {**running.new_database(), "MAX_POOL_SIZE": 1})
        database.use()
        # One failure is one: nothing is to be tried again.
        dorm.configure(RETRY_ATTEMPTS=1)
        create_tables(database.connection)
        Document.objects.create(title="a", embedding=QUERY)
        yield database
        dorm.configure(RETRY_ATTEMPTS=3)
        reset_connections()


def ranked() -> Any:
    return Document.objects.annotate(distance=CosineDistance("embedding", QUERY)).order_by("distance")[:1]


def pooled(database: Database) -> Any:
    """Return the one connection of the pool."""
    with database.connection._get_pool().connection() as connection:
        return connection


def round_trips(connection: Any, work: Any, trace: Path) -> int:
    with trace.open("w+b") as file:
        connection.pgconn.trace(file.fileno())
        try:
            work()
        finally:
            connection.pgconn.untrace()
    return len(ROUND_TRIP.findall(trace.read_text()))


def test_a_search_is_one_round_trip(postgresql: Database, tmp_path: Path) -> None:
    connection = pooled(postgresql)
    assert round_trips(connection, lambda: list(ranked()), tmp_path / "trace") == 1
    with repairs.switched_off("check_where_in_doubt"):
        assert round_trips(connection, lambda: list(ranked()), tmp_path / "trace") == 2
    with atomic():
        assert round_trips(connection, lambda: list(ranked()), tmp_path / "trace") <= 2, "BEGIN, once"


def test_a_connection_that_was_idle_is_asked(postgresql: Database, tmp_path: Path) -> None:
    connection = pooled(postgresql)
    setattr(connection, pooling._LAST_GIVEN, time.monotonic() - pooling._IDLE - 1)
    assert round_trips(connection, lambda: list(ranked()), tmp_path / "trace") == 2
    assert round_trips(connection, lambda: list(ranked()), tmp_path / "trace") == 1


def end(database: Database, connection: Any) -> None:
    """Let the server end the session, and wait until its word is here."""
    import psycopg

    settings = database.settings
    where = {"host": settings["HOST"], "port": settings["PORT"], "dbname": settings["NAME"], "user": settings["USER"]}
    with psycopg.connect(**where, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])


def test_a_connection_that_the_server_ended_is_replaced(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    end(postgresql, pooled(postgresql))
    assert [row.title for row in ranked()] == ["a"]
    end(postgresql, pooled(postgresql))
    monkeypatch.setattr(pooling, "has_news", lambda socket: False)
    with pytest.raises(dorm.OperationalError):
        list(ranked())


def test_without_poll_every_connection_is_asked(
    postgresql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = pooled(postgresql)
    monkeypatch.delattr("select.poll")
    assert round_trips(connection, lambda: list(ranked()), tmp_path / "trace") == 2


async def test_an_async_connection_that_the_server_ended_is_replaced(postgresql: Database, tmp_path: Path) -> None:
    async with (await get_async_connection()._get_pool()).connection() as connection:
        pass
    assert [row.title async for row in ranked()] == ["a"]
    end(postgresql, connection)
    assert [row.title async for row in ranked()] == ["a"]
    await get_async_connection().close()


def tuned(**options: int) -> Any:
    return Document.objects.nearest("embedding", QUERY, distance="cosine").search_options(**options)[:1]


def setting(connection: Any) -> Any:
    return connection.execute("SELECT nullif(current_setting('hnsw.ef_search', true), '') AS value").fetchone()["value"]


def test_options_travel_with_their_search(postgresql: Database, tmp_path: Path) -> None:
    connection = pooled(postgresql)
    list(tuned(ef_search=77))
    assert round_trips(connection, lambda: list(tuned(ef_search=77)), tmp_path / "trace") == 1
    assert "'77'" in (tmp_path / "trace").read_text()
    with postgresql.connection._get_pool().connection() as again:
        assert again is connection
        assert setting(again) in (None, "40"), "they end with it"


def with_ef_search(sql: str, value: int) -> Statement:
    return Statement(sql, binary=True, options=f"SELECT set_config('hnsw.ef_search', '{value}', true)")


def test_options_hold_for_their_search(postgresql: Database) -> None:
    """Read by the statement itself: it is sent with options, on a connection that is idle and on one that is not."""
    asked = Statement(
        "SELECT current_setting('hnsw.ef_search')",
        binary=True,
        options="SELECT set_config('hnsw.ef_search', '77', true)",
    )
    wrapper = postgresql.connection
    assert wrapper.execute(asked)[0]["current_setting"] == "77"
    connection = pooled(postgresql)
    with connection.transaction():
        assert wrapper._exec(connection, asked, [])[0]["current_setting"] == "77"
        assert setting(connection) in (None, "40"), "a transaction that is open is left as it was"


def test_what_fails_with_options_leaves_the_connection_as_it_was(postgresql: Database) -> None:
    wrong = with_ef_search("SELECT 1 AS one", 0)
    missing = Statement(
        "SELECT nothing FROM nowhere", binary=True, options="SELECT set_config('hnsw.ef_search', '77', true)"
    )
    list(tuned(ef_search=77))
    for failing in (wrong, missing):
        with pytest.raises(dorm.DatabaseError):
            postgresql.connection.execute(failing)
        assert [row.title for row in tuned(ef_search=77)] == ["a"]
    assert not pooled(postgresql).autocommit


async def test_async_options_travel_with_their_search(postgresql: Database, tmp_path: Path) -> None:
    assert [row.title async for row in tuned(ef_search=77)] == ["a"]
    asked = Statement(
        "SELECT current_setting('hnsw.ef_search')",
        binary=True,
        options="SELECT set_config('hnsw.ef_search', '77', true)",
    )
    wrapper = get_async_connection()
    assert (await wrapper.execute(asked))[0]["current_setting"] == "77"
    async with (await wrapper._get_pool()).connection() as connection:
        row = await (await connection.execute("SELECT current_setting('hnsw.ef_search') AS value")).fetchone()
        assert row["value"] == "40"
        assert (await wrapper._aexec(connection, asked, []))[0]["current_setting"] == "77", "in a transaction"
    await wrapper.close()
