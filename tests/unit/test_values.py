"""HalfVector, SparseVector and Bit, and the constructors that pgvector's users know; no database."""

from __future__ import annotations

import pickle
import struct
from array import array
from typing import Any

import numpy as np
import pgvector
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.numeric import Float4

from dorm_vector import Bit, HalfVector, InvalidVector, SparseVector, Vector
from dorm_vector.values.wire import FloatArray

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
HALVES = st.floats(width=16, allow_nan=False, allow_infinity=False)
HALF_LISTS = st.lists(HALVES, min_size=1, max_size=50)
BIT_LISTS = st.lists(st.booleans(), min_size=1, max_size=70)


@st.composite
def sparse_parts(draw: Any) -> tuple[dict[int, float], int]:
    dimensions = draw(st.integers(1, 40_000))
    return draw(st.dictionaries(st.integers(0, dimensions - 1), FLOATS, max_size=20)), dimensions


@given(HALF_LISTS)
def test_a_half_vector_has_pgvectors_forms(values: list[float]) -> None:
    vector, theirs = HalfVector(values), pgvector.HalfVector(values)
    assert vector.to_list() == theirs.to_list() == values
    assert vector.to_text() == theirs.to_text()
    assert vector.to_binary() == theirs.to_binary()
    assert HalfVector.from_binary(theirs.to_binary()) == HalfVector.from_text(theirs.to_text()) == vector
    assert HalfVector(theirs) == HalfVector(np.array(values, np.float16)) == vector
    assert vector.to_numpy().tolist() == theirs.to_numpy().tolist()
    assert vector.dimensions() == theirs.dimensions() == len(values)


@given(st.lists(st.floats(-65504, 65504), min_size=1, max_size=9))
def test_a_half_vector_rounds_to_the_nearest(values: list[float]) -> None:
    expected = list(struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *array("f", values))))
    assert HalfVector(values).to_list() == expected


@given(sparse_parts())
def test_a_sparse_vector_has_pgvectors_forms(parts: tuple[dict[int, float], int]) -> None:
    elements, dimensions = parts
    vector, theirs = SparseVector(elements, dimensions), pgvector.SparseVector(elements, dimensions)
    assert (vector.indices(), vector.values()) == (theirs.indices(), theirs.values())
    assert vector.to_text() == theirs.to_text()
    assert vector.to_binary() == theirs.to_binary()
    assert SparseVector.from_text(theirs.to_text()) == SparseVector.from_binary(theirs.to_binary()) == vector
    assert SparseVector(theirs) == SparseVector(theirs.to_text()) == vector
    assert vector.to_list() == theirs.to_list()
    assert vector.to_numpy().tolist() == theirs.to_numpy().tolist() if dimensions <= 16_000 else True
    assert vector.dimensions() == dimensions
    assert pickle.loads(pickle.dumps(vector)) == vector  # noqa: S301  # our own bytes


@given(st.lists(FLOATS, min_size=1, max_size=50))
def test_a_sparse_vector_is_stored_as_the_dense_one(values: list[float]) -> None:
    vector = SparseVector(values)
    assert vector.to_vector().to_list() == vector.to_list() == Vector(values).to_list()
    assert SparseVector(vector.to_vector()) == SparseVector(np.array(values, np.float32)) == vector


@given(BIT_LISTS)
def test_bits_have_pgvectors_forms(values: list[bool]) -> None:
    bits, theirs = Bit(values), pgvector.Bit(values)
    assert bits.to_list() == theirs.to_list() == values
    assert bits.to_text() == theirs.to_text()
    assert bits.to_binary() == theirs.to_binary()
    assert Bit.from_text(theirs.to_text()) == Bit.from_binary(theirs.to_binary()) == bits
    assert Bit(theirs) == Bit(np.array(values)) == Bit([int(value) for value in values]) == bits
    assert Bit(np.array(values, np.uint8)) == bits
    assert bits.to_numpy().tolist() == values
    assert bits.dimensions() == len(values)
    assert pickle.loads(pickle.dumps(bits)) == bits  # noqa: S301  # our own bytes


def test_packed_bytes_are_eight_bits_each() -> None:
    assert Bit(b"\xf0").to_text() == pgvector.Bit(b"\xf0").to_text() == "11110000"


