"""The measures of benchmarks.quality, by hand."""

from __future__ import annotations

import math

import pytest

from benchmarks.quality.measures import Rrf, Weighted, ndcg, recall

GAINS = {1: 1.0, 2: 0.5, 3: 0.2}


def test_the_first_results_count_most() -> None:
    best = 1 + 0.5 / math.log2(3) + 0.2 / 2
    assert ndcg([1, 2, 3], GAINS) == 1
    assert ndcg([9, 1, 2], GAINS) == pytest.approx((1 / math.log2(3) + 0.5 / 2) / best)
    assert ndcg([*range(10, 20), 1], GAINS) == 0


def test_recall_counts_what_is_relevant_up_to_ten() -> None:
    assert recall([2, 9, 3], GAINS) == 0.5
    assert recall([1], {3: 0.2}) is None
    assert recall(list(range(5)), dict.fromkeys(range(40), 0.9)) == 0.5


def test_fusions_follow_their_formulas() -> None:
    words, near = [(1, 9.0), (2, 3.0)], [(2, -0.1), (3, -0.2), (1, -0.5)]
    # 1/61 + 1/63, then 1/62 + 1/61, then 1/62
    assert Rrf()(words, near) == [2, 1, 3]
    assert Rrf(60, 1, 0)(words, near)[0] == 1
    # (1 + 0) / 2, then (0 + 1) / 2, then 0.75 / 2; the key decides on equal scores
    assert Weighted()(words, near) == [1, 2, 3]
    assert Weighted(1, 3)(words, near) == [2, 3, 1]
    assert Weighted()([], near) == [2, 3, 1]
