"""Expressions that are assigned to a vector column: their vectors are bound, and ``normalize=True`` holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest
from dorm import Case, F, Value, When
from dorm.functions import Coalesce, NullIf

from dorm_vector import (
    BinaryQuantize,
    BitField,
    DimensionMismatch,
    HalfVectorField,
    L2Normalize,
    SparseVectorField,
    UnsuitableFunction,
    UnsupportedByDatabase,
    VectorField,
    abulk_load,
    bulk_load,
)
from tests.databases import Database, create_tables, drop_table


class Scaled(dorm.Model):
    title = dorm.CharField(max_length=50)
    raw = VectorField(2, null=True)
    unit = VectorField(2, normalize=True, null=True, default=[0, 2])
    other = VectorField(2, normalize=True, null=True)

    class Meta:
        app_label = "tests"


@pytest.fixture
def table(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Scaled,))
    yield db
    drop_table(db, Scaled)


LONG, UNIT = [3, 4], pytest.approx([0.6, 0.8])


def _stored() -> dict[str, Any]:
    return {row.title: row.unit for row in Scaled.objects.order_by("id")}


async def test_a_case_of_vectors(table: Database) -> None:
    Scaled.objects.bulk_create([Scaled(title=name, raw=[1, 1], unit=[1, 0]) for name in ("a", "b", "c")])
    assert Scaled.objects.update(raw=Case(When(title="a", then=Value([5, 5])), default=F("raw"))) == 3
    assert await Scaled.objects.aupdate(unit=Case(When(title="b", then=Value(LONG)), default=F("unit"))) == 3
    assert [row.raw for row in Scaled.objects.order_by("id")] == [[5, 5], [1, 1], [1, 1]]
    assert _stored() == {"a": [1, 0], "b": UNIT, "c": [1, 0]}
    Scaled.objects.filter(title="c").update(unit=Value(LONG))
    row = Scaled.objects.get(title="a")
    row.unit = Case(When(title="a", then=Value(LONG)))
    row.save()
    assert _stored() == {"a": UNIT, "b": UNIT, "c": UNIT}
    Scaled.objects.filter(title="a").update(unit=F("other"), other=Value(None))
    assert _stored()["a"] is None


async def test_every_write_scales_to_length_one(table: Database) -> None:
    Scaled.objects.create(title="create", unit=LONG)
    await Scaled.objects.acreate(title="acreate", unit=LONG)
    Scaled.objects.bulk_create([Scaled(title="bulk_create", unit=LONG)])
    bulk_load(Scaled, [{"title": "dict", "unit": LONG}])
    bulk_load(Scaled, [Scaled(title="instance", unit=LONG)])
    await abulk_load(Scaled, {"title": ["column"], "unit": [LONG]})
    made = Scaled.objects.bulk_create([Scaled(title="bulk_update"), Scaled(title="update")])
    rows = list(Scaled.objects.filter(title="bulk_update"))
    rows[0].unit = LONG
    Scaled.objects.bulk_update(rows, ["unit"])
    Scaled.objects.filter(title="update").update(unit=LONG)
    assert all(vector == UNIT for vector in _stored().values())
    assert len(_stored()) == 6 + len(made)


async def test_a_default_is_scaled(table: Database) -> None:
    Scaled.objects.create(title="create")
    Scaled.objects.bulk_create([Scaled(title="bulk_create")])
    bulk_load(Scaled, [{"title": "dict"}])
    await abulk_load(Scaled, [Scaled(title="instance")])
    assert _stored() == {name: [0, 1] for name in ("create", "bulk_create", "dict", "instance")}


async def test_what_the_database_computes_is_scaled_by_it_or_refused(table: Database) -> None:
    row = Scaled.objects.create(title="a", raw=LONG, unit=[1, 0])
    for expression in (F("raw"), Case(When(title="a", then=F("raw")))):
        with pytest.raises(UnsuitableFunction, match="L2Normalize"):
            Scaled.objects.update(unit=expression)
        with pytest.raises(UnsuitableFunction, match="L2Normalize"):
            await Scaled.objects.aupdate(unit=expression)
        row.unit = expression
        with pytest.raises(UnsuitableFunction, match="L2Normalize"):
            row.save()
        with pytest.raises(UnsuitableFunction, match="L2Normalize"):
            Scaled.objects.bulk_update([row], ["unit"])
    assert _stored() == {"a": [1, 0]}
    Scaled.objects.only("title").get(title="a").save()
    assert _stored() == {"a": [1, 0]}
    if table.name in SCALES:
        Scaled.objects.update(unit=L2Normalize("raw"))
        assert _stored() == {"a": UNIT}


SCALES = ("postgresql", "sqlite")


class OfEachElement(dorm.Model):
    title = dorm.CharField(max_length=50)
    full = VectorField(3, null=True)
    half = HalfVectorField(3, null=True)
    sparse = SparseVectorField(3, null=True)
    bits = BitField(3, null=True)
    longer = VectorField(4, null=True)

    class Meta:
        app_label = "tests"


NUMBERS: dict[str, list[float]] = {"full": [0.1, 1 / 3, 2049], "half": [0.25, 0.5, 7], "sparse": [0, 1.1, 0]}
HALVES = ("postgresql", "sqlite", "libsql")


@pytest.fixture
def elements(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (OfEachElement,))
    yield db
    drop_table(db, OfEachElement)


def numbers_in(name: str) -> list[Any]:
    found = [getattr(row, name) for row in OfEachElement.objects.order_by("title")]
    return [value.to_list() if hasattr(value, "to_list") else value for value in found]


def as_float(values: list[float], form: str) -> list[float]:
    numbers: list[float] = np.array(values, form).astype("f4").tolist()
    return numbers


async def test_a_column_of_another_element_is_converted_or_refused(elements: Database) -> None:
    """Some databases store any bytes in any column, and others have no function that rounds to half."""
    rows: Any = OfEachElement.objects
    for target in NUMBERS:
        for source, values in NUMBERS.items():
            rows.all().delete()
            rows.create(title="a", bits=[1, 0, 1], longer=[1, 2, 3, 4], **NUMBERS)
            rows.create(title="b")
            before = numbers_in(target)
            if target == "half" != source and elements.name not in HALVES:
                with pytest.raises(UnsupportedByDatabase, match="half"):
                    rows.update(half=F(source))
                assert numbers_in(target) == before
            else:
                await rows.aupdate(**{target: F(source)})
                stored = as_float(values, "f2" if target == "half" else "f4")
                assert numbers_in(target) == [stored, None], (target, source)
        with pytest.raises(UnsuitableFunction, match="Read the bits"):
            rows.update(**{target: F("bits")})
        with pytest.raises(UnsuitableFunction, match="BinaryQuantize"):
            rows.update(bits=F(target))
        with pytest.raises(DimensionMismatch, match="3 dimensions"):
            rows.update(**{target: F("longer")})
    with pytest.raises(UnsuitableFunction, match="holds halfvec"):
        rows.update(half=BinaryQuantize("full"))
    assert [row.bits and str(row.bits) for row in rows.order_by("title")] == ["101", None]


async def test_a_vector_in_coalesce(elements: Database) -> None:
    rows: Any = OfEachElement.objects
    rows.create(title="a", full=[1, 2, 3])
    rows.create(title="b")
    rows.update(full=Coalesce(F("full"), Value([7, 8, 9])))
    assert numbers_in("full") == [[1, 2, 3], [7, 8, 9]]
    await rows.aupdate(full=Coalesce(NullIf(F("full"), Value([1, 2, 3])), Value([0, 0, 1])))
    assert numbers_in("full") == [[0, 0, 1], [7, 8, 9]]
