"""A block of rows in numpy, with equal vectors compared only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..values.block_distances import Array, Block, Measure
from .block_neighbors import Found, Neighbors


@dataclass(frozen=True)
class Groups:
    """Rows with their keys, grouped by vector; ``order`` lists the rows of each group one after the other."""

    keys: Array
    start: int
    """The position of the first row in the whole."""
    block: Block
    order: Array
    starts: Array
    counts: Array

    @classmethod
    def of(cls, keys: Sequence[Any], start: int, matrix: Array, measure: Measure) -> Groups:
        values = matrix + np.float32(0)  # turns -0.0 into 0.0
        measured = np.flatnonzero(measure.has_direction(Block.of(values)))
        values = values[measured]
        seen: dict[bytes, int] = {}
        rows: Any = values.view(np.dtype((np.void, values.itemsize * values.shape[1]))).ravel().tolist()
        groups = np.fromiter((seen.setdefault(row, len(seen)) for row in rows), np.intp, len(rows))
        order, counts = np.argsort(groups, kind="stable"), np.bincount(groups, minlength=len(seen))
        starts = np.cumsum(counts) - counts
        distinct = values if len(seen) == len(values) else values[order[starts]]
        return cls(np.fromiter(keys, object, len(keys)), start, Block.of(distinct), measured[order], starts, counts)

    def members(self, groups: Array, most: int | None = None) -> tuple[Array, Array]:
        """Return the rows of each of these groups, up to ``most``, and for each row the place of its group."""
        counts = self.counts[groups] if most is None else np.minimum(self.counts[groups], most)
        places = np.repeat(np.arange(len(groups)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.order[self.starts[groups][places] + within], places


class NearestInGroups:
    """Collects the nearest neighbors of the rows of one block, among those of one block after another."""

    def __init__(self, rows: Groups, measure: Measure, count: int, bound: float) -> None:
        self._rows, self._count = rows, count
        # One more than is wanted, because a row is among its own neighbors.
        self._neighbors = Neighbors(measure, count + 1, bound)
        nothing = np.empty(0, np.intp)
        self._found = Found(nothing, nothing, np.empty(0))
        self._keys: dict[int, Any] = {}

    def compare(self, columns: Groups) -> None:
        """Look for neighbors among the rows of another block, or of the same one."""
        if not len(self._rows.block) or not len(columns.block):
            return
        by_group = self._neighbors.find(self._rows.block, columns.block, self._limits())
        near, places = columns.members(by_group.columns, self._count + 1)
        by_group = Found(by_group.rows[places], near, by_group.distances[places]).nearest(self._count + 1)
        rows, places = self._rows.members(by_group.rows)
        near = by_group.columns[places]
        others = self._rows.keys[rows] != columns.keys[near]
        more = Found(rows[others], near[others] + columns.start, by_group.distances[places[others]])
        self._found = Found.joined([self._found, more]).nearest(self._count)
        inside = self._found.columns >= columns.start
        for position in np.unique(self._found.columns[inside]).tolist():
            self._keys.setdefault(position, columns.keys[position - columns.start])

    def near(self) -> list[tuple[Any, list[tuple[Any, float]]]]:
        """Return the key of each row, with the keys and distances of its neighbors."""
        found = self._found
        ends = np.searchsorted(found.rows, np.arange(len(self._rows.keys) + 1)).tolist()
        keys = [self._keys[position] for position in found.columns.tolist()]
        pairs = list(zip(keys, found.distances.tolist(), strict=True))
        return [(key, pairs[ends[row] : ends[row + 1]]) for row, key in enumerate(self._rows.keys.tolist())]

    def _limits(self) -> Array:
        """Return the distance for each group beyond which a neighbor is too far for all of its rows."""
        found, rows = self._found, self._rows
        limits = np.full(len(rows.keys), np.inf)
        counted = np.bincount(found.rows, minlength=len(limits))
        full = counted == self._count
        limits[full] = found.distances[np.cumsum(counted)[full] - 1]
        return np.maximum.reduceat(limits[rows.order], rows.starts)
