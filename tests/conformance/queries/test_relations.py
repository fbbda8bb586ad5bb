"""Keys that are not numbers, relations that were prefetched, and names that are not those of columns."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest
from dorm import F, Max, Min, OuterRef, Q, Subquery, Value
from dorm.functions import Case, Coalesce, When
from dorm.queryset import Prefetch

from dorm_vector import L2Distance, VectorField
from tests.conformance.inside import switched_off
from tests.databases import Database, create_tables, drop_table
from tests.models import Author, Document

QUERY = [1.0, 0.0]
VECTORS = np.random.default_rng(11).normal(size=(6, 2)).astype("f4")
KEYS = [uuid.UUID(int=number + 1) for number in range(6)]


class Cabinet(dorm.Model):
    id = dorm.UUIDField(primary_key=True)
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=2, null=True)


class Binder(dorm.Model):
    code = dorm.CharField(max_length=20, primary_key=True)
    cabinet = dorm.ForeignKey(Cabinet, on_delete=dorm.CASCADE, null=True, related_name="binders")
    number = dorm.IntegerField(db_column="nr")
    embedding = VectorField(dimensions=2, null=True, db_column="vec")


@pytest.fixture
def binders(db: Database) -> Iterator[list[Binder]]:
    """A cabinet and a binder for each vector; the fourth binder has none."""
    create_tables(db.connection, (Cabinet, Binder))
    Cabinet.objects.bulk_create(
        [Cabinet(id=key, name=f"s{n}", embedding=VECTORS[n].tolist()) for n, key in enumerate(KEYS)]
    )
    rows = [
        Binder(code=f"v%{n}", cabinet_id=key, number=n, embedding=None if n == 3 else VECTORS[n])
        for n, key in enumerate(KEYS)
    ]
    yield Binder.objects.bulk_create(rows)
    drop_table(db, Binder)
    drop_table(db, Cabinet)


def distance(number: int) -> float:
    return math.dist(VECTORS[number].tolist(), QUERY)


def by_distance(*numbers: int) -> list[int]:
    return sorted(numbers, key=distance)


def numbers(rows: Any) -> list[int]:
    return [row.number for row in rows]


# keys


def test_a_key_of_another_type_is_written_read_and_asked_for(binders: list[Binder]) -> None:
    binder = Binder.objects.get(cabinet=KEYS[2])
    assert (binder.number, binder.cabinet_id, binder.cabinet.name) == (2, KEYS[2], "s2")
    assert numbers(Binder.objects.filter(cabinet__in=[KEYS[1], Cabinet.objects.get(name="s4")]).order_by("code")) == [
        1,
        4,
    ]
    assert numbers(Binder.objects.select_related("cabinet").filter(cabinet__name="s5")) == [5]
    assert Cabinet.objects.in_bulk([KEYS[0]])[KEYS[0]].name == "s0"
    binder.cabinet = Cabinet.objects.get(name="s0")
    binder.save()
    assert numbers(Cabinet.objects.get(pk=KEYS[0]).binders.all().order_by("code")) == [0, 2]
    Cabinet.objects.get(pk=KEYS[0]).delete()
    assert Binder.objects.count() == 4


async def test_a_key_of_another_type_asynchronously(binders: list[Binder]) -> None:
    created = await Binder.objects.acreate(code="new", cabinet_id=KEYS[1], number=9, embedding=QUERY)
    assert (await Binder.objects.aget(code="new")).cabinet_id == created.cabinet_id == KEYS[1]
    assert await Binder.objects.filter(cabinet=KEYS[1]).acount() == 2
    found = [row.name async for row in Cabinet.objects.nearest("embedding", QUERY, distance="l2")[:2]]
    assert found == [f"s{n}" for n in by_distance(*range(6))[:2]]


def test_prefetches_find_what_such_keys_refer_to(binders: list[Binder]) -> None:
    cabinets = Cabinet.objects.prefetch_related("binders").order_by("name")
    assert [numbers(cabinet.binders.all()) for cabinet in cabinets] == [[n] for n in range(6)]
    rows = Binder.objects.prefetch_related("cabinet").order_by("code")
    assert [row.cabinet.name for row in rows] == [f"s{n}" for n in range(6)]
    with switched_off("keys_of_relations"):
        # What stands for a UUID in a parameter, and what is read of one, is each driver's own affair.
        assert Binder(cabinet_id=KEYS[0])._meta.get_field("cabinet").get_db_prep_value(KEYS[0]) is KEYS[0]


# prefetches


async def test_a_prefetched_relation_is_still_that_relation(binders: list[Binder]) -> None:
    (cabinet,) = [row for row in Cabinet.objects.prefetch_related("binders") if row.name == "s2"]
    everything = cabinet.binders.all()
    assert numbers(everything) == numbers(everything.filter(number__gte=0)) == [2]
    assert (everything[0].number, everything.count(), cabinet.binders.count(), everything.exists()) == (2, 1, 1, True)
    assert numbers(everything.nearest("embedding", QUERY, distance="l2")[:3]) == [2]
    assert numbers([row async for row in everything.nearest("embedding", QUERY, distance="l2")[:3]]) == [2]
    assert numbers([row async for row in (await cabinet.binders.aget_queryset()).filter(number__gte=0)]) == [2]
    with switched_off("prefetched_relations"):
        assert cabinet.binders.count() == 6


def test_what_was_prefetched_is_not_asked_for_again(binders: list[Binder]) -> None:
    near = Prefetch("binders", queryset=Binder.objects.annotate(d=L2Distance("embedding", QUERY)).filter(number=1))
    cabinet = Cabinet.objects.prefetch_related(near).get(name="s1")
    Binder.objects.all().delete()
    assert [row.d for row in cabinet.binders.all()] == [pytest.approx(distance(1), rel=1e-5)]
    assert cabinet.binders.count() == 0


# conditions


def test_a_column_is_compared_with_an_expression(binders: list[Binder]) -> None:
    """Not with its representation, of which MySQL and MariaDB make 0."""
    nearer = [n for n in range(6) if n != 3 and distance(n) < n]
    assert numbers(Binder.objects.filter(number__gt=L2Distance("embedding", QUERY)).order_by("code")) == nearer
    assert numbers(Binder.objects.filter(number__lt=F("number") * 2).order_by("code")) == [1, 2, 3, 4, 5]
    # The binder without a vector is neither.
    assert Binder.objects.exclude(number__gt=L2Distance("embedding", QUERY)).count() == 5 - len(nearer)


def test_a_column_is_compared_with_a_subquery_by_its_lookup(binders: list[Binder]) -> None:
    third = Subquery(Binder.objects.filter(code="v%3").values("number")[:1])
    assert numbers(Binder.objects.filter(number__gt=third).order_by("code")) == [4, 5]
    assert numbers(Binder.objects.filter(number__lte=third).order_by("-code")) == [3, 2, 1, 0]
    assert numbers(Binder.objects.filter(number=third)) == [3]


def test_a_vector_is_compared_with_another_column(binders: list[Binder]) -> None:
    every = [n for n in range(6) if n != 3]
    assert numbers(Binder.objects.filter(embedding=F("cabinet__embedding")).order_by("code")) == every
    theirs = Subquery(Cabinet.objects.filter(pk=OuterRef("cabinet_id")).values("embedding")[:1])
    assert numbers(Binder.objects.filter(embedding=theirs).order_by("code")) == every
    assert numbers(Binder.objects.annotate(theirs=theirs).filter(theirs=F("embedding")).order_by("code")) == every
    Cabinet.objects.filter(name="s1").update(embedding=QUERY)
    assert numbers(Binder.objects.filter(embedding=F("cabinet__embedding")).order_by("code")) == [0, 2, 4, 5]


# names


def test_f_names_a_field_whatever_its_column(binders: list[Binder]) -> None:
    Binder.objects.filter(number=4).update(number=F("number") + 10)
    assert Binder.objects.get(code="v%4").number == 14
    binder = Binder.objects.get(code="v%5")
    binder.number = F("number") * 2
    binder.save()
    assert Binder.objects.get(code="v%5").number == 10
    assert Binder.objects.annotate(more=F("number") + 1).get(code="v%1").more == 2
    Binder.objects.filter(code="v%1").update(number=F("number") + 1)
    assert Binder.objects.get(code="v%1").number == 2


def test_f_names_an_annotation(binders: list[Binder]) -> None:
    measured = Binder.objects.annotate(distance=L2Distance("embedding", QUERY))
    filled = measured.annotate(filled=Coalesce(F("distance"), Value(99.0))).order_by("-filled")
    assert [(row.number, row.filled) for row in filled[:1]] == [(3, 99)]
    doubled = measured.annotate(doubled=F("distance") * 2)
    assert doubled.get(code="v%1").doubled == pytest.approx(2 * distance(1), rel=1e-5)
    near = [n for n in by_distance(0, 1, 2, 4, 5) if 2 * distance(n) < 3]
    assert numbers(doubled.filter(doubled__lt=3).order_by("doubled")) == near
    assert near


def test_a_case_asks_what_a_filter_may(binders: list[Binder]) -> None:
    near = Case(When(distance__lt=1.5, number__gt=0, then=F("number")), default=Value(-1))
    rows = Binder.objects.annotate(distance=L2Distance("embedding", QUERY)).annotate(near=near).order_by("code")
    expected = [n if n not in (0, 3) and distance(n) < 1.5 else -1 for n in range(6)]
    assert [row.near for row in rows] == expected
    assert set(expected) > {-1}
    chosen = Case(When(Q(cabinet__name="s1") | Q(cabinet__name="s2"), then=Value(1)), default=Value(0))
    assert [row.chosen for row in Binder.objects.annotate(chosen=chosen).order_by("code")] == [0, 1, 1, 0, 0, 0]


# aggregates


def test_an_annotation_aggregates_a_distance(binders: list[Binder]) -> None:
    Binder.objects.filter(number__lt=3).update(cabinet=KEYS[0])
    cabinets = Cabinet.objects.annotate(
        nearest=Min(L2Distance("binders__embedding", QUERY)), last=Max(F("binders__number"))
    )
    found = {row.name: (row.nearest, row.last) for row in cabinets}
    assert found["s0"] == (pytest.approx(min(map(distance, (0, 1, 2))), rel=1e-5), 2)
    assert found["s1"] == (None, None)
    assert found["s3"] == (None, 3)
    filtered = Min(L2Distance("binders__embedding", QUERY), filter=Q(name="s0"))
    assert [row.name for row in Cabinet.objects.annotate(n=filtered) if row.n is not None] == ["s0"]
    with switched_off("aggregates_of_expressions"), pytest.raises(dorm.DatabaseError):
        list(cabinets.all())


async def test_a_model_without_vectors_aggregates_those_of_another(db: Database) -> None:
    ada = Author.objects.create(name="Ada")
    Document.objects.create(title="a", author=ada, embedding=[3, 4, 0])
    nearest = {"nearest": Min(L2Distance("documents__embedding", [0, 0, 0]))}
    assert Author.objects.aggregate(**nearest) == {"nearest": 5}
    assert await Author.objects.aaggregate(**nearest) == {"nearest": 5}
    assert Author.objects.annotate(**nearest).get().nearest == 5
