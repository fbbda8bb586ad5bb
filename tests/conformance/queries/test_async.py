"""The async twins answer as the sync calls do, in one event loop and in two."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from dorm import Min
from dorm.db.connection import get_async_connection
from dorm.transaction import aatomic

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Document

QUERY = [1.0, 0.0, 0.0]


@pytest.fixture
def documents(db: Database) -> list[Document]:
    # The third is a little farther than the first: rows at one distance come in any order.
    vectors = [[n, 0, 0.5 if n == 2 else 0] for n in range(5)]
    return Document.objects.bulk_create(
        [Document(title=str(n), pages=n, embedding=vector) for n, vector in enumerate(vectors)]
    )


def ranked():  # type: ignore[no-untyped-def]  # a queryset of a type that only tests name
    return Document.objects.annotate(distance=L2Distance("embedding", QUERY)).order_by("distance")


async def test_reads(documents: list[Document]) -> None:
    assert [row.title async for row in ranked()[:3]] == ["1", "0", "2"]
    assert [row.distance for row in await ranked()[:2]] == [0, 1]
    assert await ranked().filter(distance__lt=1.5).acount() == 3
    assert await ranked()[:2].acount() == 2
    assert await ranked().filter(distance__lt=0.5).aexists()
    first = await ranked().afirst()
    assert first is not None
    assert (first.title, first.embedding) == ("1", [1, 0, 0])
    assert (await ranked().aaggregate(nearest=Min("distance")))["nearest"] == 0
    assert (await ranked().values("title", "embedding")[:1])[0] == {"title": "1", "embedding": [1, 0, 0]}
    assert await ranked().values_list("title", flat=True)[:2] == ["1", "0"]
    assert [row.distance async for row in ranked().aiterator(chunk_size=2)][:2] == [0, 1]
    assert "tests_document" in await ranked()[:2].aexplain()
    assert (await Document.objects.aget(title="3")).embedding == [3, 0, 0]


async def test_writes(db: Database) -> None:
    created = await Document.objects.acreate(title="a", embedding=[1, 2, 3])
    await Document.objects.abulk_create([Document(title=str(n), embedding=[n, n, n]) for n in range(3)])
    assert await Document.objects.filter(title="a").aupdate(embedding=[4, 5, 6]) == 1
    assert (await Document.objects.aget(pk=created.pk)).embedding == [4, 5, 6]
    created.embedding = [7, 8, 9]
    await created.asave()
    assert (await Document.objects.aget(pk=created.pk)).embedding == [7, 8, 9]
    deferred = await Document.objects.defer("embedding").aget(pk=created.pk)
    await deferred.asave()
    assert (await Document.objects.aget(pk=created.pk)).embedding == [7, 8, 9]
    _found, was_created = await Document.objects.aget_or_create(embedding=[7, 8, 9], defaults={"title": "b"})
    assert not was_created
    assert await Document.objects.acount() == 4


async def test_many_searches_at_once(documents: list[Document]) -> None:
    found = await asyncio.gather(*(ranked().afirst() for _ in range(50)))
    assert {row.title for row in found if row is not None} == {"1"}


async def create_and_fail(title: str) -> None:
    async with aatomic():
        await Document.objects.acreate(title=title, embedding=QUERY)
        raise RuntimeError(title)


async def test_a_transaction_commits_and_rolls_back(db: Database) -> None:
    async with aatomic():
        await Document.objects.acreate(title="kept", embedding=QUERY)
    with pytest.raises(RuntimeError, match="lost"):
        await create_and_fail("lost")
    async with aatomic():
        await Document.objects.acreate(title="outer", embedding=QUERY)
        with pytest.raises(RuntimeError, match="inner"):
            await create_and_fail("inner")
    # The sync connection is another connection.
    assert sorted(Document.objects.values_list("title", flat=True)) == ["kept", "outer"]


async def test_an_inner_transaction_ends_with_the_outer_one(db: Database) -> None:
    """Also where the outer one has written nothing itself."""
    with pytest.raises(RuntimeError, match="outer"):
        await fail_around("inner")
    assert await Document.objects.acount() == 0
    assert not Document.objects.exists()


async def fail_around(title: str) -> None:
    async with aatomic():
        async with aatomic():
            await Document.objects.acreate(title=title, embedding=QUERY)
        raise RuntimeError("outer")


async def test_a_cancelled_transaction_rolls_back(db: Database) -> None:
    started = asyncio.Event()

    async def write_and_wait() -> None:
        async with aatomic():
            await Document.objects.acreate(title="cancelled", embedding=QUERY)
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await Document.objects.acreate(title="kept", embedding=QUERY)
    assert list(Document.objects.values_list("title", flat=True)) == ["kept"]


async def test_writes_and_searches_at_once(db: Database) -> None:
    async def work(number: int) -> None:
        await Document.objects.acreate(title=str(number), embedding=[number, 0, 1])
        nearest = await Document.objects.order_by(L2Distance("embedding", [number, 0, 1])).afirst()
        assert nearest is not None
        assert nearest.embedding == [number, 0, 1]

    await asyncio.gather(*(work(number) for number in range(50)))
    assert await Document.objects.acount() == 50


def test_a_second_event_loop(documents: list[Document]) -> None:
    async def search() -> list[str]:
        rows = [row.title async for row in ranked()[:2]]
        await get_async_connection().close()
        return rows

    assert asyncio.run(search()) == asyncio.run(search()) == ["1", "0"]


def test_two_event_loops_at_once(documents: list[Document]) -> None:
    """Each in a thread of its own, writing and searching."""

    async def work(name: str) -> None:
        for number in range(5):
            await Document.objects.acreate(title=f"{name}{number}", embedding=[number, 9, 9])
            assert [row.title async for row in ranked()[:1]] == ["1"]
        await get_async_connection().close()

    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(asyncio.run, work(name)) for name in "ab"]:
            done.result(timeout=60)
    assert Document.objects.count() == 15
