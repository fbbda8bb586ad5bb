"""Rankings in memory are fused as the paper defines it."""

from __future__ import annotations

from typing import Any

import pytest

from dorm_vector import rrf
from tests.models import Chunk, Document


def test_the_scores_are_sums_of_reciprocal_ranks() -> None:
    assert rrf(["c"], ["c", "a", "b"]) == [("c", 2 / 61), ("a", 1 / 62), ("b", 1 / 63)]
    assert rrf(["a", "b", "c"], k=0) == [("a", 1), ("b", 1 / 2), ("c", 1 / 3)]
    assert rrf("ab", "ba") == [("a", 1 / 61 + 1 / 62), ("b", 1 / 62 + 1 / 61)]
    assert rrf() == []
    assert rrf([], []) == []


def test_weights() -> None:
    assert [item for item, _score in rrf([1, 2], [2, 1], weights=[1, 3])] == [2, 1]
    assert rrf(iter([1]), [2], weights=[0, 2]) == [(2, 2 / 61), (1, 0)]


def test_an_item_counts_once_per_ranking() -> None:
    assert rrf(["a", "b", "a"]) == [("a", 1 / 61), ("b", 1 / 62)]


def test_rows_are_the_same_by_table_and_key() -> None:
    first, again, other, chunk = Document(id=1), Document(id=1), Document(id=2), Chunk(id=1)
    found = rrf([first, other], [again, chunk])
    assert [item for item, _score in found] == [first, other, chunk]
    assert found[0][0] is first
    assert [score for _item, score in found] == [2 / 61, 1 / 62, 1 / 62]
    assert len(rrf([Document(), Document()])) == 2


def test_rows_of_values_need_a_key() -> None:
    rows: list[dict[str, Any]] = [{"id": 1}, {"id": 2}]
    with pytest.raises(TypeError, match=r"has no hash\. Give key=lambda row: row\[\"id\"\]"):
        rrf(rows)
    assert [row["id"] for row, _score in rrf(rows, [{"id": 2}], key=lambda row: row["id"])] == [2, 1]
    with pytest.raises(TypeError, match=r"Give key=lambda item: item\.id"):
        rrf([[1]])


@pytest.mark.parametrize(
    "asked", [{"k": -1}, {"k": "60"}, {"k": float("inf")}, {"weights": [1]}, {"weights": [1, -1]}, {"weights": "ab"}]
)
def test_what_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rrf\((k|weights)=.*\): want "):
        rrf([1], [2], **asked)
