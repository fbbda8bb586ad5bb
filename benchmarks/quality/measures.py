"""How good a ranking is, and how two rankings become one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.corpora import RELEVANT

COUNT = 10
Ranked = Sequence[tuple[int, float]]
"""Keys with their scores, best first; greater is better."""
Fusion = Callable[[Ranked, Ranked], list[int]]


def ndcg(found: Sequence[int], gains: Mapping[int, float]) -> float:
    """Return the discounted gain of the first ten, as a share of the best possible."""
    ideal = sorted(gains.values(), reverse=True)[:COUNT]
    return _discounted([gains.get(key, 0.0) for key in found[:COUNT]]) / _discounted(ideal)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def recall(found: Sequence[int], gains: Mapping[int, float]) -> float | None:
    """Return the share of the relevant documents among the first ten, of at most ten; None if there are none."""
    relevant = {key for key, gain in gains.items() if gain >= RELEVANT}
    return len(relevant & set(found[:COUNT])) / min(COUNT, len(relevant)) if relevant else None


@dataclass(frozen=True)
class Rrf:
    """Reciprocal rank fusion, as ``hybrid_search()`` has it."""

    constant: float = 60
    text: float = 1
    vector: float = 1

    def __str__(self) -> str:
        return f"rrf, constant {self.constant:g}, weights {self.text:g} : {self.vector:g}"

    def __call__(self, words: Ranked, near: Ranked) -> list[int]:
        scores: dict[int, float] = {}
        for ranked, weight in ((words, self.text), (near, self.vector)):
            for place, (key, _score) in enumerate(ranked, 1):
                scores[key] = scores.get(key, 0.0) + weight / (self.constant + place)
        return _best(scores)


@dataclass(frozen=True)
class Weighted:
    """The weighted sum of scaled scores, as ``hybrid_search(fusion="weighted")`` has it."""

    text: float = 1
    vector: float = 1

    def __str__(self) -> str:
        return f"weighted, weights {self.text:g} : {self.vector:g}"

    def __call__(self, words: Ranked, near: Ranked) -> list[int]:
        scores: dict[int, float] = {}
        for ranked, weight in ((words, self.text), (near, self.vector)):
            values = [score for _key, score in ranked]
            least, most = min(values, default=0.0), max(values, default=0.0)
            for key, score in ranked:
                nearness = (score - least) / (most - least) if most > least else 1.0
                scores[key] = scores.get(key, 0.0) + weight / (self.text + self.vector) * nearness
        return _best(scores)


def _best(scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda key: (-scores[key], key))
