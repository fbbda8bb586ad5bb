"""union(), intersection() and difference(): what is read of them is theirs, and no other row is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dorm
import pytest
from dorm import Count, F, Max, Subquery

from dorm_vector import CosineDistance, L1Distance, L2Distance, MaxInnerProduct
from tests.databases import Database
from tests.helpers import oracle
from tests.models import Article, Author, Document

STORED, QUERY = oracle.vectors(30, 3), [1.0, 0.5, -0.25]
DISTANCES = (L2Distance, CosineDistance, MaxInnerProduct, L1Distance)


@pytest.fixture
def order(db: Database) -> list[str]:
    """30 documents; returns their titles, nearest first."""
    Document.objects.bulk_create([Document(title=f"d{n}", pages=n, embedding=each) for n, each in enumerate(STORED)])
    return titles(nearest())


def nearest() -> Any:
    return Document.objects.nearest("embedding", QUERY)


def titles(rows: Any) -> list[str]:
    return [row.title for row in rows]


def both() -> Any:
    return nearest()[:2].union(nearest()[2:4]).order_by("distance")


async def test_it_is_read_as_any_queryset(order: list[str]) -> None:
    assert titles(both()) == titles(await both()) == [row.title async for row in both().aiterator()] == order[:4]
    assert titles(both().iterator()) == order[:4]
    assert titles(both()[1:3]) == order[1:3]
    assert (both()[3].title, both().first().title, both().last().title) == (order[3], order[0], order[3])
    assert (both().count(), await both().acount(), both()[1:3].count()) == (4, 4, 2)
    assert both()[0].embedding == pytest.approx(STORED[int(order[0][1:])])
    assert list(both().values_list("title", flat=True)) == order[:4]
    assert list(both().values("title")) == [{"title": title} for title in order[:4]]
    assert [row.pages for row in both().only("pages")] == [int(title[1:]) for title in order[:4]]


async def test_what_is_counted_is_what_it_has(order: list[str]) -> None:
    nothing = Document.objects.filter(title="x").union(Document.objects.filter(title="y"))
    assert (nothing.exists(), await nothing.aexists(), both().exists(), await both().aexists()) == (
        False,
        False,
        True,
        True,
    )
    pages = max(int(title[1:]) for title in order[:4])
    assert both().aggregate(rows=Count("id"), pages=Max("pages")) == {"rows": 4, "pages": pages}
    assert await both().aaggregate(rows=Count("id")) == {"rows": 4}


def test_it_is_combined_again(order: list[str]) -> None:
    third = nearest()[4:6]
    assert titles(both().union(third).order_by("distance")) == order[:6]
    assert titles(third.union(both()).order_by("distance")) == order[:6]
    assert titles(both().difference(nearest()[:2]).order_by("distance")) == order[2:4]
    assert titles(both().intersection(nearest()[1:9]).order_by("distance")) == order[1:4]
    assert sorted(titles(nearest()[:1].union(nearest()[:1], all=True))) == [order[0]] * 2


def test_rows_of_values_are_combined(order: list[str]) -> None:
    first, second = nearest()[:2], nearest()[2:4]
    named = first.values("title", "distance").union(second.values("title", "distance"))
    assert [row["title"] for row in named.order_by("distance")] == order[:4]
    flat = first.values_list("title", flat=True).union(second.values_list("title", flat=True))
    assert sorted(flat) == sorted(order[:4])


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_slice_by_distance_is_combined_with_rows_that_are_none(db: Database, distance: Any) -> None:
    Document.objects.bulk_create([Document(title=f"d{n}", embedding=each) for n, each in enumerate(STORED)])
    measured = Document.objects.annotate(distance=distance("embedding", QUERY))
    searched = Document.objects.nearest("embedding", QUERY, distance=distance.metric)
    other = titles(measured.order_by("distance"))[-1]
    for ranked in (measured.order_by("distance"), searched):
        found = ranked[:2].union(measured.filter(title=other)).order_by("distance")
        assert titles(found) == [*titles(ranked[:2]), other]
        assert [row.embedding for row in found] == [pytest.approx(STORED[int(row.title[1:])]) for row in found]


def test_it_stands_inside_another_query(order: list[str]) -> None:
    assert sorted(titles(Document.objects.filter(pk__in=both()))) == sorted(order[:4])
    assert Document.objects.exclude(pk__in=both()).count() == 26
    assert Document.objects.filter(title__in=both().values("title")).count() == 4
    best: Any = Document.objects.annotate(best=Subquery(both().values("title")[:1])).first()
    assert best.best == order[0]


def test_a_column_of_another_name_sorts_it(db: Database) -> None:
    Article.objects.bulk_create([Article(headline=name) for name in "bca"])
    found = Article.objects.filter(headline="a").union(Article.objects.filter(headline="b")).order_by("-headline")
    assert [row.headline for row in found] == ["b", "a"]
    assert list(found.values_list("headline", flat=True)) == ["b", "a"]


REFUSED: dict[str, Callable[[Any], Any]] = {
    "filter": lambda found: list(found.filter(pages=1)),
    "exclude": lambda found: list(found.exclude(pages=1)),
    "get": lambda found: found.get(pages=1),
    "in_bulk": lambda found: found.in_bulk([1]),
    "distinct": lambda found: list(found.distinct()),
    "annotate": lambda found: list(found.annotate(double=F("pages") * 2)),
    "nearest": lambda found: list(found.nearest("other", QUERY, as_="again")),
    "select_related": lambda found: list(found.select_related("author")),
    "count": lambda found: found.filter(pages=1).count(),
    "update": lambda found: found.update(pages=0),
    "delete": lambda found: found.delete(),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_would_be_of_every_row_is_refused(order: list[str], call: str) -> None:
    with pytest.raises(TypeError, match=r"Filter and annotate before; .* Document\.objects\.filter\(pk__in=found\)"):
        REFUSED[call](nearest()[:2].union(nearest()[2:4]))
    assert (Document.objects.count(), Document.objects.filter(pages=0).count()) == (30, 1)


async def test_what_would_be_of_every_row_is_refused_async(order: list[str]) -> None:
    found = nearest()[:2].union(nearest()[2:4])
    for call in (found.aupdate(pages=0), found.adelete(), found.aget(pages=1)):
        with pytest.raises(TypeError, match="Filter and annotate before"):
            await call
    assert Document.objects.count() == 30


def test_the_rows_are_changed_as_the_error_says(order: list[str]) -> None:
    assert Document.objects.filter(pk__in=both()).update(pages=99) == 4
    assert Document.objects.filter(pk__in=both()).delete()[0] == 4
    assert Document.objects.count() == 26


def test_an_update_reads_columns_alone(order: list[str]) -> None:
    for value in (F("distance"), F("distance") * 2):
        with pytest.raises(dorm.FieldDoesNotExist, match=r"update\(pages=F\('distance'\)\): .* is an annotation"):
            nearest()[:3].update(pages=value)
    Author.objects.create(name="a")
    assert nearest().update(pages=F("pages") + 1) == 30
    assert sorted(row.pages for row in Document.objects.all()) == list(range(1, 31))
