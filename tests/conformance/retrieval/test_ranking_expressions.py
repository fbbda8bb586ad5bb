"""Rows are ranked by distances combined with dates and numbers, in one statement, as plain Python ranks them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.expressions import F

from dorm_vector import CosineSimilarity, HnswIndex, Metric, Recency, UnsuitableFunction, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
MONTH = dt.timedelta(days=30)
QUERY = [0.5, -0.1, 0.3]
VECTORS = oracle.vectors(60, 3, seed=41)


class RankedPost(dorm.Model):
    number = dorm.IntegerField()
    votes = dorm.IntegerField()
    published = dorm.DateTimeField(null=True)
    day = dorm.DateField(null=True)
    embedding = VectorField(dimensions=3)

    class Meta:
        indexes = [HnswIndex(fields=["embedding"], name="rankedpost_embedding", distance="cosine")]


POSTS: Any = RankedPost.objects


def published(number: int) -> dt.datetime:
    """Return moments up to a year ago, and one that is still to come."""
    return NOW - dt.timedelta(hours=number * 151 - 300, microseconds=number)


@pytest.fixture(scope="module")
def loaded(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (RankedPost,))
    POSTS.bulk_create(
        [
            RankedPost(number=n, votes=n * 7 % 50, published=published(n), day=published(n).date(), embedding=vector)
            for n, vector in enumerate(VECTORS)
        ]
    )
    POSTS.create(number=len(VECTORS), votes=0, embedding=QUERY)
    yield database
    database.use()
    drop_table(database, RankedPost)


@pytest.fixture
def db(loaded: Database) -> Database:
    loaded.use()
    return loaded


def similarity(number: int) -> float:
    return 1 - (oracle.distance(Metric.COSINE, VECTORS[number], QUERY) or 0)


def recency(number: int) -> float:
    age = max(0.0, (NOW - published(number)).total_seconds())
    return 1 / (1 + age / MONTH.total_seconds())


def score(number: int) -> float:
    return 0.6 * similarity(number) + 0.3 * recency(number) + 0.1 * (number * 7 % 50) / 50


def scored(rows: Any) -> Any:
    relevance = 0.6 * CosineSimilarity("embedding", QUERY)
    return rows.annotate(score=relevance + 0.3 * Recency("published", MONTH, NOW) + F("votes") * 0.002)


async def test_rows_are_as_recent_as_python_says(db: Database) -> None:
    rows = POSTS.filter(published__isnull=False).annotate(
        recency=Recency("published", MONTH, NOW), by_day=Recency("day", MONTH, dt.datetime(2026, 11, 30, tzinfo=dt.UTC))
    )
    for found in (list(rows), await rows):
        for row in found:
            assert row.recency == pytest.approx(recency(row.number), abs=1e-6)
            # A day has no time zone, which that of the session may shift.
            days = max(0, (NOW.date() - published(row.number).date()).days)
            assert row.by_day == pytest.approx(1 / (1 + days / 30), abs=0.04)
    assert POSTS.annotate(recency=Recency("published", MONTH)).get(published__isnull=True).recency is None
    newest = (
        POSTS.filter(published__isnull=False).annotate(recency=Recency("published", MONTH, NOW)).order_by("-recency")
    )
    assert [row.number for row in newest[2:8]] == list(range(2, 8))


async def test_rows_are_ranked_by_distance_recency_and_votes(db: Database) -> None:
    best = sorted(range(len(VECTORS)), key=lambda number: -score(number))
    rows = scored(POSTS.filter(published__isnull=False)).order_by("-score")
    assert [row.number for row in rows[:7]] == [row.number for row in await rows[:7]] == best[:7]
    assert [row.score for row in rows[:7]] == pytest.approx([score(number) for number in best[:7]], abs=1e-5)
    plan = rows[:7].explain_search()
    assert plan.index is None
    above = (score(best[3]) + score(best[4])) / 2
    assert scored(POSTS.all()).filter(score__gt=above).count() == 4


async def test_the_nearest_are_ranked_again_in_one_statement(db: Database) -> None:
    nearest = sorted(range(len(VECTORS)), key=lambda number: -similarity(number))[:20]
    best = sorted(nearest, key=lambda number: -score(number))[:6]
    found = POSTS.filter(published__isnull=False).nearest("embedding", QUERY, distance="cosine")[:20]
    rows = scored(POSTS.filter(pk__in=found.values("pk"))).order_by("-score")
    assert [row.number for row in rows[:6]] == [row.number for row in await rows[:6]] == best


def test_what_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="want a positive timedelta"):
        Recency("published", dt.timedelta(0))
    with pytest.raises(UnsuitableFunction, match="want a DateTimeField or a DateField"):
        list(POSTS.annotate(recency=Recency("votes", MONTH)))
