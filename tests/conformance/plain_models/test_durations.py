"""Durations that ``values()``, annotations and aggregates return, in models with and without vectors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm import Avg, F, Max, Min, Sum

from dorm_vector import VectorField
from tests.databases import Database, create_tables, drop_table


class Ride(dorm.Model):
    name = dorm.CharField(max_length=10)
    took = dorm.DurationField(null=True, db_column="time_taken")
    back = dorm.ForeignKey("Ride", on_delete=dorm.CASCADE, null=True)


class MappedRide(dorm.Model):
    """A Ride with a vector."""

    name = dorm.CharField(max_length=10)
    took = dorm.DurationField(null=True, db_column="time_taken")
    back = dorm.ForeignKey("MappedRide", on_delete=dorm.CASCADE, null=True)
    place = VectorField(2, null=True)


TOOK = {"a": dt.timedelta(hours=3, microseconds=7), "b": dt.timedelta(microseconds=-5), "c": None}
KNOWN = [took for took in TOOK.values() if took is not None]
TOTAL = sum(KNOWN, dt.timedelta())
RESULTS = {"sum": TOTAL, "avg": TOTAL / len(KNOWN), "min": min(KNOWN), "max": max(KNOWN)}
AGGREGATES = {"sum": Sum("took"), "avg": Avg("took"), "min": Min("took"), "max": Max(F("took"))}


@pytest.fixture
def rides(db: Database) -> Iterator[list[Any]]:
    models = (Ride, MappedRide)
    create_tables(db.connection, models)
    for model in models:
        back = None
        for name, took in TOOK.items():
            back = model.objects.create(name=name, took=took, back=back)
    yield [model.objects for model in models]
    for model in models:
        drop_table(db, model)


async def test_durations_are_read_as_instances_have_them(rides: list[Any]) -> None:
    for rows in rides:
        by_name = rows.order_by("name")
        assert {row.name: row.took for row in by_name} == TOOK
        for found in (by_name.values("name", "took"), by_name.values()):
            assert {row["name"]: row["took"] for row in found} == TOOK
            assert {row["name"]: row["took"] async for row in found._clone()} == TOOK
            assert {row["name"]: row["took"] for row in found.iterator()} == TOOK
        assert dict(by_name.values_list("name", "took")) == TOOK
        assert [took async for took in by_name.values_list("took", flat=True)] == list(TOOK.values())
        assert list(by_name.values_list("back__took", flat=True)) == [None, *list(TOOK.values())[:2]]
        shown = rows.annotate(time=F("took"), before=F("back__took")).order_by("name")
        assert [row.time for row in shown] == list(TOOK.values())
        assert list(shown.values_list("before", flat=True)) == [None, *list(TOOK.values())[:2]]
        assert rows.aggregate(**AGGREGATES) == await rows.aaggregate(**AGGREGATES) == RESULTS
        nothing = dict.fromkeys(RESULTS)
        assert rows.filter(name="c").aggregate(**AGGREGATES) == nothing
        assert rows.order_by("name")[:2].aggregate(**AGGREGATES) == RESULTS
        (grouped,) = (
            rows.filter(back__isnull=False)
            .values("back__name")
            .annotate(total=Sum("back__took"))
            .filter(back__name="a")
        )
        assert grouped == {"back__name": "a", "total": TOOK["a"]}
        related = {row.name: (row.total, row.mean) for row in rows.annotate(total=Max("back__took"), mean=Avg("took"))}
        assert related == {"a": (None, TOOK["a"]), "b": (TOOK["a"], TOOK["b"]), "c": (TOOK["b"], None)}
