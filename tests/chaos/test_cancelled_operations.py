"""Cancellation at every await of each async operation: it is done or it is not, and the next one works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from dorm.transaction import aatomic

from dorm_vector import abulk_load, areembed, ato_matrix
from tests.chaos.extent import IS_SOAK
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.helpers.memos import WORDS, Memo, empty_memos, memo_table
from tests.models import Document

VECTOR = [1.0, 2.0, 3.0]
MEMOS = [str(number) for number in range(6)]
ROWS = 4
PATIENCE = 60
Operation = Callable[[str], Awaitable[object]]


class Cancelling:
    """An operation that is cancelled at one of its awaits: before that ends, or late, between its end and the next."""

    def __init__(self, work: Awaitable[object], at: int, *, is_late: bool) -> None:
        self._work, self._at, self._is_late = work, at, is_late
        self.was_reached = False

    def __await__(self) -> Generator[Any, Any, object]:
        steps, error = self._work.__await__(), None
        while True:
            try:
                waits_for = steps.throw(error) if error is not None else next(steps)
            except StopIteration as end:
                return end.value
            self._count(waits_for)
            error = None
            try:
                yield waits_for
            except BaseException as raised:  # noqa: BLE001  # the operation gets it
                error = raised

    def _count(self, waits_for: Any) -> None:
        if self._at == 0:
            self.was_reached = True
            task: Any = asyncio.current_task()
            if self._is_late and waits_for is not None:
                waits_for.add_done_callback(lambda _future: task.cancel())
            else:
                task.cancel()
        self._at -= 1


# psycopg can close no cursor whose statement was cancelled.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")


@dataclass
class Outcome:
    """What became of an operation: it was cancelled before its end, or it had ended and its task was cancelled then."""

    was_cancelled: bool
    has_ended: bool = False


async def outcome_of(work: Awaitable[object], at: int, *, is_late: bool) -> Outcome:
    cancelling, ended = Cancelling(work, at, is_late=is_late), []

    async def run() -> None:
        await cancelling
        ended.append(True)
        await asyncio.sleep(0)

    task = asyncio.create_task(run())
    done, _pending = await asyncio.wait([task], timeout=PATIENCE)
    assert done, f"it hangs when it is cancelled at await {at}"
    if cancelling.was_reached:
        assert task.cancelled(), f"cancelled at await {at}, it ends with {task.exception()!r}"
    else:
        task.result()
    return Outcome(cancelling.was_reached, bool(ended))


@dataclass
class Tried:
    """The titles with which an operation was cancelled, by whether it had ended."""

    ended: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)

    @property
    def times(self) -> int:
        return len(self.ended) + len(self.uncertain) - 1


async def each_await(operation: Operation) -> Tried:
    """Cancel the operation at each of its awaits, until it has none left."""
    tried, lateness = Tried(), (False, True)
    for at in range(1000):
        for is_late in lateness if IS_SOAK else lateness[at % 2 : at % 2 + 1]:
            title = f"{at} {is_late}"
            outcome = await outcome_of(operation(title), at, is_late=is_late)
            (tried.ended if outcome.has_ended else tried.uncertain).append(title)
            if not outcome.was_cancelled:
                return tried
    raise AssertionError("it has no end")


def rows(title: str) -> list[Document]:
    return [Document(title=title, embedding=VECTOR) for _ in range(ROWS)]


async def create(title: str) -> None:
    await Document.objects.acreate(title=title, embedding=VECTOR)


async def update_or_create(title: str) -> None:
    await Document.objects.aupdate_or_create(title=title, defaults={"embedding": VECTOR})


async def bulk_create(title: str) -> None:
    await Document.objects.abulk_create(rows(title))


async def load(title: str) -> None:
    await abulk_load(Document, rows(title), batch_size=2)


async def block(title: str) -> None:
    async with aatomic():
        await create(title)
        async with aatomic():
            await create(title)


WRITES: dict[str, tuple[Operation, int]] = {
    "acreate()": (create, 1),
    "aupdate_or_create()": (update_or_create, 1),
    "abulk_create()": (bulk_create, ROWS),
    "abulk_load()": (load, ROWS),
    "aatomic()": (block, 2),
}


@pytest.mark.parametrize("name", WRITES)
async def test_writes(db: Database, faults: Faults, name: str) -> None:
    operation, size = WRITES[name]
    await operation("first")
    tried = await each_await(operation)
    faults.count(
        f"cancellation at each await of `{name}`",
        times=tried.times,
        acknowledged=["first", *tried.ended] * size,
        uncertain=tried.uncertain * size,
        stored=[title async for title in Document.objects.values_list("title", flat=True)],
    )


async def search(_title: str) -> None:
    found = [row.title async for row in Document.objects.nearest("embedding", VECTOR)[:3]]
    assert found == ["kept"] * 3


async def stream(_title: str) -> None:
    assert [row.title async for row in Document.objects.aiterator(chunk_size=2)] == ["kept"] * ROWS


async def matrix(_title: str) -> None:
    keys, vectors = await ato_matrix(Document.objects.all(), "embedding")
    assert (len(keys), vectors.shape) == (ROWS, (ROWS, len(VECTOR)))


async def get(_title: str) -> None:
    assert await Document.objects.acount() == ROWS


async def test_reads(db: Database, faults: Faults) -> None:
    await load("kept")
    times = 0
    for operation in (search, stream, matrix, get):
        times += (await each_await(operation)).times
        await operation("")
    stored = [title async for title in Document.objects.values_list("title", flat=True)]
    faults.count("cancellation at each await of reads", times=times, acknowledged=["kept"] * ROWS, stored=stored)


@pytest.fixture
def memos(database: Database) -> Iterator[Database]:
    """Rows whose texts are embedded, in a table of their own."""
    with memo_table(database), empty_memos(database):
        Memo.objects.bulk_create([Memo(title=title, body="body") for title in MEMOS])
        yield database


async def test_areembed(memos: Database, faults: Faults) -> None:
    async def reembed(title: str) -> None:
        WORDS.name = title
        await areembed(Memo)

    tried = await each_await(reembed)
    assert {memo.title: memo.embedding async for memo in Memo.objects.all()} == {
        title: pytest.approx(WORDS.vector(f"{title}\n\nbody")) for title in MEMOS
    }
    stored = [memo.title async for memo in Memo.objects.all()]
    faults.count("cancellation at each await of `areembed()`", times=tried.times, acknowledged=MEMOS, stored=stored)
