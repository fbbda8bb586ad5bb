"""What is true: distances in plain Python over float32 values."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence

from dorm_vector import Metric

Floats = Sequence[float]


def float32(values: Floats) -> list[float]:
    """Round to what a column stores."""
    return array("f", values).tolist()


def distance(metric: Metric, left: Floats | None, right: Floats | None) -> float | None:
    """Return the distance of two vectors; None where there is none."""
    if left is None or right is None:
        return None
    a, b = float32(left), float32(right)
    if metric is Metric.L2:
        return math.dist(a, b)
    if metric is Metric.L1:
        return sum(abs(x - y) for x, y in zip(a, b, strict=True))
    product = math.sumprod(a, b) if hasattr(math, "sumprod") else sum(x * y for x, y in zip(a, b, strict=True))
    if metric is Metric.INNER_PRODUCT:
        return -product
    norms = math.hypot(*a) * math.hypot(*b)
    return 1 - product / norms if norms else None


def vectors(count: int, dimensions: int, seed: int = 7) -> list[list[float]]:
    """Return seeded vectors with values from -1 to 1."""
    generator = random.Random(seed)
    return [[generator.uniform(-1, 1) for _ in range(dimensions)] for _ in range(count)]


PASSAGES = [
    f"{'heron ' * max(0, n % 8 - 4)}{'reed ' * (n % 3)}{' '.join(f'bank{n}x{i}' for i in range(1 + n * 7 % 23))}"
    for n in range(40)
]
"""Texts of different lengths, some of which have a word up to three times."""


def bm25_part(text: str, word: str) -> float:
    """Return what BM25 gives for a word in one of PASSAGES, without the rarity of the word (k1 = 1.2, b = 0.75)."""
    words, average = text.split(), sum(len(each.split()) for each in PASSAGES) / len(PASSAGES)
    count = words.count(word)
    return count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(words) / average))
