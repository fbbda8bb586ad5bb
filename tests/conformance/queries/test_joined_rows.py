"""Relations that are joined keep every row, and names of their own: faults that random queries showed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import dorm
import pytest
from dorm import Count, F, Max, Min, Sum

from dorm_vector import InnerProduct, L2Distance, VectorField
from tests.databases import Database, create_tables, drop_table

QUERY = [0.0, 0.0]
FIRST, SECOND = dt.date(2026, 11, 28), dt.date(2026, 11, 29)


class PrintStall(dorm.Model):
    name = dorm.CharField(max_length=20)
    day = dorm.DateField()
    embedding = VectorField(dimensions=2)


class PrintMark(dorm.Model):
    token = dorm.UUIDField()


class Print(dorm.Model):
    name = dorm.CharField(max_length=20, db_column="name_c")
    stall = dorm.ForeignKey(PrintStall, on_delete=dorm.CASCADE, null=True, related_name="prints")
    marks = dorm.ManyToManyField(PrintMark, related_name="prints")
    embedding = VectorField(dimensions=2)


class Impression(dorm.Model):
    name = dorm.CharField(max_length=20)
    owner = dorm.ForeignKey(Print, on_delete=dorm.CASCADE, related_name="sheets")
    embedding = VectorField(dimensions=2, null=True)


MODELS = (PrintStall, PrintMark, Print, Impression)
PRINTS: Any = Print.objects


@pytest.fixture(scope="module")
def prints(database: Database) -> Iterator[None]:
    """The print "a" has two sheets, one of them with a vector; the other "a" has one without; "b" has none."""
    database.use()
    create_tables(database.connection, MODELS)
    stalls = [PrintStall.objects.create(name="a", day=day, embedding=QUERY) for day in (FIRST, SECOND)]
    made = [
        Print.objects.create(name=name, stall=stall, embedding=[number, 0])
        for number, (name, stall) in enumerate([("a", stalls[0]), ("a", stalls[1]), ("b", None)])
    ]
    made[0].marks.add(PrintMark.objects.create(token=UUID(int=2**127)))
    for owner, vector in ((made[0], [3, 4]), (made[0], None), (made[1], None)):
        Impression.objects.create(name="s", owner=owner, embedding=vector)
    yield
    for model in reversed(MODELS):
        drop_table(database, model)


async def test_rows_without_a_relation_are_kept_and_counted(prints: None) -> None:
    there_and_back = PRINTS.annotate(distance=L2Distance("sheets__owner__embedding", QUERY))
    expected = [("a", 0.0), ("a", 0.0), ("a", 1.0), ("b", None)]
    assert sorted(there_and_back.values_list("name", "distance"), key=repr) == expected
    assert sorted([row async for row in there_and_back.values_list("name", "distance")], key=repr) == expected
    measured = PRINTS.annotate(distance=L2Distance("sheets__embedding", QUERY))
    assert (measured.count(), await measured.acount(), len(list(measured))) == (4, 4, 4)
    assert (measured.filter(distance__lt=9).count(), PRINTS.annotate(n=Count("sheets")).count()) == (1, 3)


def test_distinct_rows_are_sorted_by_what_they_show(prints: None) -> None:
    """Also where an index serves another expression than that, and where a search must not use one."""
    similar = PRINTS.annotate(product=InnerProduct("embedding", [1, 0])).order_by("-product").distinct()
    assert ([row.product for row in similar], similar.count(), similar[1:].count()) == ([2, 1, 0], 3, 2)
    hidden = PRINTS.alias(product=InnerProduct("embedding", [1, 0])).order_by("-product").distinct()
    assert [hasattr(row, "product") for row in [*hidden, *hidden.iterator(2)]] == [False] * 6
    exact = PRINTS.nearest("embedding", QUERY, exact=True).distinct()
    assert ([row.distance for row in exact], exact.count(), exact[1:].count()) == ([0, 1, 2], 3, 2)


def test_groups_and_their_order_are_those_of_the_model(prints: None) -> None:
    groups = PRINTS.values("name").annotate(sheets=Count("sheets__name"))
    assert sorted((row["name"], row["sheets"]) for row in groups) == [("a", 3), ("b", 0)]
    # A filter across the relation that is counted does not count a row twice.
    counted = PRINTS.filter(sheets__name="s").annotate(sheets_found=Count("sheets"))
    assert (len(counted), counted.count(), counted.order_by("sheets_found")[:1].count()) == (2, 2, 1)
    assert counted.aggregate(most=Max("sheets_found"), rows=Count("*")) == {"most": 2, "rows": 2}
    alone = PRINTS.annotate(rows=Count("pk"), least=Min(L2Distance("embedding", QUERY))).order_by("least")
    assert [(row.rows, row.least) for row in alone] == [(1, 0), (1, 1), (1, 2)]
    assert (alone.count(), alone.aggregate(total=Sum("rows"))) == (3, {"total": 3})
    by_stall = PRINTS.filter(stall__name="a").annotate(sheets_found=Count("sheets")).order_by("-sheets_found")
    assert list(by_stall.values_list("name", "sheets_found")) == [("a", 2), ("a", 1)]
    # Without a distance, a row comes last in both directions.
    nearest = PRINTS.annotate(least=Min(L2Distance("sheets__embedding", F("embedding"))))
    for order in ("least", "-least"):
        assert [row.least for row in nearest.order_by(order)] == [math.dist([3, 4], [0, 0]), None, None]


def test_a_path_ends_in_its_own_field(prints: None) -> None:
    """Also where the field has the name of a lookup, or is bound otherwise than the key that it is joined by."""
    assert [row.name for row in PRINTS.filter(stall__day=FIRST)] == ["a"]
    assert PRINTS.filter(stall__day__gt=FIRST).get().stall.day == SECOND
    assert PRINTS.filter(stall__day=F("stall__day")).count() == 2
    assert PRINTS.filter(stall__day__range=(FIRST, FIRST)).count() == 1
    assert PrintStall.objects.filter(prints__marks__token=UUID(int=2**127)).get().day == FIRST
