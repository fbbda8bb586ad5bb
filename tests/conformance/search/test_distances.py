"""Every distance of every database agrees with plain Python over the float32 values."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dorm_vector
from dorm_vector import Metric, UnsupportedByDatabase
from tests.conformance.inside import Unsupported
from tests.databases import Database
from tests.helpers.oracle import distance, vectors
from tests.models import Document, Package

DISTANCES = {
    Metric.L2: dorm_vector.L2Distance,
    Metric.COSINE: dorm_vector.CosineDistance,
    Metric.INNER_PRODUCT: dorm_vector.MaxInnerProduct,
    Metric.L1: dorm_vector.L1Distance,
}
METRICS = pytest.mark.parametrize("metric", DISTANCES, ids=lambda metric: metric.value)


def assert_unsupported(db: Database, metric: Metric, claim: Unsupported) -> None:
    """The stated reason is what the user gets, and the database still cannot."""
    with pytest.raises(UnsupportedByDatabase, match=claim.reason):
        list(Package.objects.annotate(distance=DISTANCES[metric]("embedding", [1] * 16)))
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
        db.connection.execute(claim.probe)


@METRICS
def test_a_ranking_is_that_of_plain_python(db: Database, metric: Metric) -> None:
    claim = db.dialect.distances[metric]
    if isinstance(claim, Unsupported):
        assert_unsupported(db, metric, claim)
        return
    stored = vectors(60, 16)
    query = vectors(1, 16, seed=8)[0]
    Package.objects.bulk_create([Package(section="x", embedding=vector) for vector in stored])
    rows = list(Package.objects.annotate(distance=DISTANCES[metric]("embedding", query)).order_by("distance"))
    expected = sorted(distance(metric, vector, query) or 0 for vector in stored)
    assert [row.distance for row in rows] == pytest.approx(expected, abs=2e-6)
    for row in rows:
        assert row.distance == pytest.approx(distance(metric, row.embedding, query), abs=2e-6)


FLOATS = st.floats(min_value=-1000, max_value=1000, width=32).filter(lambda value: value == 0 or abs(value) > 1e-3)
VECTORS = st.lists(FLOATS, min_size=3, max_size=3)


@METRICS
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=VECTORS, query=VECTORS)
def test_any_two_vectors(db: Database, metric: Metric, stored: list[float], query: list[float]) -> None:
    if isinstance(db.dialect.distances[metric], Unsupported):
        return
    document = Document.objects.create(title="any", embedding=stored)
    found = Document.objects.annotate(distance=DISTANCES[metric]("embedding", query)).get(pk=document.pk)
    expected = distance(metric, stored, query)
    if expected is None:
        assert found.distance is None
        return
    size = sum(a * a for a in stored) ** 0.5 * sum(b * b for b in query) ** 0.5
    scale = size if metric is Metric.INNER_PRODUCT else 1
    assert found.distance == pytest.approx(expected, rel=1e-5, abs=2e-6 * max(scale, 1) + 1e-6)
    assert found.embedding == stored


@METRICS
def test_null_and_the_zero_vector(db: Database, metric: Metric) -> None:
    if isinstance(db.dialect.distances[metric], Unsupported):
        return
    stored = {"null": None, "zero": [0, 0, 0], "one": [1, 0, 0], "two": [0, 3, 4]}
    for title, vector in stored.items():
        Document.objects.create(title=title, embedding=vector)
    for query in ([1, 0, 0], [0, 0, 0], [0, 0, -0.0]):
        rows = list(Document.objects.annotate(distance=DISTANCES[metric]("embedding", query)).order_by("distance"))
        for row in rows:
            expected = distance(metric, stored[row.title], query)
            assert row.distance == (None if expected is None else pytest.approx(expected, abs=1e-6))
        known = [row.distance is not None for row in rows]
        assert known == sorted(known, reverse=True), "a row without a distance stands before one with"


def test_a_zero_vector_is_near_to_nothing_by_cosine(db: Database) -> None:
    Document.objects.create(title="zero", embedding=[0, 0, 0])
    Document.objects.create(title="one", embedding=[1, 0, 0])
    queryset = Document.objects.annotate(distance=dorm_vector.CosineDistance("embedding", [1, 0, 0]))
    assert [row.title for row in queryset.order_by("distance")] == ["one", "zero"]
    for comparison in ({"distance__lt": 5}, {"distance__gt": -5}, {"distance__gte": 0}):
        assert [row.title for row in queryset.filter(**comparison)] == ["one"]


async def test_a_second_key_decides_among_all_rows_without_a_distance(db: Database) -> None:
    """A vector of zeros and a missing one are shown alike, so that neither sorts before the other."""
    stored = [None, [0, 0, 0], [4, 0, 0], [0, 1, 0], None, [-0.0, 0, 0], [-1, 0, 0]]
    for title, vector in zip("gfedcba", stored, strict=True):
        Document.objects.create(title=title, embedding=vector, other=[1, 0, 0] if vector else None)
    for query, known in (([2, 0, 0], ["e", "d", "a"]), ([0, 0, 0], []), (dorm.F("other"), ["e", "d", "a"])):
        expected = known + sorted(set("gfedcba") - set(known))
        measured = dorm_vector.CosineDistance("embedding", query)
        similarity = dorm_vector.CosineSimilarity("embedding", query)
        shown = Document.objects.annotate(near=measured)
        querysets: list[Any] = [
            shown.order_by("near", "title"),
            Document.objects.alias(near=measured).order_by("near", "title"),
            Document.objects.annotate(near=similarity).order_by("-near", "title"),
            shown.order_by("near", "title").values("title", "near"),
            shown.order_by("near", "title")[:6],
        ]
        for rows in querysets:
            titles = [row["title"] if isinstance(row, dict) else row.title for row in rows]
            assert titles == expected[: len(titles)]
            assert [row.title async for row in shown.order_by("near", "title")] == expected
        backwards = known + expected[len(known) :][::-1]
        assert [row.title for row in shown.order_by("near", "-title")] == backwards
        ranks = {row.title: row.place for row in shown.annotate(place=dorm.Window(dorm.Rank(), order_by=["-near"]))}
        assert len({ranks[title] for title in expected[len(known) :]}) == 1
        assert getattr(await shown.order_by("near", "title").afirst(), "title", "") == expected[0]
    nearest = Document.objects.exclude(embedding=None).nearest("embedding", [2, 0, 0], distance="cosine")
    assert [row.title for row in nearest.order_by("distance", "title")] == ["e", "d", "a", "b", "f"]


def test_a_threshold_and_a_structured_filter_agree_with_plain_python(db: Database) -> None:
    stored, query = vectors(80, 16), vectors(1, 16, seed=8)[0]
    rows = [Package(section=f"s{number % 4}", embedding=vector) for number, vector in enumerate(stored)]
    Package.objects.bulk_create(rows)
    queryset = Package.objects.annotate(distance=dorm_vector.L2Distance("embedding", query))
    expected = [
        number
        for number in sorted(range(80), key=lambda number: distance(Metric.L2, stored[number], query) or 0)
        if number % 4 == 1 and (distance(Metric.L2, stored[number], query) or 0) < 3.4
    ]
    found = queryset.filter(section="s1", distance__lt=3.4).order_by("distance")
    assert [row.embedding for row in found] == [rows[number].embedding for number in expected]
    assert found.count() == len(expected) > 3
