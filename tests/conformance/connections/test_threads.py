"""Vectors in every thread of a process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from dorm.db.connection import get_async_connection

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Author, Document


def test_every_thread_can_search(db: Database) -> None:
    Document.objects.create(title="a", embedding=[3, 4, 0])

    def search(_number: int) -> float:
        return float(Document.objects.annotate(distance=L2Distance("embedding", [0, 0, 0])).get().distance)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert set(pool.map(search, range(40))) == {5.0}


def test_threads_write_and_search_at_once(db: Database) -> None:
    """No row is lost, and every search sees whole vectors."""

    def work(number: int) -> None:
        for step in range(10):
            Document.objects.create(title=f"{number} {step}", embedding=[number, step, 1])
            nearest = Document.objects.order_by(L2Distance("embedding", [number, step, 1]))[:1]
            assert nearest[0].embedding == [number, step, 1]

    with ThreadPoolExecutor(max_workers=16) as pool:
        for done in [pool.submit(work, number) for number in range(16)]:
            done.result()
    assert len(set(Document.objects.values_list("title", flat=True))) == 160


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_threads_close_their_loops_at_once(db: Database, hasty: None) -> None:
    """Each closes what every loop has, and one could find a pool gone that another had closed."""
    threads = 8

    async def work(together: Barrier) -> None:
        await Author.objects.acount()
        together.wait(timeout=60)
        await get_async_connection().close()

    for _ in range(10):
        together = Barrier(threads)
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for done in [pool.submit(asyncio.run, work(together)) for _ in range(threads)]:
                done.result(timeout=120)
