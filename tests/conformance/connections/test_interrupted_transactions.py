"""What is interrupted by Ctrl-C, by the end of the program or of its task, leaves nothing of its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector import abulk_load, bulk_load
from tests.conformance.inside import switched_off
from tests.databases import Database
from tests.helpers.clusters.index_plans import serves
from tests.helpers.oracle import vectors
from tests.models import Document, Package

REPAIRS = ("interrupted_transactions", "async_transactions")
SOME = vectors(3000, 16)


def titles() -> list[str]:
    return sorted(Document.objects.values_list("title", flat=True))


def interrupted() -> None:
    Document.objects.create(title="inside")
    raise KeyboardInterrupt


def interrupt_an_inner_block() -> list[str]:
    with atomic():
        Document.objects.create(title="before")
        with pytest.raises(KeyboardInterrupt), atomic():
            interrupted()
        Document.objects.create(title="later")
    return titles()


def test_interrupted_transactions(db: Database) -> None:
    assert interrupt_an_inner_block() == ["before", "later"]
    with switched_off(*REPAIRS):
        db.clear()
        assert interrupt_an_inner_block() == ["before", "inside", "later"]


async def cancel_an_inner_load() -> list[str]:
    async with aatomic():
        await Document.objects.acreate(title="before")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(abulk_load(Document, never_ending(title="inside"), batch_size=2), 0.3)
        await Document.objects.acreate(title="later")
    return titles()


async def never_ending(**row: Any) -> AsyncIterator[dict[str, Any]]:
    for _ in range(4):
        yield row
    await asyncio.Event().wait()


async def test_interrupted_transactions_in_async(db: Database) -> None:
    assert await cancel_an_inner_load() == ["before", "later"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("defer", [False, True])
def test_a_load_that_is_interrupted_leaves_nothing(db: Database, interruption: Any, defer: bool) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for vector in SOME[:5]:
            yield {"section": "s", "embedding": vector}
        raise interruption

    with pytest.raises(interruption):
        bulk_load(Package, rows(), batch_size=2, defer_indexes=defer)
    assert Package.objects.count() == 0
    assert_indexed(db)


@pytest.mark.parametrize("defer", [False, True])
async def test_a_load_that_is_cancelled_leaves_nothing(db: Database, defer: bool) -> None:
    """While it waits for its rows, and at work."""
    rows = never_ending(section="s", embedding=SOME[0])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(abulk_load(Package, rows, batch_size=2, defer_indexes=defer), 0.5)
    begun = asyncio.Event()

    def begin(done: int, _total: int | None) -> None:
        if done:
            begun.set()

    load = abulk_load(
        Package,
        {"section": ["s"] * len(SOME), "embedding": np.array(SOME)},
        batch_size=100,
        defer_indexes=defer,
        progress=begin,
    )
    task = asyncio.create_task(load)
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await Package.objects.acount() == 0
    assert_indexed(db)


@pytest.mark.parametrize("defer", [False, True])
async def test_a_load_whose_progress_fails_leaves_nothing(db: Database, defer: bool) -> None:
    def fail(done: int, total: int | None) -> None:
        if done >= 4:
            raise LookupError("the bar is gone")

    columns = {"section": ["s"] * 6, "embedding": SOME[:6]}
    with pytest.raises(LookupError):
        bulk_load(Package, columns, batch_size=2, progress=fail, defer_indexes=defer)
    with pytest.raises(LookupError):
        await abulk_load(Package, columns, batch_size=2, progress=fail, defer_indexes=defer)
    assert Package.objects.count() == 0
    assert_indexed(db)


def assert_indexed(db: Database) -> None:
    # A search that names its index has no planner that weighs the rows.
    rows = SOME[:100] if db.dialect.index_use.probe else SOME
    bulk_load(Package, {"section": ["s"] * len(rows), "embedding": np.array(rows)})
    nearest = Package.objects.nearest("embedding", SOME[3], distance="cosine", exact=False)[:5]
    has_indexes = db.dialect.is_approximate or bool(db.dialect.index_use.probe)
    assert serves(db, nearest, "package_embedding_hnsw") is has_indexes
