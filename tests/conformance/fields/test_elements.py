"""Half, sparse and bit columns: what they take, what they read, how far apart they are, on every database."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pgvector
import pytest
from dorm import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dorm_vector import (
    Bit,
    CosineDistance,
    DimensionMismatch,
    HalfVector,
    HammingDistance,
    InvalidVector,
    JaccardDistance,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
    Metric,
    SparseVector,
    UnsuitableDistance,
    UnsupportedByDatabase,
    Vector,
)
from tests.conformance.inside import Unsupported
from tests.databases import Database
from tests.helpers.oracle import distance, float32
from tests.models import Sample

NUMBERS = {
    Metric.L2: L2Distance,
    Metric.COSINE: CosineDistance,
    Metric.INNER_PRODUCT: MaxInnerProduct,
    Metric.L1: L1Distance,
}
HALVES = st.floats(min_value=-1000, max_value=1000, width=16)
ANY = {"max_examples": 25, "deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def half(values: list[float]) -> list[float]:
    return list(struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values)))


def stored(**values: Any) -> Any:
    return Sample.objects.get(pk=Sample.objects.create(title="x", **values).pk)


@settings(**ANY)
@given(values=st.lists(HALVES, min_size=3, max_size=3))
def test_halves_are_stored_exactly(db: Database, values: list[float]) -> None:
    assert stored(half=values).half == values


@pytest.mark.parametrize(
    "value", [[0.1, 2, -3], np.array([0.1, 2, -3]), pgvector.HalfVector([0.1, 2, -3]), HalfVector([0.1, 2, -3])]
)
def test_other_numbers_are_rounded_to_half(db: Database, value: Any) -> None:
    assert stored(half=value).half == half([0.1, 2, -3])


def test_past_a_half_is_refused(db: Database) -> None:
    with pytest.raises(InvalidVector, match=r"Sample\.half: value 1 of 3 is 70000, past a half: -65504 to 65504\."):
        Sample.objects.create(half=[1, 70000, 3])
    assert stored(half=[1, 65504, -65504]).half == [1, 65504, -65504]


@pytest.mark.parametrize(
    "value",
    [
        SparseVector({0: 1.5, 2: -2}, 3),
        {0: 1.5, 2: -2},
        [1.5, 0, -2],
        np.array([1.5, 0, -2]),
        pgvector.SparseVector({0: 1.5, 2: -2}, 3),
        "{1:1.5,3:-2}/3",
    ],
)
def test_a_sparse_vector_is_taken_in_every_form(db: Database, value: Any) -> None:
    read = stored(sparse=SparseVector(value, 3) if isinstance(value, dict) else value).sparse
    assert isinstance(read, SparseVector)
    assert (read.to_dict(), read.dimensions(), read.to_list()) == ({0: 1.5, 2: -2}, 3, [1.5, 0, -2])


@pytest.mark.parametrize(
    "value", ["101", [True, False, True], np.array([True, False, True]), pgvector.Bit("101"), Bit("101")]
)
def test_bits_are_taken_in_every_form(db: Database, value: Any) -> None:
    assert stored(bits=value).bits == "101"
    assert Sample.objects.filter(bits="101").count() == 1


def test_wrong_lengths_are_refused(db: Database) -> None:
    for name, value in (("half", [1, 2]), ("sparse", SparseVector({0: 1.0}, 4)), ("bits", "10")):
        with pytest.raises(DimensionMismatch, match=rf"Sample\.{name} holds 3 dimensions; this vector has"):
            Sample.objects.create(**{name: value})
    for queried in (L2Distance("half", [1, 2]), L2Distance("sparse", [1, 2]), HammingDistance("bits", "1011")):
        with pytest.raises(DimensionMismatch):
            list(Sample.objects.annotate(distance=queried))


@pytest.mark.parametrize("metric", NUMBERS, ids=lambda metric: metric.value)
@pytest.mark.parametrize("name", ["half", "sparse"])
def test_distances_of_numbers(db: Database, name: str, metric: Metric) -> None:
    values, query = [[1, 1, 1], [2, 2, 2], [1, 1, 2], [0, 0, 0], None], [1, 1.5, 1]
    for value in values:
        Sample.objects.create(title="x", **{name: value})
    if isinstance(db.dialect.distances[metric], Unsupported):
        with pytest.raises(UnsupportedByDatabase):
            list(Sample.objects.annotate(distance=NUMBERS[metric](name, query)))
        return
    rows = list(Sample.objects.annotate(distance=NUMBERS[metric](name, query)).order_by("distance"))
    expected = [distance(metric, value, query) for value in values]
    known = sorted(number for number in expected if number is not None)
    assert [row.distance for row in rows][: len(known)] == pytest.approx(known, abs=1e-5)
    assert [row.distance for row in rows][len(known) :] == [None] * (len(rows) - len(known))


BITS = ["000", "101", "111"]


@pytest.mark.parametrize(
    "expression, metric, expected",
    [
        (HammingDistance, Metric.HAMMING, [("101", 0), ("111", 1), ("000", 2)]),
        (JaccardDistance, Metric.JACCARD, [("101", 0), ("111", 1 / 3), ("000", 1)]),
    ],
)
def test_distances_of_bits(db: Database, expression: Any, metric: Metric, expected: list[tuple[str, float]]) -> None:
    for bits in BITS:
        Sample.objects.create(title="x", bits=bits)
    claim = db.dialect.distances[metric]
    if isinstance(claim, Unsupported):
        with pytest.raises(UnsupportedByDatabase, match=claim.reason):
            list(Sample.objects.annotate(distance=expression("bits", "101")))
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            db.connection.execute(claim.probe)
        return
    rows = Sample.objects.annotate(distance=expression("bits", "101")).order_by("distance")
    assert [row.bits for row in rows] == [bits for bits, _ in expected]
    assert [row.distance for row in rows] == pytest.approx([number for _, number in expected])
    assert Sample.objects.annotate(distance=expression("bits", "000")).get(bits="000").distance == (
        metric is Metric.JACCARD
    )
    assert Sample.objects.create(title="null").pk
    assert Sample.objects.annotate(distance=expression("bits", "101")).get(title="null").distance is None


def test_a_plain_query_takes_the_columns_precision(db: Database) -> None:
    Sample.objects.create(title="x", half=[0.1, 0, 0])
    found = Sample.objects.annotate(distance=L2Distance("half", [0.1, 0, 0])).get()
    assert found.distance == 0


def test_a_typed_query_keeps_its_own(db: Database) -> None:
    """0.1 as float32 is not 0.1 as half, and the difference is not lost."""
    Sample.objects.create(title="x", half=[0.1, 0, 0], full=[0.1, 0, 0])
    expected = abs(float32([0.1])[0] - half([0.1])[0])
    for vector in (Vector([0.1, 0, 0]), F("full")):
        found = Sample.objects.annotate(distance=L2Distance("half", vector)).get()
        assert found.distance == pytest.approx(expected, rel=1e-3)
    found = Sample.objects.annotate(distance=L2Distance("full", HalfVector([0.1, 0, 0]))).get()
    assert found.distance == pytest.approx(expected, rel=1e-3)


def test_sparse_and_dense(db: Database) -> None:
    Sample.objects.create(title="x", sparse=[0, 2, 0], full=[0, 2, 1])
    assert Sample.objects.annotate(distance=L2Distance("sparse", F("full"))).get().distance == 1
    assert Sample.objects.annotate(distance=L2Distance("full", SparseVector({1: 2.0}, 3))).get().distance == 1


@pytest.mark.parametrize(
    "wrong", [L2Distance("bits", [1, 0, 1]), HammingDistance("full", "101"), JaccardDistance("half", "101")]
)
def test_a_distance_that_the_elements_do_not_have_is_refused(db: Database, wrong: Any) -> None:
    with pytest.raises(UnsuitableDistance, match=r"does not measure the \w+ of Sample\.\w+\. "):
        list(Sample.objects.annotate(distance=wrong))


def test_values_of_every_element_are_decoded(db: Database) -> None:
    Sample.objects.create(title="x", full=[1, 2, 3], half=[1, 2, 3], sparse=[0, 2, 0], bits="110")
    (row,) = Sample.objects.values("full", "half", "sparse", "bits")
    assert (row["full"], row["half"], row["sparse"].to_list(), row["bits"]) == ([1, 2, 3], [1, 2, 3], [0, 2, 0], "110")
    Sample.objects.bulk_update(list(Sample.objects.all()), ["full", "half", "sparse", "bits"])
    assert Sample.objects.values_list("bits", flat=True)[0] == "110"


def test_normalize_scales_what_is_written(db: Database) -> None:
    assert stored(unit=[3, 4, 0]).unit == pytest.approx([0.6, 0.8, 0])
    assert stored(unit=[0, 0, 0]).unit == [0, 0, 0]
    Sample.objects.update(unit=[0, 0, 9])
    assert {tuple(row.unit) for row in Sample.objects.all()} == {(0, 0, 1)}
