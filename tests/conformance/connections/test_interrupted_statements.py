"""What failed, was cancelled or was left in the middle leaves no trace: no row, no lock, no lost connection."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection
from dorm.transaction import aatomic

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Author, Document

QUERY = [1.0, 0.0, 0.0]


@pytest.fixture
def documents(db: Database) -> list[Document]:
    return Document.objects.bulk_create([Document(title=str(n), embedding=[n, 0, 0]) for n in range(6)])


def nearest() -> Any:
    return Document.objects.order_by(L2Distance("embedding", QUERY)).values_list("title", flat=True)[:1]


def elsewhere(title: str) -> None:
    """Write in another thread, which has a connection of its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(Document.objects.create, title=title, embedding=QUERY).result(timeout=20)


def titles() -> list[str]:
    return sorted(Document.objects.values_list("title", flat=True))


def test_a_write_that_failed_holds_nobody_up(db: Database) -> None:
    kept = Document.objects.create(title="kept", embedding=QUERY)
    with pytest.raises(dorm.IntegrityError):
        Document(id=kept.pk, title="twice", embedding=QUERY).save(force_insert=True)
    elsewhere("next")
    assert titles() == ["kept", "next"]


async def test_an_async_write_that_failed_holds_nobody_up(db: Database) -> None:
    kept = await Document.objects.acreate(title="kept", embedding=QUERY)
    with pytest.raises(dorm.IntegrityError):
        await Document(id=kept.pk, title="twice", embedding=QUERY).asave(force_insert=True)
    elsewhere("next")
    assert titles() == ["kept", "next"]


async def cancelled_after(steps: int, work: Any) -> bool:
    """Run the work for that many turns of the event loop; tell whether it was cancelled."""
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def test_a_cancelled_write_is_done_or_not(db: Database) -> None:
    for steps in range(12):
        await cancelled_after(steps, Document.objects.acreate(title=f"{steps}", embedding=QUERY))
    elsewhere("next")
    before = titles()
    await Document.objects.acreate(title="last", embedding=QUERY)
    assert titles() == sorted([*before, "last"])


async def test_a_cancelled_transaction_writes_nothing_wherever_it_was(db: Database) -> None:
    async def write_for_ever(title: str) -> None:
        async with aatomic():
            while True:
                await Document.objects.acreate(title=title, embedding=QUERY)

    for steps in range(0, 40, 2):
        assert await cancelled_after(steps, write_for_ever(str(steps)))
    async with aatomic():
        await Document.objects.acreate(title="kept", embedding=QUERY)
    assert titles() == ["kept"]


async def test_a_cancelled_search_leaves_a_connection_that_answers(documents: list[Document]) -> None:
    async def search_for_ever() -> None:
        while True:
            await nearest().alist()

    for steps in range(0, 30, 3):
        assert await cancelled_after(steps, search_for_ever())
    assert [title async for title in nearest()] == ["1"]
    assert await Document.objects.acount() == 6


async def test_rows_that_nobody_reads_on_are_left(documents: list[Document]) -> None:
    async for _row in Document.objects.aiterator(chunk_size=2):
        break
    for _row in Document.objects.iterator(chunk_size=2):
        break
    await Document.objects.acreate(title="async", embedding=QUERY)
    elsewhere("sync")
    assert await Document.objects.acount() == 8


def test_event_loops_and_threads_at_once(db: Database) -> None:
    """No row is lost, and no loop closes what is another's."""

    async def asynchronously(name: str) -> None:
        for step in range(5):
            await Document.objects.acreate(title=f"{name}{step}", embedding=[step, 1, 1])
            assert await Document.objects.order_by(L2Distance("embedding", [step, 1, 1])).afirst() is not None
        await get_async_connection().close()

    def in_turn(name: str) -> None:
        for step in range(5):
            Document.objects.create(title=f"{name}{step}", embedding=[step, 1, 1])
            assert Document.objects.order_by(L2Distance("embedding", [step, 1, 1])).first() is not None

    # One failure is one: nothing is to be tried again.
    dorm.configure(RETRY_ATTEMPTS=1)
    try:
        with ThreadPoolExecutor(max_workers=8) as pool:
            loops = [pool.submit(asyncio.run, asynchronously(name)) for name in "abcd"]
            for done in [*loops, *(pool.submit(in_turn, name) for name in "efgh")]:
                done.result(timeout=60)
    finally:
        dorm.configure(RETRY_ATTEMPTS=3)
    assert len(set(titles())) == 40


async def test_an_update_counts_the_rows_that_it_found(documents: list[Document]) -> None:
    """Also those that had the value before, and those of an upsert once."""
    assert Document.objects.update(embedding=QUERY) == 6
    assert Document.objects.update(embedding=QUERY) == 6
    assert await Document.objects.aupdate(embedding=QUERY) == 6
    author = Author.objects.create(name="Ada")
    assert Document.objects.filter(title="1").update(author=author) == 1
    document = Document.objects.get(title="1")
    document.save()
    await document.asave()
    assert Document.objects.count() == 6
