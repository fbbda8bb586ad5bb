"""Rows that come in chunks are what they are at once."""

from __future__ import annotations

from typing import Any

import pytest

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Document

QUERY = [1.0, 0.0, 0.0]


@pytest.fixture
def documents(db: Database) -> list[Document]:
    rows = [Document(title=str(n), pages=n, embedding=[n, 0, 0], other=[0, n, 0]) for n in range(2, 8)]
    return Document.objects.bulk_create(rows)


def ranked() -> Any:
    return Document.objects.annotate(distance=L2Distance("embedding", QUERY))


def ends() -> Any:
    return ranked().filter(pages__lt=4).union(ranked().filter(pages__gt=6))


async def test_combined_rows_come_in_chunks(documents: list[Document]) -> None:
    rows = list(ends().order_by("-distance").iterator(chunk_size=2))
    assert [(row.title, row.distance) for row in rows] == [("7", 6), ("3", 2), ("2", 1)]
    assert rows[0].embedding == [7, 0, 0]
    assert [row.title async for row in ends().order_by("distance").aiterator(chunk_size=2)] == ["2", "3", "7"]


def test_combined_tuples_are_tuples(documents: list[Document]) -> None:
    few = ranked().filter(pages=2).values_list("title", "other", "distance")
    many = ranked().filter(pages=7).values_list("title", "other", "distance")
    expected = [("2", [0, 2, 0], 1), ("7", [0, 7, 0], 6)]
    assert list(few.union(many).order_by("distance")) == expected
    assert list(few.union(many).order_by("distance").iterator(chunk_size=1)) == expected
    flat = ranked().filter(pages=2).values_list("title", flat=True)
    assert list(flat.union(ranked().filter(pages=7).values_list("title", flat=True)).order_by("title")) == ["2", "7"]


async def test_tuples_come_in_chunks(documents: list[Document]) -> None:
    titles = ranked().order_by("distance").values_list("title", flat=True)
    assert list(titles.iterator(chunk_size=4)) == ["2", "3", "4", "5", "6", "7"]
    pairs = ranked().order_by("distance").values_list("title", "other")
    assert [row async for row in pairs.aiterator(chunk_size=4)][:1] == [("2", [0, 2, 0])]
    assert next(ranked().values_list("pages", named=True).iterator(chunk_size=4)).pages == 2
