"""Distances inside other queries: correlated subqueries, EXISTS, windows and unions, against plain Python.

The inner model has every kind of index, whose form of a search must not hide the outer query from the inner one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm import Avg, Count, Exists, Max, Min, OuterRef, Subquery
from dorm.functions import Rank, RowNumber, Window

from dorm_vector import (
    CosineDistance,
    HnswIndex,
    InnerProduct,
    L2Distance,
    Metric,
    UnsupportedByDatabase,
    Vec0Index,
    VectorField,
)
from tests.databases import Database, create_tables, drop_table
from tests.helpers.oracle import distance, vectors

QUERY = [0.1, 0.2, 0.3]
AIMS, VECTORS = vectors(3, 3, seed=4), vectors(12, 3)


class NestedTopic(dorm.Model):
    name = dorm.CharField(max_length=20)
    aim = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"


class NestedPassage(dorm.Model):
    topic = dorm.ForeignKey(NestedTopic, on_delete=dorm.CASCADE, related_name="passages")
    title = dorm.CharField(max_length=20, default="")
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(["embedding"], "passage_hnsw", distance="l2"),
            HnswIndex(["embedding"], "passage_bits", distance="l2", precision="bit"),
            Vec0Index(["embedding"], "passage_vec0", distance="l2"),
        ]


TOPICS: Any = NestedTopic.objects
PASSAGES: Any = NestedPassage.objects


@pytest.fixture(scope="module")
def filled(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (NestedTopic, NestedPassage))
    topics = [TOPICS.create(name=f"t{number}", aim=aim) for number, aim in enumerate(AIMS)]
    for number, vector in enumerate(VECTORS):
        PASSAGES.create(topic=topics[number % 3], title=f"p{number}", embedding=vector)
    yield database
    database.use()
    drop_table(database, NestedPassage)
    drop_table(database, NestedTopic)


def far(number: int, query: Any = QUERY, metric: Metric = Metric.L2) -> float:
    found = distance(metric, VECTORS[number], query)
    assert found is not None
    return found


def of_topic(topic: int) -> range:
    return range(topic, len(VECTORS), 3)


def nearest(key: Callable[[int], float] = far, place: int = 0) -> dict[str, str]:
    """Return the title of each topic's nearest passage, by the topic's name."""
    return {f"t{topic}": f"p{sorted(of_topic(topic), key=key)[place]}" for topic in range(3)}


OWN = PASSAGES.filter(topic=OuterRef("pk"))
SAME = PASSAGES.filter(topic=OuterRef("topic"))
CLOSE = far(int(nearest()["t0"][1:])) + 1e-6

CORRELATED: dict[str, tuple[Any, dict[str, str]]] = {
    "order_by": (lambda: OWN.order_by(L2Distance("embedding", QUERY)), nearest()),
    "nearest": (lambda: OWN.nearest("embedding", QUERY), nearest()),
    "nearest, exact": (lambda: OWN.nearest("embedding", QUERY, exact=True), nearest()),
    "nearest, approximate": (lambda: OWN.nearest("embedding", QUERY, exact=False), nearest()),
    "rerank": (lambda: OWN.nearest("embedding", QUERY).rerank(12), nearest()),
    "max_distance": (lambda: OWN.nearest("embedding", QUERY, max_distance=50), nearest()),
    "annotate": (lambda: OWN.annotate(d=L2Distance("embedding", QUERY)).order_by("d"), nearest()),
    "alias": (lambda: OWN.alias(d=L2Distance("embedding", QUERY)).order_by("d"), nearest()),
    "a second key": (lambda: OWN.order_by(L2Distance("embedding", QUERY), "id"), nearest()),
    "descending": (lambda: OWN.order_by(L2Distance("embedding", QUERY).desc()), nearest(place=-1)),
    "cosine": (
        lambda: OWN.order_by(CosineDistance("embedding", QUERY)),
        nearest(lambda n: far(n, metric=Metric.COSINE)),
    ),
    "a similarity": (
        lambda: OWN.order_by(InnerProduct("embedding", QUERY).desc()),
        nearest(lambda n: far(n, metric=Metric.INNER_PRODUCT)),
    ),
    "arithmetic": (lambda: OWN.order_by(L2Distance("embedding", QUERY) * 2 + 1), nearest()),
    "the outer row's vector": (
        lambda: OWN.order_by(L2Distance("embedding", OuterRef("aim"))),
        nearest(lambda n: far(n, AIMS[n % 3])),
    ),
    "a filter along a relation": (
        lambda: PASSAGES.filter(topic__name=OuterRef("name")).nearest("embedding", QUERY),
        nearest(),
    ),
}


def test_a_correlated_subquery_sorted_by_distance(filled: Database) -> None:
    for name, (inner, expected) in CORRELATED.items():
        found = TOPICS.annotate(best=Subquery(inner().values("title")[:1]))
        assert {topic.name: topic.best for topic in found} == expected, name
    second = TOPICS.annotate(best=Subquery(OWN.nearest("embedding", QUERY).values("title")[1:2]))
    assert {topic.name: topic.best for topic in second} == nearest(place=1)


def test_what_a_correlated_subquery_selects(filled: Database) -> None:
    best = {name: int(title[1:]) for name, title in nearest().items()}
    rows = OWN.nearest("embedding", QUERY)
    measured = TOPICS.annotate(value=Subquery(rows.values("distance")[:1]))
    assert {row.name: row.value for row in measured} == {
        name: pytest.approx(far(n), rel=1e-5) for name, n in best.items()
    }
    stored = TOPICS.annotate(value=Subquery(rows.values("embedding")[:1]))
    assert {row.name: list(row.value) for row in stored} == {
        name: pytest.approx(VECTORS[n]) for name, n in best.items()
    }


def test_rows_are_compared_with_a_correlated_subquery(filled: Database) -> None:
    expected = sorted(nearest().values())
    equal = PASSAGES.filter(pk=Subquery(SAME.order_by(L2Distance("embedding", QUERY)).values("pk")[:1]))
    assert sorted(row.title for row in equal) == expected
    one = PASSAGES.filter(pk__in=SAME.order_by(L2Distance("embedding", QUERY)).values("pk")[:1])
    assert sorted(row.title for row in one) == expected
    least = SAME.annotate(least=L2Distance("embedding", QUERY)).order_by("least").values("least")[:1]
    close = PASSAGES.annotate(d=L2Distance("embedding", QUERY)).filter(d__lte=Subquery(least))
    assert sorted(row.title for row in close) == expected


def test_a_correlated_slice_of_several_rows(filled: Database) -> None:
    two = PASSAGES.filter(pk__in=SAME.order_by(L2Distance("embedding", QUERY)).values("pk")[:2])
    claim = filled.dialect.ordering.correlated_slice
    if claim is not None:
        with pytest.raises(UnsupportedByDatabase, match=re.escape(claim.instead)):
            list(two)
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            filled.connection.execute(claim.probe)
        return
    assert sorted(row.title for row in two) == sorted([*nearest().values(), *nearest(place=1).values()])


def test_exists(filled: Database) -> None:
    close = [topic for topic in range(3) if any(far(number) < CLOSE for number in of_topic(topic))]
    inside = OWN.alias(d=L2Distance("embedding", QUERY)).filter(d__lt=CLOSE)
    assert TOPICS.filter(Exists(inside)).count() == len(close)
    assert TOPICS.filter(~Exists(inside)).count() == 3 - len(close)
    aimed = [topic for topic in range(3) if any(far(number, AIMS[topic]) < 0.8 for number in of_topic(topic))]
    by_aim = OWN.alias(d=L2Distance("embedding", OuterRef("aim"))).filter(d__lt=0.8)
    assert [row.name for row in TOPICS.filter(Exists(by_aim)).order_by("id")] == [f"t{topic}" for topic in aimed]
    assert TOPICS.filter(Exists(OWN.nearest("embedding", QUERY)[:1])).count() == 3


def test_a_window_over_distances(filled: Database) -> None:
    place = {f"p{n}": 1 + sum(far(m) < far(n) for m in of_topic(n % 3)) for n in range(len(VECTORS))}
    order = L2Distance("embedding", QUERY)
    for window in (RowNumber, Rank):
        ranked = PASSAGES.annotate(place=Window(window(), partition_by=["topic"], order_by=[order]))
        assert {row.title: row.place for row in ranked} == place
        named = PASSAGES.annotate(d=order).annotate(place=Window(window(), partition_by=["topic"], order_by="d"))
        assert {row.title: row.place for row in named} == place
    least = PASSAGES.annotate(least=Window(Min(order), partition_by=["topic"]))
    assert {row.title: row.least for row in least} == {
        f"p{n}": pytest.approx(min(map(far, of_topic(n % 3))), rel=1e-5) for n in range(len(VECTORS))
    }


def test_a_union_over_distances(filled: Database) -> None:
    measured = PASSAGES.annotate(d=L2Distance("embedding", QUERY))
    by_distance = sorted(range(len(VECTORS)), key=far)
    first, last = measured.order_by("d")[:3], measured.order_by("-d")[:2]
    expected = sorted({*by_distance[:3], *by_distance[-2:]}, key=far)
    assert [row.title for row in first.union(last).order_by("d")] == [f"p{n}" for n in expected]
    assert [row.d for row in first.union(last).order_by("d")] == [pytest.approx(far(n), rel=1e-5) for n in expected]
    both = measured.filter(d__lt=CLOSE).union(measured.filter(d__lt=CLOSE * 1.2), all=True)
    assert both.count() == sum(far(n) < CLOSE for n in by_distance) + sum(far(n) < CLOSE * 1.2 for n in by_distance)


def test_aggregates_along_the_relation(filled: Database) -> None:
    d = L2Distance("passages__embedding", QUERY)
    found = TOPICS.annotate(least=Min(d), most=Max(d), mean=Avg(d), rows=Count("passages")).order_by("id")
    for topic, row in enumerate(found):
        known = list(map(far, of_topic(topic)))
        assert (row.least, row.most) == (pytest.approx(min(known), rel=1e-5), pytest.approx(max(known), rel=1e-5))
        assert (row.mean, row.rows) == (pytest.approx(sum(known) / 4, rel=1e-5), 4)


def test_an_update_from_a_correlated_subquery(filled: Database) -> None:
    names = [topic.name for topic in TOPICS.order_by("id")]
    TOPICS.update(name=Subquery(OWN.nearest("embedding", QUERY).values("title")[:1]))
    assert [topic.name for topic in TOPICS.order_by("id")] == list(nearest().values())
    for topic, name in zip(TOPICS.order_by("id"), names, strict=True):
        TOPICS.filter(pk=topic.pk).update(name=name)
