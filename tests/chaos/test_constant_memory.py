"""A process that searches again and again, and starts threads, keeps its memory and its open files."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import workers
from tests.chaos.extent import IS_SOAK
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.models import Document

SEARCHES, THREADS = (20_000, 500) if IS_SOAK else (800, 20)
WARM, AT_ONCE = 100, 10
DESCRIPTORS = Path("/proc/self/fd")
# What caches and the allocator may still grow by; a leak of one object a search is more.
OBJECTS, BYTES = SEARCHES // 4, 8_000_000


@pytest.fixture
def searched(db: Database) -> Database:
    """A database with some rows that are near each other."""
    Document.objects.bulk_create([Document(title=str(n), embedding=workers.vector(n)) for n in range(20)])
    return db


def measured() -> tuple[int, int, int]:
    """Return the objects, the resident bytes and the open files of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(gc.get_objects()), pages * 4096, len(list(DESCRIPTORS.iterdir()))


def assert_constant(work: Callable[[int], Any], times: int, descriptors: int = 0) -> None:
    work(WARM)
    before = measured()
    work(times)
    after = measured()
    assert after[0] - before[0] < OBJECTS
    assert after[1] - before[1] < BYTES
    assert after[2] - before[2] <= descriptors


def count(faults: Faults, fault: str, times: int) -> None:
    """Note that the rows are still there."""
    stored = Document.objects.values_list("title", flat=True)
    faults.count(fault, times=times, acknowledged=[str(number) for number in range(20)], stored=stored)


def test_searches(searched: Database, faults: Faults) -> None:
    def search(times: int) -> None:
        for number in range(times):
            assert workers.nearest(number % 20) == str(number % 20)

    assert_constant(search, SEARCHES // 2)
    count(faults, "searches in constant memory", SEARCHES // 2)


async def _search(times: int) -> None:
    for number in range(times):
        assert await workers.anearest(number % 20) == str(number % 20)


def test_async_searches(searched: Database, faults: Faults) -> None:
    assert_constant(lambda times: workers.run(_search(times)), SEARCHES // 2)
    workers.stop()
    count(faults, "async searches in constant memory", SEARCHES // 2)


def test_short_threads(searched: Database, faults: Faults) -> None:
    """Each opens a connection, and ends."""
    found: list[str] = []

    def search(times: int) -> None:
        for _round in range(times // AT_ONCE):
            threads = [threading.Thread(target=lambda: found.append(workers.nearest(7))) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    search(AT_ONCE)
    before = measured()[2]
    search(THREADS)
    assert found == ["7"] * (AT_ONCE + THREADS)
    assert measured()[2] <= before + AT_ONCE
    count(faults, "short threads with constant descriptors", THREADS)
