"""Cancellation at every await of each async operation: it is done or it is not, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dorm.transaction import aatomic

from dorm_vector import abulk_load, areembed, ato_matrix
from tests.chaos.cancelled.cancelling import Operation, each_await
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.helpers.memos import WORDS, Memo, empty_memos, memo_table
from tests.models import Document

VECTOR = [1.0, 2.0, 3.0]
MEMOS = [str(number) for number in range(6)]
ROWS = 4


# psycopg can close no cursor whose statement was cancelled.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")


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
