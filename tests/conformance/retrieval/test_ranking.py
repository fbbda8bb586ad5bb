"""Rows that were found are ranked again, spread out, and searched for twins and strangers, as plain Python does it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from dorm_vector import Metric, afind_duplicates, aoutliers, arerank, find_duplicates, mmr, outliers, rerank
from tests.databases import Database
from tests.helpers import oracle
from tests.helpers.real_data import Real, packages, shares
from tests.models import Document, Sample

STORED = oracle.vectors(60, 3)


@pytest.fixture
def documents(db: Database) -> Database:
    made = [Document(title=f"d{n}", pages=n, embedding=vector) for n, vector in enumerate(STORED)]
    Document.objects.bulk_create([*made, Document(title="none")])
    return db


def titles(rows: Any) -> list[str]:
    return [row.title for row in rows]


def by_pages(rows: Sequence[Document]) -> list[float]:
    return [float(row.pages % 10) for row in rows]


def test_rerank(documents: Database) -> None:
    found = list(Document.objects.nearest("embedding", STORED[0])[:20])
    ranked = rerank(found, by_pages, 5)
    assert titles(ranked) == titles(sorted(found, key=lambda row: -(row.pages % 10))[:5])
    assert [row.rerank_score for row in ranked] == [row.pages % 10 for row in ranked]
    assert rerank([], by_pages) == []
    with pytest.raises(ValueError, match=r"gave 1 scores for 20 rows\. It has to give one for each"):
        rerank(found, lambda rows: [1.0])


async def test_arerank(documents: Database) -> None:
    found = list(await Document.objects.nearest("embedding", STORED[0])[:20])
    threads: set[int] = set()

    def noted(rows: Sequence[Document]) -> list[float]:
        threads.add(threading.get_ident())
        return by_pages(rows)

    async def later(rows: Sequence[Document]) -> list[float]:
        return by_pages(rows)

    assert titles(await arerank(found, noted)) == titles(await arerank(found, later)) == titles(rerank(found, by_pages))
    assert threading.get_ident() not in threads
    with pytest.raises(TypeError, match=r"Await arerank\(\) instead"):
        rerank(found, lambda rows: Waiting())


def test_rows_of_values_are_ranked_too(documents: Database) -> None:
    rows = Document.objects.nearest("embedding", STORED[0]).values("title", "distance")[:5]
    ranked = rerank(rows, lambda rows: [row["distance"] for row in rows], 2)
    assert [row["distance"] for row in ranked] == sorted((row["rerank_score"] for row in ranked), reverse=True)


async def test_a_queryset_is_awaited_not_read_inside_the_loop(documents: Database) -> None:
    found = Document.objects.nearest("embedding", STORED[0])
    ranked = await arerank(found[:20], by_pages, 5)
    assert titles(ranked) == titles(rerank(list(found[:20]), by_pages, 5))


async def test_a_number_is_no_reranker(documents: Database) -> None:
    message = r"rerank\(rows, 50\): want a function .* small index find a shortlist first: queryset\.rerank\(200\)"
    with pytest.raises(TypeError, match=message):
        rerank([], 50)
    with pytest.raises(TypeError, match=message):
        await arerank([], 50)


class Waiting:
    def __await__(self) -> Any:
        yield


def test_mmr(documents: Database) -> None:
    found = list(Document.objects.nearest("embedding", STORED[0], distance="cosine")[:30])
    nearest = mmr(found, "embedding", STORED[0], 5, balance=1)
    assert titles(nearest) == titles(found[:5])
    spread = mmr(found, "embedding", STORED[0], 5, balance=0.3)
    assert len(spread) == 5

    def apart(rows: list[Document]) -> float:
        pairs = itertools.combinations([row.embedding for row in rows], 2)
        return sum(oracle.distance(Metric.COSINE, a, b) or 0 for a, b in pairs)

    assert titles(spread)[0] == titles(found)[0]
    assert apart(spread) > apart(nearest)
    assert len(mmr(found[:2], "embedding", STORED[0], 5)) == 2
    with pytest.raises(ValueError, match=r"mmr\(balance=2\): want 0 to 1"):
        mmr(found, "embedding", STORED[0], 5, balance=2)


def test_mmr_of_bits(db: Database) -> None:
    Sample.objects.bulk_create(Sample(title=bits, bits=bits) for bits in ("110", "111", "001", "100"))
    found = list(Sample.objects.nearest("bits", "111", distance="jaccard"))
    assert titles(mmr(found, "bits", "111", 2, balance=1)) == ["111", "110"]
    assert titles(mmr(found, "bits", [True, True, True], 2, balance=0.3)) == ["111", "001"]


def expected_pairs(bound: float) -> set[frozenset[str]]:
    numbered = list(enumerate(STORED))
    return {
        frozenset((f"d{a}", f"d{b}"))
        for (a, left), (b, right) in itertools.combinations(numbered, 2)
        if (oracle.distance(Metric.L2, left, right) or 0) <= bound
    }


def test_find_duplicates(documents: Database) -> None:
    pairs = find_duplicates(Document.objects.all(), "embedding", 0.25)
    assert {frozenset((pair.first.title, pair.second.title)) for pair in pairs} == expected_pairs(0.25)
    assert [pair.distance for pair in pairs] == sorted(pair.distance for pair in pairs)
    assert all(pair.first.pk < pair.second.pk for pair in pairs)
    assert find_duplicates(Document.objects.filter(pages=0), "embedding", 5) == []


def test_outliers(documents: Database) -> None:
    found = outliers(Document.objects.all(), "embedding", 3, neighbors=4)

    def loneliness(n: int) -> float:
        distances = sorted(oracle.distance(Metric.L2, STORED[n], other) or 0 for other in STORED)
        return sum(distances[1:5]) / 4

    lonely = sorted(range(len(STORED)), key=loneliness, reverse=True)[:3]
    assert [each.row.title for each in found] == [f"d{n}" for n in lonely]
    assert [each.distance for each in found] == pytest.approx([loneliness(n) for n in lonely], rel=1e-5)


async def test_async_twins(documents: Database) -> None:
    found = await afind_duplicates(Document.objects.all(), "embedding", 0.25)
    assert [pair.distance for pair in found] == [
        pair.distance for pair in find_duplicates(Document.objects.all(), "embedding", 0.25)
    ]
    lonely = await aoutliers(Document.objects.all(), "embedding", 3, neighbors=4)
    assert [each.row.title for each in lonely] == [
        each.row.title for each in outliers(Document.objects.all(), "embedding", 3, neighbors=4)
    ]


async def test_long_work_says_how_far_it_is(documents: Database) -> None:
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    every = [(n + 1, len(STORED)) for n in range(len(STORED))]
    find_duplicates(Document.objects.all(), "embedding", 0.25, progress=note)
    assert seen == every
    seen.clear()
    await aoutliers(Document.objects.all(), "embedding", progress=note)
    assert seen == every


def test_neighbors_are_counted_from_one(documents: Database) -> None:
    for call in (lambda n: find_duplicates(Document.objects.all(), "embedding", 1, neighbors=n), outliers_of):
        for neighbors in (0, -1, True, "3"):
            with pytest.raises(ValueError, match="want a whole number of rows, at least 1"):
                call(neighbors)


def outliers_of(neighbors: Any) -> Any:
    return outliers(Document.objects.all(), "embedding", neighbors=neighbors)


async def test_twins_and_strangers_among_real_packages(real: Database) -> None:
    """Of the hundred packages that a filter leaves, as numpy finds them; an index may miss a pair, and invents none."""
    few = Real.objects.filter(share__lt=0.05)
    inside = [n for n, share in enumerate(shares()) if share < 0.05]
    vectors = packages().embeddings[inside].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = 1 - vectors @ vectors.T
    names = [packages().rows[n][0] for n in inside]
    pairs = itertools.combinations(range(len(names)), 2)
    twins = {frozenset((names[a], names[b])) for a, b in pairs if apart[a, b] < 0.4}
    found = {
        frozenset((pair.first.name, pair.second.name))
        for pair in await afind_duplicates(few, "embedding", 0.4, distance="cosine")
    }
    np.fill_diagonal(apart, np.inf)
    lonely = names[int(np.sort(apart, axis=1)[:, :5].mean(axis=1).argmax())]
    strangers = [each.row.name for each in outliers(few, "embedding", 5, distance="cosine")]
    assert found <= twins
    assert len(found) >= (0.8 if real.dialect.is_approximate else 1) * len(twins) > 0
    assert lonely in strangers if real.dialect.is_approximate else lonely == strangers[0]
