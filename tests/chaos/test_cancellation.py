"""A block that is cancelled or times out is rolled back, at whichever await point; the others are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from contextvars import Context
from statistics import median
from typing import Any

import pytest
from dorm.transaction import aatomic

from dorm_vector import abulk_load
from tests.databases import Database
from tests.models import Document

VECTOR = [1.0, 2.0, 3.0]
ROUNDS = 40


async def create(title: str) -> None:
    await Document.objects.acreate(title=title, embedding=VECTOR)


def titles() -> list[str]:
    return list(Document.objects.order_by("pk").values_list("title", flat=True))


async def in_a_block(title: str) -> None:
    async with aatomic():
        await create(title)


async def seconds_of(work: Callable[[], Awaitable[object]]) -> float:
    """Return the median time of the work here, so that the limits of time fall on all of its steps."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        await work()
        times.append(time.perf_counter() - begun)
    return median(times)


async def test_an_inner_block_that_times_out(db: Database) -> None:
    long = 1.5 * await seconds_of(lambda: in_a_block("warm"))
    db.clear()
    expected = []
    for number in range(ROUNDS):
        async with aatomic():
            await create(f"before {number}")
            expected.append(f"before {number}")
            try:
                async with asyncio.timeout(long * number / ROUNDS):
                    await in_a_block(f"inner {number}")
                expected.append(f"inner {number}")
            except TimeoutError:
                pass
            await create(f"after {number}")
            expected.append(f"after {number}")
    assert titles() == expected


async def test_a_block_that_times_out(db: Database) -> None:
    long = 1.5 * await seconds_of(lambda: in_a_block("warm"))
    db.clear()
    expected = []
    for number in range(ROUNDS):
        try:
            async with asyncio.timeout(long * number / ROUNDS):
                await in_a_block(str(number))
            expected.append(str(number))
        except TimeoutError:
            pass
    await in_a_block("last")
    assert titles() == [*expected, "last"]


async def cancelled_after(steps: int, work: Any) -> bool:
    """Cancel the work after that many turns of the event loop, and tell whether it was."""
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def test_every_step_of_an_outer_block(db: Database) -> None:
    """What follows the block in the task is not run, and the block is kept or not as a whole."""
    ran_on = []

    async def work(number: int) -> None:
        async with aatomic():
            await create(f"{number} a")
            await in_a_block(f"{number} b")
        await asyncio.sleep(60)
        ran_on.append(number)

    for number in range(ROUNDS):
        assert await cancelled_after(number, work(number))
    assert ran_on == []
    stored = titles()
    assert stored == [
        title for number in range(ROUNDS) if f"{number} a" in stored for title in (f"{number} a", f"{number} b")
    ]
    await in_a_block("last")
    assert titles() == [*stored, "last"]


async def test_a_load_that_times_out_inside_a_block(db: Database) -> None:
    rows = [{"title": str(number), "embedding": VECTOR} for number in range(200)]
    long = await seconds_of(lambda: abulk_load(Document, rows, batch_size=50))
    db.clear()
    expected = 0
    for part in range(8):
        async with aatomic():
            try:
                async with asyncio.timeout(long * part / 7):
                    await abulk_load(Document, rows, batch_size=50)
                expected += len(rows)
            except TimeoutError:
                pass
            await create("after")
            expected += 1
    assert await Document.objects.acount() == expected


@pytest.mark.parametrize("fails", [ValueError, LookupError])
async def test_what_comes_out_is_what_was_raised(db: Database, fails: type[BaseException]) -> None:
    async def failing() -> None:
        async with aatomic():
            await create("inner")
            raise fails

    async with aatomic():
        await create("outer")
        with pytest.raises(fails):
            await failing()
    assert titles() == ["outer"]


async def needing_two_connections(turns: int) -> None:
    """End while the second query waits for a connection of its own, after some turns of the event loop."""
    async with aatomic():
        await create(str(turns))
        other = asyncio.create_task(Document.objects.acount(), context=Context())
        for _ in range(turns):
            await asyncio.sleep(0)
    other.cancel()


def unended(turns: int) -> set[str]:
    """Do what ``asyncio.run()`` does at its end, and return the tasks for which it would wait for ever."""
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(needing_two_connections(turns))
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        _done, waiting = loop.run_until_complete(asyncio.wait(tasks, timeout=10)) if tasks else (tasks, set())
        loop.run_until_complete(loop.shutdown_asyncgens())
        return {task.get_name() for task in waiting}


def test_a_program_ends_while_connections_open(db: Database) -> None:
    """psycopg_pool swallowed the cancellation of a task that opened a connection."""
    db.clear()
    rounds = range(0, 4 * ROUNDS, 4)
    assert [unended(turns) for turns in rounds] == [set() for _ in rounds]
    assert titles() == [str(turns) for turns in rounds]
