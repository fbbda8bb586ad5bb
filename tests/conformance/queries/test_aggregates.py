"""Averages and sums of vectors are vectors, and NULL over no rows, on every database that can."""

from __future__ import annotations

from typing import Any

import pytest
from dorm import Avg, Count, F, Q, Sum

from dorm_vector import (
    L2Distance,
    L2Normalize,
    Metric,
    SparseVector,
    UnsuitableFunction,
    VectorAvg,
    VectorSum,
)
from tests.conformance.inside import Routine
from tests.conformance.queries.test_functions import claim_of, possible
from tests.databases import Database
from tests.helpers.oracle import distance
from tests.models import Author, Document, Sample

PAIRS = [(VectorAvg, Routine.AVERAGE), (Avg, Routine.AVERAGE), (VectorSum, Routine.SUM), (Sum, Routine.SUM)]
EXPECTED = {Routine.AVERAGE: [2.5, 3.5, 4.5], Routine.SUM: [5, 7, 9]}


@pytest.fixture
def author(db: Database) -> Author:
    author = Author.objects.create(name="Ada")
    for title, pages, embedding in (("a", 1, [1, 2, 3]), ("b", 2, [4, 5, 6]), ("c", 3, None)):
        Document.objects.create(title=title, pages=pages, author=author, embedding=embedding, other=[1, 1, 1])
    return author


@pytest.mark.parametrize("aggregate, routine", PAIRS)
def test_an_aggregate_of_vectors_is_a_vector(db: Database, author: Author, aggregate: Any, routine: Routine) -> None:
    with possible(db, claim_of(db, routine)):
        found = Document.objects.aggregate(value=aggregate("embedding"), other=aggregate("other"), count=Count("pk"))
        times = 1 if routine is Routine.AVERAGE else 3
        assert found == {"value": EXPECTED[routine], "other": [times] * 3, "count": 3}


@pytest.mark.parametrize("aggregate, routine", PAIRS)
def test_no_rows_have_none(db: Database, aggregate: Any, routine: Routine) -> None:
    with possible(db, claim_of(db, routine)):
        assert Document.objects.aggregate(value=aggregate("embedding")) == {"value": None}
        Document.objects.create(title="x")
        assert Document.objects.aggregate(value=aggregate("embedding")) == {"value": None}


@pytest.mark.parametrize("aggregate, routine", PAIRS)
async def test_async_is_the_same(db: Database, author: Author, aggregate: Any, routine: Routine) -> None:
    with possible(db, claim_of(db, routine)):
        assert await Document.objects.aaggregate(value=aggregate("embedding")) == {"value": EXPECTED[routine]}
        rows = Author.objects.annotate(value=aggregate("documents__embedding"))
        assert [row.value async for row in rows] == [EXPECTED[routine]]


@pytest.mark.parametrize("aggregate, routine", PAIRS)
def test_over_a_reverse_relation(db: Database, author: Author, aggregate: Any, routine: Routine) -> None:
    Author.objects.create(name="Bob")
    with possible(db, claim_of(db, routine)):
        rows = Author.objects.annotate(value=aggregate("documents__embedding"), count=Count("documents"))
        found = [(row.name, row.value, row.count) for row in rows.order_by("name")]
        assert found == [("Ada", EXPECTED[routine], 3), ("Bob", None, 0)]
        assert Author.objects.aggregate(value=aggregate("documents__embedding")) == {"value": EXPECTED[routine]}
        assert rows.order_by("name").values_list("value", flat=True)[0] == EXPECTED[routine]


def test_filtered(db: Database, author: Author) -> None:
    with possible(db, claim_of(db, Routine.AVERAGE), claim_of(db, Routine.SUM)):
        found = Document.objects.aggregate(one=VectorSum("embedding", filter=Q(pages=1)), all=Avg(F("embedding")))
        assert found == {"one": [1, 2, 3], "all": [2.5, 3.5, 4.5]}
        assert Document.objects.aggregate(none=Avg("embedding", filter=Q(pages=9))) == {"none": None}
        assert Document.objects.filter(pages__gt=1).aggregate(value=Sum("embedding")) == {"value": [4, 5, 6]}
        assert Document.objects.order_by("pages")[:1].aggregate(value=Sum("embedding")) == {"value": [1, 2, 3]}
        Document.objects.create(title="d", embedding=[1, 2, 3])
        assert Document.objects.aggregate(value=Sum("embedding", distinct=True)) == {"value": [5, 7, 9]}


def test_of_a_function(db: Database) -> None:
    Document.objects.bulk_create([Document(title="x", embedding=vector) for vector in ([3, 4, 0], [0, 5, 0])])
    with possible(db, claim_of(db, Routine.AVERAGE), claim_of(db, Routine.NORMALIZE)):
        found = Document.objects.aggregate(value=VectorAvg(L2Normalize("embedding")))
        assert found["value"] == pytest.approx([0.3, 0.9, 0], rel=1e-6)
        rows = Document.objects.annotate(unit=L2Normalize("embedding"))
        assert rows.aggregate(value=Sum("unit"))["value"] == pytest.approx([0.6, 1.8, 0], rel=1e-6)


@pytest.mark.parametrize("name, expected", [("half", [60000, 2, 3]), ("sparse", SparseVector({1: 4}, 3))])
def test_of_other_elements(db: Database, name: str, expected: Any) -> None:
    """Halves are summed as float32, so that no sum of them overflows; sparse vectors stay sparse."""
    element = Sample._meta.get_field(name).element
    for _ in range(2):
        Sample.objects.create(title="x", half=[60000, 2, 3], sparse=[0, 4, 0])
    with possible(db, claim_of(db, Routine.AVERAGE, element), claim_of(db, Routine.SUM, element)):
        found = Sample.objects.aggregate(mean=Avg(name), total=Sum(name))
        total = [2 * value for value in expected.to_list()] if name == "sparse" else [120000, 4, 6]
        assert found["mean"] == expected
        assert (found["total"].to_list() if name == "sparse" else found["total"]) == total


def test_bits_have_none(db: Database) -> None:
    with pytest.raises(UnsuitableFunction, match=r"VectorSum takes numbers; Sample\.bits holds bits"):
        Sample.objects.aggregate(value=Sum("bits"))


def test_aggregates_of_numbers_stay_djanorms(db: Database, author: Author) -> None:
    found = Document.objects.aggregate(mean=Avg("pages"), total=Sum("pages"))
    assert (float(found["mean"]), found["total"]) == (2, 6)


def test_the_distance_to_an_average(db: Database, author: Author) -> None:
    with possible(db, claim_of(db, Routine.AVERAGE)):
        center = Document.objects.aggregate(value=Avg("embedding"))["value"]
        nearest = Document.objects.annotate(distance=L2Distance("embedding", center)).order_by("distance")[0]
        assert nearest.distance == pytest.approx(distance(Metric.L2, [1, 2, 3], center), rel=1e-6)


async def test_an_average_of_whole_numbers_is_as_precise_as_a_float(db: Database) -> None:
    """MySQL and MariaDB rounded it to four digits."""
    for pages in (1, 1, 2):
        await Document.objects.acreate(title="a", pages=pages)
    for found in (Document.objects.aggregate(mean=Avg("pages")), await Document.objects.aaggregate(mean=Avg("pages"))):
        assert float(found["mean"]) == pytest.approx(4 / 3, rel=1e-14)
