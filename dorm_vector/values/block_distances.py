"""Distances between two blocks of vectors: fast scores from matrix products, and exact distances of a few pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .metrics import Metric

Array = npt.NDArray[Any]

_PAIRS = 1_024
"""Pairs whose exact distances are computed at a time; their vectors fit in a processor's cache."""


@dataclass(frozen=True)
class Block:
    """Rows of float32 vectors, with the square of each length."""

    values: Array
    squares: Array

    @classmethod
    def of(cls, values: Array) -> Block:
        return cls(values, np.einsum("ij,ij->i", values, values, dtype=np.float64))

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def directions(self) -> Array:
        """The vectors scaled to length 1, in float32."""
        return self.values / np.sqrt(self.squares).astype(np.float32)[:, None]

    def at(self, rows: Any) -> Block:
        return Block(self.values[rows], self.squares[rows])


class Measure:
    """One metric over blocks. A smaller score is nearer; scores are comparable only within a row."""

    is_rounded = True
    """Whether float32 scores have rounding errors."""

    def scores(self, rows: Block, columns: Block, kind: Any) -> Array:
        """Return the scores of all pairs, computed in floats of this kind."""
        raise NotImplementedError

    def error(self, rows: Block, columns: Block, kind: Any) -> Array:
        """Return, for each row, the most by which a score differs from the exact one."""
        raise NotImplementedError

    def score(self, rows: Block, distances: Array) -> Array:
        """Return the score that each row has at a distance."""
        raise NotImplementedError

    def distances(self, left: Block, right: Block) -> Array:
        """Return the exact distance of each row of one block from the row at the same place in the other."""
        raise NotImplementedError

    def has_direction(self, block: Block) -> Array:
        """Return which rows have a distance from any other."""
        return np.ones(len(block), bool)


def _rounding(block: Block, kind: Any) -> float:
    return float((block.values.shape[1] + 8) * np.finfo(kind).eps)


def _as(values: Array, kind: Any) -> Array:
    return values.astype(kind, copy=False)


class _L2(Measure):
    def scores(self, rows: Block, columns: Block, kind: Any) -> Array:
        # |a - b|^2 without |a|^2, which is the same for a whole row.
        found: Array = (_as(rows.values, kind) * kind(-2)) @ _as(columns.values, kind).T
        found += _as(columns.squares, kind)
        return found

    def error(self, rows: Block, columns: Block, kind: Any) -> Array:
        return _rounding(rows, kind) * (rows.squares + columns.squares.max())  # type: ignore[no-any-return]  # an array

    def score(self, rows: Block, distances: Array) -> Array:
        return np.sign(distances) * distances**2 - rows.squares  # type: ignore[no-any-return]  # an array

    def distances(self, left: Block, right: Block) -> Array:
        apart = _as(left.values, np.float64) - right.values
        return np.sqrt(np.einsum("ij,ij->i", apart, apart))  # type: ignore[no-any-return]  # an array


class _InnerProduct(Measure):
    def scores(self, rows: Block, columns: Block, kind: Any) -> Array:
        return -_as(rows.values, kind) @ _as(columns.values, kind).T

    def error(self, rows: Block, columns: Block, kind: Any) -> Array:
        return _rounding(rows, kind) * np.sqrt(rows.squares * columns.squares.max())  # type: ignore[no-any-return]  # an array

    def score(self, rows: Block, distances: Array) -> Array:
        return distances

    def distances(self, left: Block, right: Block) -> Array:
        return -np.einsum("ij,ij->i", _as(left.values, np.float64), _as(right.values, np.float64))  # type: ignore[no-any-return]  # an array


class _Cosine(_InnerProduct):
    def scores(self, rows: Block, columns: Block, kind: Any) -> Array:
        if kind is np.float32:
            return -rows.directions @ columns.directions.T
        found = super().scores(rows, columns, kind)
        found /= np.sqrt(rows.squares)[:, None]
        found /= np.sqrt(columns.squares)
        return found

    def error(self, rows: Block, columns: Block, kind: Any) -> Array:
        return np.full(len(rows), _rounding(rows, kind))

    def score(self, rows: Block, distances: Array) -> Array:
        return distances - 1

    def distances(self, left: Block, right: Block) -> Array:
        with np.errstate(invalid="ignore"):  # zeros have no direction
            return 1 + super().distances(left, right) / np.sqrt(left.squares) / np.sqrt(right.squares)

    def has_direction(self, block: Block) -> Array:
        return block.squares > 0


class _L1(Measure):
    def scores(self, rows: Block, columns: Block, kind: Any) -> Array:
        left, right = _as(rows.values, kind), _as(columns.values, kind)
        found = np.empty((len(left), len(right)), kind)
        step = max(1, 100_000 // right.shape[1])
        for start in range(0, len(right), step):
            part = right[start : start + step]
            apart = np.empty_like(part)
            for row, values in enumerate(left):
                np.abs(np.subtract(part, values, out=apart), out=apart).sum(
                    axis=1, out=found[row, start : start + step]
                )
        return found

    def error(self, rows: Block, columns: Block, kind: Any) -> Array:
        # |a|_1 is at most sqrt(d) |a|.
        longest = np.sqrt(rows.squares) + np.sqrt(columns.squares.max())
        return _rounding(rows, kind) * np.sqrt(rows.values.shape[1]) * longest  # type: ignore[no-any-return]  # an array

    def score(self, rows: Block, distances: Array) -> Array:
        return distances

    def distances(self, left: Block, right: Block) -> Array:
        return np.abs(_as(left.values, np.float64) - right.values).sum(axis=1)  # type: ignore[no-any-return]  # an array


class _Hamming(_L2):
    is_rounded = False  # sums of bits are whole numbers, which a float32 holds

    def score(self, rows: Block, distances: Array) -> Array:
        return distances - rows.squares

    def distances(self, left: Block, right: Block) -> Array:
        return super().distances(left, right) ** 2


class _Jaccard(Measure):
    is_rounded = False  # equal fractions have equal float64 quotients

    def scores(self, rows: Block, columns: Block, kind: Any) -> Array:
        common = _as(rows.values @ columns.values.T, np.float64)
        return _jaccard(common, rows.squares[:, None] + columns.squares)

    def score(self, rows: Block, distances: Array) -> Array:
        return distances

    def distances(self, left: Block, right: Block) -> Array:
        return _jaccard(np.einsum("ij,ij->i", left.values, right.values), left.squares + right.squares)


def _jaccard(common: Array, counted: Array) -> Array:
    either = counted - common
    return 1 - common / np.where(either > 0, either, 1)


MEASURES: dict[Metric, Measure] = {
    Metric.L2: _L2(),
    Metric.COSINE: _Cosine(),
    Metric.INNER_PRODUCT: _InnerProduct(),
    Metric.L1: _L1(),
    Metric.HAMMING: _Hamming(),
    Metric.JACCARD: _Jaccard(),
}


def exact_distances(measure: Measure, rows: Block, columns: Block, left: Array, right: Array) -> Array:
    """Return the distance of each pair of positions."""
    parts = [slice(start, start + _PAIRS) for start in range(0, len(left), _PAIRS)]
    found = [measure.distances(rows.at(left[part]), columns.at(right[part])) for part in parts]
    return np.concatenate(found) if found else np.empty(0)
