"""Rank vectors in numpy, as they were read from the database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..values.block_distances import MEASURES, Array, Block
from ..values.metrics import Metric

_ROWS = 1_024
"""Rows that are measured at a time; they fit in a processor's cache."""

Ranked = list[tuple[float, Any]]
"""Distances and keys."""


def nearest_keys(rows: Sequence[tuple[Any, Any]], metric: Metric, vector: bytes, count: int, bound: float) -> Any:
    """Return the keys of the nearest rows, nearest first; equal distances are in key order.

    Rows whose distance is NULL come last, unless there is a bound. None if the rows cannot be ranked here: a vector has
    another length, or a key occurs twice.
    """
    best: Ranked = []
    reader = iter(rows)
    query = Block.of(np.frombuffer(vector, "<f4").reshape(1, -1))
    while part := list(islice(reader, _ROWS)):
        apart = _distances(part, metric, query)
        if apart is None:
            return None
        best = _merged(best, part, apart, count, bound)
    keys = [key for _, key in best]
    return keys if len(set(keys)) == len(keys) else None


def _distances(rows: Sequence[tuple[Any, Any]], metric: Metric, query: Block) -> Array | None:
    size = 4 * query.values.shape[1]
    stored = [value for _, value in rows if value is not None]
    if any(len(value) != size for value in stored):
        return None
    apart = np.full(len(rows), np.inf)
    if stored:
        block = Block.of(np.frombuffer(b"".join(stored), "<f4").reshape(len(stored), -1))
        measure = MEASURES[metric]
        found = measure.distances(block, query)
        if metric is Metric.COSINE:
            # The databases clip it, too.
            found = np.clip(found, 0, 2)
        found[~(measure.has_direction(block) & measure.has_direction(query))] = np.inf
        apart[[value is not None for _, value in rows]] = found
    return apart


def _merged(best: Ranked, rows: Sequence[tuple[Any, Any]], apart: Array, count: int, bound: float) -> Ranked:
    """Return the first ``count`` of the best and of these rows."""
    farthest = best[-1][0] if len(best) == count else math.inf
    if len(rows) > count:
        farthest = min(farthest, float(np.partition(apart, count - 1)[count - 1]))
    chosen = np.flatnonzero(apart <= min(farthest, bound)).tolist()
    return sorted([*best, *((float(apart[place]), rows[place][0]) for place in chosen)])[:count]
