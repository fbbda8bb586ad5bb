"""A Vector and the forms it travels in; no database."""

from __future__ import annotations

import pickle
from array import array

import numpy as np
import pgvector
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dorm_vector import Bit, InvalidVector, SparseVector, Vector
from dorm_vector.values.vector import from_wire, unpack, unpack_numpy

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
LISTS = st.lists(FLOATS, min_size=1, max_size=50)


@given(LISTS)
def test_every_form_gives_back_the_same_float32(values: list[float]) -> None:
    vector, expected = Vector(values), array("f", values).tolist()
    assert vector.to_list() == unpack(vector) == expected
    assert vector.to_numpy().tolist() == unpack_numpy(vector).tolist() == expected
    assert Vector.from_text(vector.to_text()) == vector
    assert Vector.from_binary(vector.to_binary()) == vector
    assert Vector(bytes(vector)) == Vector(vector.to_numpy()) == Vector(tuple(values)) == vector
    assert (vector.dimensions(), len(vector)) == (len(values), 4 * len(values))


@given(LISTS)
def test_the_wire_forms_are_pgvectors(values: list[float]) -> None:
    theirs = pgvector.Vector(values)
    assert Vector(values).to_binary() == theirs.to_binary()
    assert Vector(theirs) == Vector(values)


@given(LISTS)
def test_what_a_driver_gives_is_told_apart(values: list[float]) -> None:
    vector, dimensions = Vector(values), len(values)
    for form in (bytes(vector), memoryview(vector), vector.to_binary(), vector.to_text()):
        assert from_wire(form, dimensions) == vector


def test_a_torch_like_tensor_is_taken_by_its_array() -> None:
    class Tensor:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.array([1, 2], dtype=np.float32)

    assert Vector(Tensor()).to_list() == [1, 2]


def test_integers_decimals_and_generators_are_numbers() -> None:
    from decimal import Decimal

    assert Vector([1, Decimal("2.5"), np.float32(3)]).to_list() == [1, 2.5, 3]
    assert Vector(float(n) for n in range(3)).to_list() == [0, 1, 2]
    assert Vector(np.arange(3)).to_list() == [0, 1, 2]


@pytest.mark.parametrize(
    "value, message",
    [
        ([], "a vector needs at least one dimension"),
        ("", "is not the text of a vector"),
        ("[1,a]", "is not the text of a vector"),
        (b"abc", "packed float32 comes in fours"),
        (np.zeros((2, 2)), r"an array of shape \(2, 2\)"),
        (np.array([1, np.nan]), "value 1 of 2 is nan, not finite"),
        ([1, -float("inf")], "value 1 of 2 is -inf, not finite"),
        ([3.5e38], "value 0 of 1 is 3.5e[+]38, past float32"),
        (["x" * 100], r"value 0 of 1 is 'x+\.\.\., not a number"),
        ({0: 1}, "is not a vector"),
        ({1, 2}, "is not a vector"),
        (3, "3 is not a vector"),
        (None, "None is not a vector"),
    ],
)
def test_what_is_no_vector_says_what_it_is(value: object, message: str) -> None:
    with pytest.raises(InvalidVector, match=message):
        Vector(value)


def test_it_is_short_by_value_and_picklable() -> None:
    vector = Vector([1.0] * 384)
    assert repr(vector) == str(vector) == repr(Vector([1.0] * 384)) != repr(Vector([2.0] * 384))
    assert len(repr(vector)) < 110
    assert pickle.loads(pickle.dumps(vector)) == vector  # noqa: S301  # our own bytes
    assert hash(vector) == hash(Vector([1.0] * 384))
    assert vector.to_numpy().dtype == np.float32


def test_long_values_show_their_first_numbers_and_differ_by_the_others() -> None:
    assert repr(Vector([0.12345, -2.0])).startswith("Vector([0.1235, -2], 2 dimensions, sha1 ")
    assert repr(Vector([1, 2, 3, 4])).startswith("Vector([1, 2, 3, …], 4 dimensions, sha1 ")
    sparse = [SparseVector(dict.fromkeys(range(9), 1.0) | {500: last}, 1000) for last in (1.0, 2.0)]
    bits = [Bit("10" * 50 + last) for last in "01"]
    for one, other in (sparse, bits):
        assert len(repr(one)) < 140
        assert repr(one) != repr(other)
    assert repr(SparseVector({0: 1.5}, 3)) == "SparseVector({1:1.5}/3)"
    assert repr(Bit("101")) == "Bit('101')"
