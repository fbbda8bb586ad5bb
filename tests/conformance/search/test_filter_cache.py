"""The SQL of a filter is compiled once for its shape; each query has its own values, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dorm import F, Q

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Author, Document

ONE = [1.0, 0.5, -0.25]
TITLES = ("a", "b", "B", "", "50%", "it's", "ß")
Passes = Callable[[Any], bool]


@pytest.fixture
def documents(db: Database) -> list[Any]:
    ada, bob = Author.objects.create(name="Ada"), Author.objects.create(name="Bob")
    authors = (ada, None, bob)
    return [
        Document.objects.create(
            title=title, pages=number % 4, author=authors[number % 3], embedding=[number, 1, 0], other=None
        )
        for number, title in enumerate(TITLES)
    ]


def among(pages: list[int]) -> Passes:
    return lambda row: row.pages in pages


def titled(text: str) -> Passes:
    return lambda row: bool(row.title == text)


def by(author: int | None) -> Passes:
    return lambda row: bool(row.author_id == author)


def filters(authors: list[int]) -> list[tuple[Any, Passes]]:
    """Return filters, several of each shape, and what they leave."""
    by_number: list[tuple[Any, Passes]] = [
        *((Q(pages=n), lambda row, n=n: row.pages == n) for n in (0, 1, 1, 3, -5)),
        *((Q(pages__lt=n), lambda row, n=n: row.pages < n) for n in (0, 1, 2, 2.5)),
        *((Q(pages__gte=n) & Q(pages__lt=m), lambda row, n=n, m=m: n <= row.pages < m) for n, m in ((1, 1), (0, 3))),
        (~Q(pages=1) | Q(title="50%"), lambda row: row.pages != 1 or row.title == "50%"),
        (~Q(pages=2) | Q(title="50%"), lambda row: row.pages != 2 or row.title == "50%"),
        *((Q(pages__in=some), among(some)) for some in ([], [1], [0, 2], [2, 0, 0])),
        *((Q(pages__range=(n, m)), lambda row, n=n, m=m: n <= row.pages <= m) for n, m in ((0, 1), (1, 1))),
        (Q(pages=F("pages")), lambda row: True),
        (Q(pages__gt=F("author_id")), lambda row: row.author_id is not None and row.pages > row.author_id),
    ]
    # "B" is left out of what is compared as text: MySQL and MariaDB ignore its case.
    by_text: list[tuple[Any, Passes]] = [(Q(title=text), titled(text)) for text in ("a", "", "50%", "it's", "ß", "a")]
    by_author: list[tuple[Any, Passes]] = [
        *((Q(author=n), by(n)) for n in (*authors, None, authors[0])),
        *((Q(author_id=n), by(n)) for n in (*authors, None)),
        *((Q(author__isnull=no), lambda row, no=no: (row.author_id is None) is no) for no in (True, False, True)),
        (Q(author__in=Author.objects.filter(name="Ada")), lambda row: row.author_id == authors[0]),
        (Q(author__name="Bob"), lambda row: row.author_id == authors[1]),
        *((Q(other__isnull=no), lambda row, no=no: no) for no in (True, False)),
    ]
    return by_number + by_text + by_author


def searches(condition: Q) -> list[Any]:
    measured = Document.objects.filter(condition).annotate(d=L2Distance("embedding", ONE)).order_by("d")
    return [measured[:20], Document.objects.filter(condition).nearest("embedding", ONE)[:20]]


async def test_each_filter_has_its_own_values(documents: list[Any]) -> None:
    """Twice, so that the second time each shape is known, whatever was compiled in between."""
    for condition, passes in filters(sorted({row.author_id for row in documents} - {None})) * 2:
        expected = {row.pk for row in documents if passes(row)}
        for search in searches(condition):
            assert {row.pk for row in search} == expected, condition
            assert {row.pk async for row in search.all()} == expected, condition


def test_an_annotation_is_no_column_of_its_name(documents: list[Any]) -> None:
    """The same filter, once on a column and once on an annotation that hides it."""
    for _again in range(2):
        assert {row.pk for row in Document.objects.filter(pages__lt=1)[:20]} == {
            row.pk for row in documents if row.pages < 1
        }
        near = Document.objects.alias(pages=L2Distance("embedding", [0, 1, 0])).filter(pages__lt=1).order_by("id")
        assert [row.title for row in near[:20]] == ["a"]
