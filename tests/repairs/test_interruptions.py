"""Repairs of what happens to connections, and the bug that comes back without each."""

from __future__ import annotations

import asyncio
import threading
import time

import dorm
import pytest
from dorm.db.connection import _create_sync_connection, get_async_connection

from dorm_vector.engines.sockets import has_news
from dorm_vector.patching import registry as repairs
from tests.databases import Database
from tests.engines.postgresql.test_pool_check import postgresql
from tests.models import Author
from tests.repairs.test_patches import sqlite
from tests.repairs.test_sqlite import assert_each_loop_keeps_its

__all__ = ["postgresql", "sqlite"]
ON_MYSQL_AND_MARIADB = pytest.mark.not_on(
    "sqlite", "postgresql", "turso", "libsql", reason="it is about their protocol"
)


def test_failed_statements(sqlite: Database) -> None:
    def is_locked() -> bool:
        author = Author.objects.create(name="Ada")
        with pytest.raises(dorm.IntegrityError):
            Author(id=author.pk, name="Bob").save(force_insert=True)
        locked: bool = sqlite.connection.get_connection().in_transaction
        sqlite.connection.rollback()
        return locked

    assert not is_locked()
    with repairs.switched_off("failed_statements"):
        assert is_locked()


def test_pool_per_loop(postgresql: Database) -> None:
    assert_each_loop_keeps_its("_pool", postgresql)


def test_a_loop_that_is_gone_leaves_no_pool(postgresql: Database) -> None:
    async def ask() -> int:
        return int(await Author.objects.acount())

    for _ in range(3):
        assert asyncio.run(ask()) == 0
    stats = get_async_connection().pool_stats()
    assert (stats["open"], stats["max_size"], len(get_async_connection()._loops)) == (True, 1, 1)
    get_async_connection().force_close_sync()
    assert not get_async_connection().pool_stats()["open"]


@ON_MYSQL_AND_MARIADB
def test_matched_rows(db: Database) -> None:
    Author.objects.create(name="Ada")
    assert Author.objects.update(name="Ada") == 1
    with repairs.switched_off("matched_rows"):
        plain = _create_sync_connection("plain", db.settings)
        assert plain.execute_write('UPDATE "tests_author" SET "name" = %s', ["Ada"]) == 0
        plain.close()


@ON_MYSQL_AND_MARIADB
def test_lost_connections(db: Database) -> None:
    assert Author.objects.count() == 0
    kill(db)
    assert Author.objects.count() == 0
    kill(db)
    with repairs.switched_off("lost_connections"), pytest.raises(dorm.OperationalError):
        Author.objects.count()


@ON_MYSQL_AND_MARIADB
def test_a_transaction_is_not_taken_to_another_connection(db: Database) -> None:
    def write_across() -> None:
        with db.connection.atomic():
            Author.objects.create(name="lost")
            kill(db)
            Author.objects.create(name="lost, too")

    with pytest.raises(dorm.OperationalError):
        write_across()
    assert Author.objects.count() == 0


def kill(db: Database) -> None:
    """Let the server close this thread's connection."""
    (row,) = db.connection.execute("SELECT connection_id() AS number")
    other = _create_sync_connection("other", db.settings)
    other.execute_write(f"KILL {int(row['number'])}")
    other.close()
    while not has_news(db.connection._conn._sock.fileno()):
        time.sleep(0.01)


async def test_cancelled_connections(sqlite: Database) -> None:
    async def leaves_a_thread() -> bool:
        before = threading.active_count()
        task = asyncio.create_task(Author.objects.acount())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # A thread whose connection was closed ends a moment later.
        for _ in range(500):
            if threading.active_count() <= before:
                return False
            await asyncio.sleep(0.02)
        return True

    assert not await leaves_a_thread()
