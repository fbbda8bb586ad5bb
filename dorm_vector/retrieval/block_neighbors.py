"""The nearest neighbors of many rows at once, exact, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..values.block_distances import Array, Block, Measure, exact_distances

_SCORES = 1_500_000
"""The number of scores to compute at a time."""

_UNDECIDED = 64
"""Rows that the rounding error of a score may leave undecided before a row is computed in float64."""

_ORDINARY = 1e-15, 1e15
"""The range of lengths whose squares float32 can store and add."""


@dataclass(frozen=True)
class Found:
    """Pairs of positions and their distances."""

    rows: Array
    columns: Array
    distances: Array

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__annotations__))

    def at(self, chosen: Array) -> Self:
        return type(self)(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def nearest(self, count: int) -> Self:
        """Return up to ``count`` pairs of each row, nearest first; of equal distances, the first columns."""
        ordered = self.at(np.lexsort((self.columns, self.distances, self.rows)))
        return ordered.at(_rank(ordered.rows) < count)


def _rank(rows: Array) -> Array:
    """Return the place of each item among those of the same row; equal rows follow each other."""
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    lengths = np.diff(starts, append=len(rows))
    return np.arange(len(rows)) - np.repeat(starts, lengths)


class Neighbors:
    """Finds the ``count`` nearest columns of each row that are at most ``bound`` away."""

    def __init__(self, measure: Measure, count: int, bound: float) -> None:
        self._measure, self._count, self._bound = measure, count, bound
        self._kind: Any = np.float32

    def find(self, rows: Block, columns: Block, limits: Array) -> Found:
        """Return the pairs; ``limits`` has a distance for each row, beyond which pairs are left out."""
        limits = np.minimum(limits, self._bound)
        step = max(16, _SCORES // max(1, len(columns)))
        kind = self._kind if _is_ordinary(rows) and _is_ordinary(columns) else np.float64
        parts = [
            self._tile(rows, columns, limits, np.arange(start, min(start + step, len(rows))), kind)
            for start in range(0, len(rows), step)
        ]
        return Found.joined(parts)

    def _tile(self, rows: Block, columns: Block, limits: Array, chosen: Array, kind: Any) -> Found:
        """Return the pairs of a few rows."""
        few = rows.at(chosen)
        places, near, unsure = self._candidates(few, columns, limits[chosen], kind)
        distances = exact_distances(self._measure, few, columns, places, near)
        kept = distances <= limits[chosen][places]
        found = Found(chosen[places[kept]], near[kept], distances[kept]).nearest(self._count)
        if not len(unsure):
            return found
        if 2 * len(unsure) > len(chosen):
            self._kind = np.float64
        return Found.joined([found, self._tile(rows, columns, limits, chosen[unsure], np.float64)])

    def _candidates(self, rows: Block, columns: Block, limits: Array, kind: Any) -> tuple[Array, Array, Array]:
        """Return a superset of the nearest pairs, and the rows that floats of this kind cannot decide."""
        scores = self._measure.scores(rows, columns, kind)
        slack = 2 * self._measure.error(rows, columns, kind) if self._measure.is_rounded else np.zeros(len(rows))
        highest = self._measure.score(rows, limits) + slack
        places, near = self._within(scores, highest, slack)
        ordered = Found(places, near, scores[places, near]).nearest(len(columns))
        rank = _rank(ordered.rows)
        last = np.full(len(rows), np.inf)
        at_last = rank == self._count - 1
        last[ordered.rows[at_last]] = ordered.distances[at_last]
        kept = ordered.distances <= (last + slack)[ordered.rows]
        if self._measure.is_rounded and kind is np.float32:
            undecided = np.bincount(ordered.rows[kept], minlength=len(rows)) > self._count + _UNDECIDED
            unsure = np.flatnonzero(undecided)
            kept &= ~undecided[ordered.rows]
        else:
            unsure = np.empty(0, np.intp)
            kept &= rank < self._count + _UNDECIDED * self._measure.is_rounded
        return ordered.rows[kept], ordered.columns[kept], unsure

    def _within(self, scores: Array, highest: Array, slack: Array) -> tuple[Array, Array]:
        """Return the pairs whose score may be one of the lowest of its row."""
        passed = scores <= _rounded_up(highest, scores.dtype)[:, None]
        if np.count_nonzero(passed) > 4 * self._count * len(scores):
            highest = np.minimum(highest, self._low(scores) + slack)
            passed = scores <= _rounded_up(highest, scores.dtype)[:, None]
        places, near = np.nonzero(passed)
        return places, near

    def _low(self, scores: Array) -> Array:
        """Return a score for each row that at least ``count`` columns reach: that of the lowest of many groups."""
        groups = max(4 * self._count, 128)
        width = scores.shape[1] // groups
        if width < 2:
            groups, width = scores.shape[1], 1
        if groups < self._count:
            return np.full(len(scores), np.inf)
        lowest = scores[:, : groups * width].reshape(len(scores), width, groups).min(axis=1)
        return np.partition(lowest, self._count - 1, axis=1)[:, self._count - 1].astype(np.float64)


def _rounded_up(values: Array, kind: Any) -> Array:
    with np.errstate(over="ignore"):
        return np.nextafter(values.astype(kind), kind.type(np.inf))  # type: ignore[no-any-return]  # an array


def _is_ordinary(block: Block) -> bool:
    lengths = np.sqrt(block.squares[block.squares > 0])
    return bool(((lengths > _ORDINARY[0]) & (lengths < _ORDINARY[1])).all())
