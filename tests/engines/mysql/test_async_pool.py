"""Async MySQL and MariaDB use a bounded pool for each event loop."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from contextvars import Context
from dataclasses import replace
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection
from dorm.transaction import aatomic

from tests.chaos import workers
from tests.chaos.conftest import akill, proxied, proxy, self_signed
from tests.chaos.proxy import Proxy
from tests.databases import Database
from tests.models import Author

__all__ = ["proxied", "proxy"]
pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="it is about aiomysql")
SIZE = 3
THREADS = "SELECT COUNT(*) AS open FROM information_schema.processlist WHERE db = DATABASE()"


@pytest.fixture
def pooled(db: Database) -> Iterator[Database]:
    """The database with a small pool that is given up on soon."""
    there = replace(db, settings={**db.settings, "MAX_POOL_SIZE": SIZE, "POOL_TIMEOUT": 20})
    there.use()
    yield there
    db.use()


def stats() -> tuple[int, int]:
    told = get_async_connection().pool_stats()
    return told["pool_size"], told["pool_available"]


async def test_many_tasks_open_few_connections(pooled: Database) -> None:
    await Author.objects.acreate(name="Ada")
    others = pooled.connection.execute(THREADS)[0]["open"] - 1

    async def ask() -> int:
        return int(await Author.objects.acount())

    assert await asyncio.gather(*(ask() for _ in range(200))) == [1] * 200
    assert pooled.connection.execute(THREADS)[0]["open"] - others == SIZE
    assert stats() == (SIZE, SIZE)


async def test_many_transactions_take_turns(pooled: Database) -> None:
    async def write(number: int) -> None:
        async with aatomic():
            await Author.objects.acreate(name=f"{number}")
            if number % 2:
                raise ZeroDivisionError

    await asyncio.gather(*(write(number) for number in range(40)), return_exceptions=True)
    assert await Author.objects.acount() == 20
    assert stats() == (SIZE, SIZE)


async def test_who_waits_too_long_is_told(db: Database) -> None:
    replace(db, settings={**db.settings, "MAX_POOL_SIZE": 1, "POOL_TIMEOUT": 0.2}).use()

    async def ask() -> int:
        return int(await Author.objects.acount())

    async with aatomic():
        await Author.objects.acount()
        alone = asyncio.get_running_loop().create_task(ask(), context=Context())
        with pytest.raises(dorm.OperationalError, match="MAX_POOL_SIZE"):
            await alone
    assert await ask() == 0
    db.use()


async def test_a_cancelled_statement_gives_its_place_back(pooled: Database) -> None:
    for _ in range(2 * SIZE):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pooled.async_connection.execute("SELECT SLEEP(5)")
    assert await Author.objects.acount() == 0
    assert stats()[0] <= SIZE


async def test_a_read_sees_what_was_written_meanwhile(pooled: Database) -> None:
    assert await Author.objects.acount() == 0
    Author.objects.create(name="Ada")
    assert await Author.objects.acount() == 1


async def test_an_open_transaction_is_not_given_to_others(pooled: Database) -> None:
    await pooled.async_connection.execute("START TRANSACTION")
    await Author.objects.acreate(name="Ada")
    assert Author.objects.count() == 1


async def test_a_lost_connection_is_replaced(proxied: Database, proxy: Proxy) -> None:
    await Author.objects.acreate(name="Ada")
    proxy.cut()
    assert await Author.objects.acount() == 1
    with pytest.raises(dorm.OperationalError):
        await lost(proxied)
    assert await Author.objects.acount() == 1


async def lost(database: Database) -> None:
    async with aatomic():
        await Author.objects.acreate(name="Bob")
        await akill(database)
        await Author.objects.acreate(name="Bob")


@pytest.mark.parametrize("encrypted", [False, True])
def test_each_run_closes_its_connections(pooled: Database, encrypted: bool) -> None:
    if encrypted:
        replace(pooled, settings={**pooled.settings, "OPTIONS": {"ssl": self_signed()}}).use()

    async def ask() -> int:
        return int(await Author.objects.acount())

    before = pooled.connection.execute(THREADS)[0]["open"]
    for _ in range(5):
        assert asyncio.run(ask()) == 0
    assert pooled.connection.execute(THREADS)[0]["open"] <= before + 1
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(ask()) == 0
    loop.close()
    assert asyncio.run(ask()) == 0
    get_async_connection().force_close_sync()
    assert stats() == (0, 0)
    # Collect now what would be reported as unclosed.
    gc.collect()


def test_a_pool_of_the_user_is_the_parents(db: Database) -> None:
    """A child that is forked has the pool by default: that in OPTIONS belongs to the event loop of its parent."""
    import aiomysql

    async def pool() -> Any:
        names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "db"}
        return await aiomysql.create_pool(
            maxsize=2, **{names[key]: value for key, value in db.settings.items() if key in names}
        )

    users = workers.run(pool())
    replace(db, settings={**db.settings, "OPTIONS": {**db.settings.get("OPTIONS", {}), "pool": users}}).use()
    assert workers.run(_count()) == 0
    child = os.fork()
    if not child:
        os._exit(0 if workers.run(_count()) == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert workers.run(_count()) == 0
    workers.stop()
    db.use()


async def _count() -> int:
    return int(await Author.objects.acount())
