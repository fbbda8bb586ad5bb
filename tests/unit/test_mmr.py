"""MMR over rows in memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dorm_vector import InvalidVector, mmr
from tests.helpers.oracle import float32, vectors

VECTORS = [float32(vector) for vector in vectors(40, 8)]
QUERY = VECTORS[7]


def rows(of: Any) -> list[Any]:
    return [SimpleNamespace(number=number, embedding=of(vector)) for number, vector in enumerate(VECTORS)]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_arrays_and_lists_give_the_same_rows(kind: Any) -> None:
    """Half precision rounds the numbers, so the lists are rounded the same way."""
    expected = mmr(rows(lambda vector: np.array(vector, kind).tolist()), "embedding", QUERY, 10)
    found = mmr(rows(lambda vector: np.array(vector, kind)), "embedding", QUERY, 10)
    assert [row.number for row in found] == [row.number for row in expected]
    assert found[0].number == 7


@pytest.mark.parametrize(
    "bad", [np.array([1, np.nan] * 4, np.float32), np.array([1, np.inf] * 4, np.float32), np.zeros((8, 1), np.float32)]
)
def test_bad_arrays_are_refused(bad: Any) -> None:
    found = [*rows(lambda vector: np.array(vector, np.float32)), SimpleNamespace(embedding=bad)]
    with pytest.raises(InvalidVector):
        mmr(found, "embedding", QUERY, 3)
