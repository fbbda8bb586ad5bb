"""A connection for each event loop of SQLite, and the one for all that comes back without the repair."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import dorm
import pytest
from dorm.db.connection import get_async_connection
from dorm.transaction import aatomic

from tests.databases import Database
from tests.models import Author
from tests.repairs.test_patches import sqlite

__all__ = ["sqlite"]


def keeps_its(name: str) -> bool:
    """Tell whether a loop still has what its connection holds under the name once another one has asked."""
    asked, other_asked = threading.Event(), threading.Event()

    async def first() -> bool:
        await Author.objects.acount()
        before = getattr(get_async_connection(), name)
        asked.set()
        await asyncio.to_thread(other_asked.wait, 30)
        kept = getattr(get_async_connection(), name) is before and not getattr(before, "closed", False)
        await get_async_connection().close()
        return kept

    async def second() -> None:
        await Author.objects.acount()
        await get_async_connection().close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        found = pool.submit(asyncio.run, first())
        asked.wait(30)
        asyncio.run(second())
        other_asked.set()
        return found.result(timeout=30)


def assert_each_loop_keeps_its(name: str, database: Database) -> None:
    # The setting, for a thread does not have the context variable of switched_off().
    dorm.configure(DORM_VECTOR_REPAIRS=["async_transactions"])
    try:
        assert not keeps_its(name)
    finally:
        dorm.configure(DORM_VECTOR_REPAIRS=True)
    database.use()
    assert keeps_its(name)
    assert not get_async_connection().pool_stats()["open"]


def test_connection_per_loop(sqlite: Database) -> None:
    assert_each_loop_keeps_its("_conn", sqlite)


def test_a_loop_that_is_gone_leaves_no_connection(sqlite: Database) -> None:
    async def ask() -> int:
        return int(await Author.objects.acount())

    for _ in range(3):
        assert asyncio.run(ask()) == 0
    assert len(get_async_connection()._loops) == 1
    get_async_connection().force_close_sync()
    assert not get_async_connection().pool_stats()["open"]


@pytest.mark.parametrize("fails", [False, True])
def test_loops_commit_and_roll_back_by_themselves(sqlite: Database, fails: bool) -> None:
    async def write(name: str) -> None:
        async with aatomic():
            await Author.objects.acreate(name=name)
            if fails:
                raise RuntimeError(name)

    async def run(name: str) -> None:
        try:
            await write(name)
        except RuntimeError:
            pass
        finally:
            await get_async_connection().close()

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda name: asyncio.run(run(name)), "abcd"))
    assert Author.objects.count() == (0 if fails else 4)