def test_as_many_dimensions_are_part_of_the_value() -> None:
    assert Bit("1") != Bit("10")
    assert SparseVector({0: 1}, 20_000) != SparseVector({0: 1}, 30_000)
    assert len({Bit("1"), Bit("10"), Bit("1")}) == 2
    assert Bit("1") != "1"
    assert SparseVector([1]) != [1]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: HalfVector([1, 65520]), "value 1 of 2 is 65520, past a half"),
        (lambda: HalfVector([]), "at least one dimension"),
        (lambda: HalfVector.from_binary(b"\0\2\0\0\0\0"), "its header does not match"),
        (lambda: Vector.from_binary(b"\0\1\0\0"), "its header does not match"),
        (lambda: Vector.from_binary(b"\0\1\0\1\0\0\0\0"), "its header does not match"),
        (lambda: SparseVector({0: 1}), "needs its dimensions"),
        (lambda: SparseVector({3: 1}, 3), "position 3 is outside a vector of 3 dimensions"),
        (lambda: SparseVector({-1: 1}, 3), "position -1 is outside"),
        (lambda: SparseVector({0: float("nan")}, 3), "value 0 of 3 is nan, not finite"),
        (lambda: SparseVector({0: "x"}, 3), "maps whole positions to numbers"),
        (lambda: SparseVector({}, 0), r"1 to 1,000,000,000 dimensions"),
        (lambda: SparseVector({}, 10**9 + 1), r"1 to 1,000,000,000 dimensions"),
        (lambda: SparseVector(dict.fromkeys(range(16_001), 1.0), 20_000), "at most 16,000 values"),
        (lambda: SparseVector("{1:2}"), "is not the text of a sparse vector"),
        (lambda: SparseVector.from_binary(b"\0" * 11), "its header does not match"),
        (lambda: SparseVector.from_binary(struct.pack(">iii", 3, 1, 0)), "its header does not match"),
        (lambda: Bit(""), "is not a bit string"),
        (lambda: Bit("102"), "is not a bit string"),
        (lambda: Bit([0, 2]), "is not a bit string"),
        (lambda: Bit(["a"]), "is not a bit string"),
        (lambda: Bit([[True]]), "is not a bit string"),
        (lambda: Bit(5), "is not a bit string"),
        (lambda: Bit.from_binary(b"\0\0\0\x09\xff"), "its header does not match"),
        (lambda: Bit.from_binary(b"\0"), "its header does not match"),
    ],
)
def test_what_is_no_value_says_why(make: Any, message: str) -> None:
    with pytest.raises(InvalidVector, match=message):
        make()


def test_scipy_arrays_are_sparse_vectors() -> None:
    """Of every kind, of one row or one axis, with values at one place added up."""
    from scipy import sparse

    expected = SparseVector({1: 2.5, 4: -1}, 6)
    dense = np.array(expected.to_list())
    for kind in ("coo", "csr", "csc", "dok", "lil", "bsr"):
        made = getattr(sparse, f"{kind}_array")(dense.reshape(1, -1))
        assert SparseVector(made) == pgvector_of(made) == expected
    assert SparseVector(sparse.csr_matrix(dense.reshape(1, -1))) == expected
    assert SparseVector(sparse.coo_array(dense)) == expected
    doubled = sparse.coo_array(([1, 1.5, -1], ([0, 0, 0], [1, 1, 4])), shape=(1, 6))
    assert SparseVector(doubled) == expected
    assert doubled.nnz == 3, "the caller's array is left as it was"
    there = expected.to_coo()
    assert (there.shape, there.toarray().tolist()) == ((1, 6), [expected.to_list()])
    with pytest.raises(InvalidVector, match=r"shape \(2, 3\) is not a vector. Give one row"):
        SparseVector(sparse.coo_array(dense.reshape(2, 3)))


def pgvector_of(array: Any) -> SparseVector:
    return SparseVector(pgvector.SparseVector(array))


@pytest.mark.parametrize("values", [[1.5, -2.25, 0.0], [3.0]])
def test_many_floats_are_bound_as_one_array(values: list[float]) -> None:
    floats = FloatArray(Vector(values))
    theirs = Transformer().get_dumper([*map(Float4, values)], PyFormat.BINARY).dump([*map(Float4, values)])
    assert (floats.to_binary(), floats.to_text()) == (theirs, "{" + ",".join(map(str, values)) + "}")
    assert repr(floats) == f"FloatArray({len(values)} values)"
