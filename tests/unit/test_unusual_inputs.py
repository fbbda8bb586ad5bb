"""Inputs that hold numbers in an unusual way: read as the numbers they hold, or refused; no database."""

from __future__ import annotations

from array import array
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dorm_vector import Bit, HalfVector, InvalidVector, SparseVector, Vector

# numpy's arrays are buffers only in newer types of Python.
view: Any = memoryview
MASKED: Any = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
UNMASKED: Any = np.ma.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "value",
    [
        view(array("d", [1, 2, 3])),
        view(array("f", [1, 2, 3])),
        view(array("i", [1, 2, 3])),
        view(np.array([1, 2, 3], ">f8")),
        view(np.array([1, 2, 3], "f2")),
        view(np.array([1, 0, 2, 0, 3], "f8")[::2]),
        view(Vector([1, 2, 3])),
        np.array([1, 2, 3], ">f4"),
        np.array([1, 2, 3], ">i2"),
        UNMASKED,
        (number for number in (1, 2, 3)),
        map(float, "123"),
    ],
)
def test_numbers_are_read_as_they_are_held(value: Any) -> None:
    assert Vector(value).to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    "value, message",
    [
        (MASKED, "value 1 of 3 is masked"),
        ([10**400, 2, 3], "value 0 of 3 is 10+\\.\\.\\., past float32"),
        ([1, 10**5000], "value 1 of 2 is an integer of 16,610 bits, past float32"),
        ([1, Fraction(10**400)], "value 1 of 2 is .*, past float32"),
        (np.array([10**400, 1], dtype=object), "value 0 of 2 is .*, past float32"),
        ((number for number in (1, float("nan"))), "value 1 of 2 is nan, not finite"),
        ((number for number in (1, 1e39)), r"value 1 of 2 is 1e\+39, past float32"),
        (view(array("d", [1, 1e39])), r"value 1 of 2 is 1e\+39, past float32"),
        (view(np.ones((2, 2))), r"a memoryview of shape \(2, 2\) is not a vector"),
    ],
)
def test_what_holds_no_numbers_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidVector, match=message):
        Vector(value)


def test_other_elements_read_them_alike() -> None:
    assert HalfVector(view(array("d", [1, 2]))).to_list() == [1, 2]
    assert SparseVector(view(array("d", [0, 2]))).to_dict() == {1: 2}
    assert Bit(view(np.array([True, False, True]))).to_text() == "101"
    with pytest.raises(InvalidVector, match="is masked"):
        SparseVector(MASKED)
    with pytest.raises(InvalidVector, match="too large"):
        SparseVector({0: 10**400}, 2)


@pytest.mark.parametrize("value", [[1, 0, 2], "{1:1,3:2}/3", SparseVector({0: 1.0, 2: 2.0}, 3), np.array([1, 0, 2])])
def test_more_dimensions_add_zeros(value: Any) -> None:
    longer = SparseVector(value, 7)
    assert (longer.dimensions(), longer.to_list()) == (7, [1, 0, 2, 0, 0, 0, 0])
    with pytest.raises(InvalidVector, match="this vector has 3 dimensions, and dimensions=2 is fewer"):
        SparseVector(value, 2)
