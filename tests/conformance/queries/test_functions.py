"""Functions of vectors: what they give, where they may stand, how their values are read, on every database."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from dorm import Avg, F, OuterRef, Subquery, Value
from dorm.functions import Coalesce
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dorm_vector import (
    BinaryQuantize,
    CastVector,
    CosineDistance,
    DimensionMismatch,
    Element,
    HalfVectorField,
    HammingDistance,
    L2Distance,
    L2Normalize,
    Metric,
    SparseVector,
    SparseVectorField,
    SubVector,
    UnsuitableFunction,
    UnsupportedByDatabase,
    Vector,
    VectorAdd,
    VectorConcat,
    VectorDims,
    VectorField,
    VectorMul,
    VectorNorm,
    VectorSub,
)
from tests.conformance.inside import Routine, Unsupported
from tests.databases import Database
from tests.models import Chunk, Document, Sample

ROUNDED = 1e-6
# None so small that pgvector refuses a product of two: "value out of range: underflow".
NUMBERS = st.floats(-1e3, 1e3, width=32).map(lambda number: number if abs(number) > 1e-6 else 0.0)
FLOATS = st.lists(NUMBERS, min_size=3, max_size=3)
ANY = {"max_examples": 20, "deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def claim_of(db: Database, routine: Routine, element: Element = Element.FLOAT32) -> Any:
    return db.dialect.routines.get((routine, element), db.dialect.routines.get(routine))


@contextmanager
def possible(db: Database, *claims: Any) -> Iterator[bool]:
    """Run the block where the database can; elsewhere it has to raise the stated reason, and the probe has to fail."""
    lacking = [claim for claim in claims if isinstance(claim, Unsupported)]
    if not lacking:
        yield True
        return
    with pytest.raises(UnsupportedByDatabase) as raised:
        yield False
    assert any(claim.reason in str(raised.value) for claim in lacking)
    for claim in lacking:
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            db.connection.execute(claim.probe)


def annotated(expression: Any, **values: Any) -> Any:
    """Return the value of an expression over one stored row."""
    row = Sample.objects.create(title="x", **values)
    return Sample.objects.annotate(value=expression).get(pk=row.pk).value


def half(values: list[float]) -> list[float]:
    return list(struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values)))


ROW = {"full": [3, 4, 0], "half": [1, 2, -2], "sparse": [0, 2, 0], "bits": "101"}
CASES: dict[str, tuple[Any, Routine, Element, Any]] = {
    "dims": (VectorDims("full"), Routine.DIMENSIONS, Element.FLOAT32, 3),
    "dims of half": (VectorDims("half"), Routine.DIMENSIONS, Element.FLOAT32, 3),
    "dims of sparse": (VectorDims("sparse"), Routine.DIMENSIONS, Element.SPARSE, 3),
    "dims of bits": (VectorDims("bits"), Routine.DIMENSIONS, Element.BIT, 3),
    "norm": (VectorNorm("full"), Routine.NORM, Element.FLOAT32, 5),
    "norm of half": (VectorNorm("half"), Routine.NORM, Element.FLOAT32, 3),
    "norm of sparse": (VectorNorm("sparse"), Routine.NORM, Element.SPARSE, 2),
    "normalize": (L2Normalize("full"), Routine.NORMALIZE, Element.FLOAT32, [0.6, 0.8, 0]),
    "normalize half": (L2Normalize("half"), Routine.NORMALIZE, Element.FLOAT32, [1 / 3, 2 / 3, -2 / 3]),
    "normalize sparse": (L2Normalize("sparse"), Routine.NORMALIZE, Element.SPARSE, SparseVector({1: 1}, 3)),
    "a part": (SubVector("full", 2, 2), Routine.SUBVECTOR, Element.FLOAT32, [4, 0]),
    "a part of sparse": (SubVector("sparse", 1, 2), Routine.SUBVECTOR, Element.FLOAT32, [0, 2]),
    "two in one": (VectorConcat("full", "half"), Routine.CONCATENATE, Element.FLOAT32, [3, 4, 0, 1, 2, -2]),
    "a column and a value": (VectorConcat("full", [7]), Routine.CONCATENATE, Element.FLOAT32, [3, 4, 0, 7]),
    "sum": (VectorAdd("full", "half"), Routine.ADD, Element.FLOAT32, [4, 6, -2]),
    "sum with a value": (VectorAdd("full", [1, 1, 1]), Routine.ADD, Element.FLOAT32, [4, 5, 1]),
    "sum with a number": (VectorAdd(0.5, "full"), Routine.ADD, Element.FLOAT32, [3.5, 4.5, 0.5]),
    "difference": (VectorSub("full", F("half")), Routine.SUBTRACT, Element.FLOAT32, [2, 2, 2]),
    "product": (VectorMul("full", "half"), Routine.MULTIPLY, Element.FLOAT32, [3, 8, 0]),
    "bits of signs": (BinaryQuantize("half"), Routine.BINARY_QUANTIZE, Element.FLOAT32, "110"),
    "cast to half": (
        CastVector(Vector([0.1, 1, 2]), HalfVectorField(3)), Routine.TO_HALFVEC, Element.HALF, half([0.1, 1, 2]),
    ),
    "cast to sparse": (
        CastVector("full", SparseVectorField(3)), Routine.TO_SPARSEVEC, Element.SPARSE, SparseVector({0: 3, 1: 4}, 3),
    ),
    "cast to dense": (CastVector("sparse", VectorField(3)), Routine.TO_VECTOR, Element.FLOAT32, [0, 2, 0]),
}  # fmt: skip


def same(value: Any) -> Any:
    return pytest.approx(value, rel=ROUNDED) if isinstance(value, (list, float)) else value


@pytest.mark.parametrize("name", CASES)
def test_a_function_gives_the_same_everywhere(db: Database, name: str) -> None:
    expression, routine, element, expected = CASES[name]
    with possible(db, claim_of(db, routine, element)):
        assert annotated(expression, **ROW) == same(expected)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "cast to half" not in name])
def test_a_function_of_null_is_null(db: Database, name: str) -> None:
    expression, routine, element, _ = CASES[name]
    with possible(db, claim_of(db, routine, element)):
        assert annotated(expression) is None


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_read_alike_from_every_queryset(db: Database, name: str) -> None:
    expression, routine, element, expected = CASES[name]
    Sample.objects.create(title="x", **ROW)
    with possible(db, claim_of(db, routine, element)):
        rows = Sample.objects.annotate(value=expression)
        streamed = [row.value for row in rows.iterator(chunk_size=1)]
        listed = [*rows.values_list("value", flat=True), rows.values("value")[0]["value"]]
        assert [*streamed, *listed, rows.order_by("value")[0].value] == [same(expected)] * 4
        assert rows.filter(value__isnull=False).count() == 1


async def test_a_value_is_read_alike_by_async(db: Database) -> None:
    await Sample.objects.acreate(title="x", **ROW)
    rows = Sample.objects.annotate(value=SubVector("full", 1, 2))
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        assert [row.value async for row in rows] == [[3, 4]]
        assert [row.value async for row in rows.aiterator(chunk_size=1)] == [[3, 4]]
        assert (await rows.aget()).value == [3, 4]
        assert [row["value"] async for row in rows.values("value")] == [[3, 4]]


def test_an_array_column_gives_arrays(db: Database) -> None:
    document = Document.objects.create(title="x")
    Chunk.objects.create(document=document, embedding=[3, 4, 0])
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        value = Chunk.objects.annotate(value=SubVector("embedding", 1, 2)).get().value
        assert isinstance(value, np.ndarray)
        assert value.tolist() == [3, 4]


def test_a_zero_vector_stays_zero(db: Database) -> None:
    with possible(db, claim_of(db, Routine.NORMALIZE)):
        assert annotated(L2Normalize("full"), full=[0, 0, 0]) == [0, 0, 0]


@settings(**ANY)
@given(left=FLOATS, right=FLOATS)
def test_arithmetic_is_that_of_float32(db: Database, left: list[float], right: list[float]) -> None:
    claims = [claim_of(db, routine) for routine in (Routine.ADD, Routine.SUBTRACT, Routine.MULTIPLY)]
    with possible(db, *claims):
        values = Sample.objects.annotate(
            added=VectorAdd("full", right), less=VectorSub("full", right), times=VectorMul("full", right)
        )
        row = values.get(pk=Sample.objects.create(title="x", full=left).pk)
        pairs = list(zip(left, right, strict=True))
        assert row.added == same(array("f", [a + b for a, b in pairs]).tolist())
        assert row.less == same(array("f", [a - b for a, b in pairs]).tolist())
        assert row.times == same(array("f", [a * b for a, b in pairs]).tolist())


@settings(**ANY)
@given(values=FLOATS, more=FLOATS)
def test_parts_and_norms(db: Database, values: list[float], more: list[float]) -> None:
    pk = Sample.objects.create(title="x", full=values).pk
    for routine, expression, expected in (
        (Routine.CONCATENATE, VectorConcat("full", more), values + more),
        (Routine.SUBVECTOR, SubVector("full", 2, 2), values[1:]),
        (Routine.NORM, VectorNorm("full"), math.hypot(*values)),
        (Routine.BINARY_QUANTIZE, BinaryQuantize("full"), "".join("01"[value > 0] for value in values)),
    ):
        with possible(db, claim_of(db, routine)):
            assert Sample.objects.annotate(value=expression).get(pk=pk).value == same(expected)


def test_operators_are_the_functions(db: Database) -> None:
    claims = [claim_of(db, routine) for routine in (Routine.NORMALIZE, Routine.ADD, Routine.SUBTRACT, Routine.MULTIPLY)]
    with possible(db, *claims):
        unit = L2Normalize("full")
        assert annotated(2 * unit + "half" - [1, 1, 1], **ROW) == pytest.approx([1.2, 2.6, -3], rel=ROUNDED)
        assert annotated([1, 1, 1] - unit * unit, **ROW) == pytest.approx([0.64, 0.36, 1], rel=ROUNDED)


def test_a_function_is_an_operand_of_a_distance(db: Database) -> None:
    Sample.objects.create(title="x", **ROW)
    rows = Sample.objects.all()
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        part = L2Distance(SubVector("full", 1, 2), [3, 0])
        assert rows.annotate(distance=part).order_by("distance").get().distance == pytest.approx(4)
        assert rows.alias(distance=part).filter(distance__lt=4.5).count() == 1
        assert rows.order_by(part).get().title == "x"
    with possible(db, claim_of(db, Routine.BINARY_QUANTIZE), db.dialect.distances[Metric.HAMMING]):
        assert rows.annotate(distance=HammingDistance(BinaryQuantize("full"), "101")).get().distance == 2
    with possible(db, claim_of(db, Routine.ADD), db.dialect.distances[Metric.COSINE]):
        moved = CosineDistance("full", VectorAdd("half", [2, 2, 2]))
        assert rows.annotate(distance=moved).get().distance == pytest.approx(0, abs=1e-6)


def test_an_annotation_is_an_operand(db: Database) -> None:
    Sample.objects.create(title="x", **ROW)
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        rows = Sample.objects.annotate(part=SubVector("full", 1, 2)).annotate(distance=L2Distance("part", [3, 0]))
        assert rows.get().distance == pytest.approx(4)
        assert rows.alias(norm=VectorNorm("part")).filter(norm__gt=4.9, norm__lt=5.1).get().part == [3, 4]


def test_a_function_in_a_subquery(db: Database) -> None:
    Sample.objects.create(title="x", **ROW)
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        parts = Sample.objects.filter(pk=OuterRef("pk")).annotate(part=SubVector("full", 1, 2)).values("part")
        assert Sample.objects.annotate(value=Subquery(parts[:1])).get().value == [3, 4]
        distance = L2Distance(SubVector("full", 1, 2), Subquery(parts[:1]))
        assert Sample.objects.annotate(distance=distance).get().distance == pytest.approx(0)


def test_a_function_inside_djanorms_own(db: Database) -> None:
    with possible(db, claim_of(db, Routine.NORM)):
        assert annotated(Coalesce(VectorNorm("full"), Value(-1.0))) == -1
        assert annotated(VectorNorm("full") * 2 + 1, **ROW) == pytest.approx(11)
        assert Sample.objects.aggregate(mean=Avg(VectorNorm("full")))["mean"] == pytest.approx(5)


def test_a_lookup_of_a_vector_value(db: Database) -> None:
    Sample.objects.create(title="x", **ROW)
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        rows = Sample.objects.alias(part=SubVector("full", 1, 2))
        assert rows.filter(part=[3, 4]).count() == 1
        assert rows.filter(part__in=[[0, 0], [3, 4]]).count() == 1
        assert rows.filter(part=[3, 5]).count() == 0
        with pytest.raises(DimensionMismatch):
            rows.filter(part=[3]).count()


def test_across_a_relation(db: Database) -> None:
    document = Document.objects.create(title="x", embedding=[3, 4, 0])
    Chunk.objects.create(document=document, embedding=[1, 0, 0])
    with possible(db, claim_of(db, Routine.SUBVECTOR)):
        assert Chunk.objects.annotate(value=SubVector("document__embedding", 1, 2)).get().value == [3, 4]


@pytest.mark.parametrize(
    "wrong, error",
    [
        (L2Normalize("bits"), UnsuitableFunction),
        (VectorNorm("bits"), UnsuitableFunction),
        (VectorAdd("full", "bits"), UnsuitableFunction),
        (SubVector("full", 2, 3), DimensionMismatch),
        (VectorAdd("full", [1, 2]), DimensionMismatch),
        (CastVector("full", HalfVectorField(4)), DimensionMismatch),
        (L2Distance(SubVector("full", 1, 2), [1, 2, 3]), DimensionMismatch),
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused_before_anything_is_sent(db: Database, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"Sample|VectorAdd|holds"):
        list(Sample.objects.annotate(value=wrong))


def test_a_part_counts_from_one() -> None:
    with pytest.raises(ValueError, match="both count from 1"):
        SubVector("full", 0, 2)
