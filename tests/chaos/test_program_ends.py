"""`asyncio.run()` returns, whatever runs in the background when its program ends."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from dorm.db.connection import get_async_connection, reset_connections
from dorm.transaction import aatomic

from dorm_vector import abulk_load, acreate_tables, ahybrid_search
from dorm_vector.engines.from_threads import in_thread
from tests.chaos.children import Child
from tests.chaos.extent import IS_SOAK
from tests.chaos.test_constant_memory import DESCRIPTORS
from tests.databases import Database
from tests.models import Article, Document

VECTOR = [1.0, 2.0, 3.0]
TURNS = range(128) if IS_SOAK else (0, 1, 2, 4, 8, 16, 32, 64)


async def write() -> None:
    while True:
        await Document.objects.acreate(title="written", embedding=VECTOR)


async def search() -> None:
    while True:
        _found = [row async for row in Document.objects.nearest("embedding", VECTOR)[:3]]
        await ahybrid_search(Article, text="word", vector=VECTOR, limit=1)


async def block() -> None:
    while True:
        async with aatomic():
            await Document.objects.acreate(title="in a block", embedding=VECTOR)
            async with aatomic():
                await Document.objects.acount()


async def stream() -> None:
    while True:
        async for row in Document.objects.aiterator(chunk_size=2):
            assert row.title


async def load() -> None:
    async def endless() -> AsyncIterator[Document]:
        while True:
            yield Document(title="loaded", embedding=VECTOR)
            await asyncio.sleep(0)

    await abulk_load(Document, endless(), batch_size=5)


async def create_tables() -> None:
    while True:
        await acreate_tables(Document, Article)


BACKGROUND: tuple[Callable[[], Awaitable[None]], ...] = (write, search, block, stream, load, create_tables)


async def main(turns: int, work: tuple[Callable[[], Awaitable[None]], ...]) -> None:
    """Begin the work, two of each, and end after some turns of the event loop."""
    _begun = [asyncio.ensure_future(each()) for each in work * 2]
    for _ in range(turns):
        await asyncio.sleep(0)


def each_alone_and_all_together() -> int:
    # aiosqlite's thread fails where its event loop has ended, and pytest would keep the error, and with it the file.
    threading.excepthook = lambda _failed: None
    programs = [(work,) for work in BACKGROUND] + [BACKGROUND]
    before = 0
    for turns in TURNS:
        for work in programs:
            asyncio.run(main(turns, work))
        before = before or _descriptors()
    found = asyncio.run(_counted())
    # The last programs close the connections of those before them.
    assert _descriptors() <= before + len(BACKGROUND) * 2
    return found


def _descriptors() -> int:
    gc.collect()
    return len(list(DESCRIPTORS.iterdir()))


def change_what_an_unfinished_task_holds() -> int:
    """Close an event loop in the middle of a block, and change the row of the block in another loop."""
    loop = asyncio.new_event_loop()
    # Kept, so that the garbage collector does not end its transaction.
    unfinished = loop.run_until_complete(_in_a_block())
    loop.close()
    changed = asyncio.run(_renamed("new"))
    assert not unfinished.done()
    return changed


async def _in_a_block() -> asyncio.Task[None]:
    changed = asyncio.Event()

    async def hold() -> None:
        async with aatomic():
            await _renamed("held")
            changed.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(hold())
    await changed.wait()
    return task


async def _renamed(title: str) -> int:
    return await Document.objects.filter(title="old").aupdate(title=title)


async def _counted() -> int:
    """Return how many rows are not those of a load, which was cancelled."""
    found = await Document.objects.exclude(title="loaded").acount()
    assert await Document.objects.filter(title="loaded").acount() == 0
    await get_async_connection().close()
    return found


def test_a_program_ends_whatever_it_was_doing(db: Database) -> None:
    """In a process of its own, so that a hang is an error of this test alone."""
    Document.objects.create(title="there", embedding=VECTOR)
    reset_connections()  # Turso opens a file in one process at a time
    assert Child(each_alone_and_all_together).result() >= 1
    db.use()


def test_a_loop_is_closed_before_its_tasks_end(db: Database) -> None:
    Document.objects.create(title="old", embedding=VECTOR)
    reset_connections()
    assert Child(change_what_an_unfinished_task_holds).result() == 1
    db.use()
    assert [row.title for row in Document.objects.all()] == ["new"]


@pytest.mark.not_on("mariadb", "mysql", reason="they commit each change of a table, so that its work goes on")
def test_work_in_a_thread_ends_with_its_program(db: Database) -> None:
    """It sends nothing more, and its block is left after it, so that nothing runs after the rollback."""
    started, ended = threading.Event(), threading.Event()
    order: list[str] = []

    def work(connection: Any) -> None:
        started.set()
        ended.wait(timeout=60)
        try:
            connection.execute("SELECT 1")
        finally:
            order.append("work")

    async def block() -> None:
        try:
            await in_thread(get_async_connection(), work)
        finally:
            order.append("block")

    async def program() -> None:
        working = asyncio.ensure_future(block())
        await asyncio.to_thread(started.wait, 60)
        # Only after asyncio.run() has cancelled what is left.
        asyncio.get_running_loop().call_later(0.1, ended.set)
        assert not working.done()

    asyncio.run(program())
    assert order == ["work", "block"]
