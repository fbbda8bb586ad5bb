"""Rerank rows, diversify them with MMR, and find duplicates and outliers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

from ..models.queryset_types import Row, Source
from ..steps import Steps, arun, run
from ..values.bit import Bit
from ..values.metrics import Metric
from ..values.vector import Vector
from .many_searches import many_searches
from .near_rows import Near, NearRows, Progress

_Row = TypeVar("_Row")

_KEPT = 1_000
"""The number of outliers to keep before the nearest of them are dropped."""

Scores = Sequence[float | None]

Reranker = Callable[[Sequence[_Row]], Scores | Awaitable[Scores]]


def rerank(rows: Iterable[_Row], reranker: Reranker[_Row], limit: int | None = None) -> list[_Row]:
    """Sort the rows by the scores that ``reranker(rows)`` returns, highest first, and set each row's ``rerank_score``.

    A cross-encoder reads the question and the text together, so use it to score the 50 rows that ``nearest()`` found.
    Rows of equal score keep their order, and rows whose score is None are left out. A row of ``values()`` gets its
    score as an item. Not to be confused with ``queryset.rerank()``, which finds a shortlist with a small index.

    Raises:
        ValueError: The reranker did not return one score per row.
    """
    _require_reranker(reranker)
    found = list(rows)
    scores = reranker(found) if found else []
    if inspect.isawaitable(scores):
        raise TypeError("rerank() was given an async reranker. Await arerank() instead.")
    return _by_score(found, scores, limit)


async def arerank(rows: Iterable[_Row], reranker: Reranker[_Row], limit: int | None = None) -> list[_Row]:
    """Rerank like ``rerank``; a reranker that is not async runs in a thread, and a queryset is awaited.

    If the reranker has an async method ``ascores(rows)``, that is called.
    """
    _require_reranker(reranker)
    found: list[_Row] = list(await rows if inspect.isawaitable(rows) else rows)
    if not found:
        return []
    asked: Any = getattr(reranker, "ascores", reranker)
    if inspect.iscoroutinefunction(asked):
        return _by_score(found, await asked(found), limit)
    scores: Any = await asyncio.to_thread(reranker, found)
    return _by_score(found, await scores if inspect.isawaitable(scores) else scores, limit)


def _by_score(rows: list[_Row], scores: Any, limit: int | None) -> list[_Row]:
    numbers = [None if score is None else float(score) for score in scores]
    if len(numbers) != len(rows):
        raise ValueError(f"The reranker gave {len(numbers)} scores for {len(rows)} rows. It has to give one for each.")
    scored = [(row, number) for row, number in zip(rows, numbers, strict=True) if number is not None]
    for row, number in scored:
        _keep(row, number)
    return [row for row, _number in sorted(scored, key=lambda pair: -pair[1])[:limit]]


def _keep(row: Any, score: float) -> None:
    if isinstance(row, MutableMapping):
        row["rerank_score"] = score
    else:
        row.rerank_score = score


def _require_reranker(reranker: Any) -> None:
    if not callable(reranker):
        raise TypeError(
            f"rerank(rows, {reranker!r}): want a function of the rows that gives each a score. To let a small index"
            " find a shortlist first: queryset.rerank(200)[:10]."
        )


def mmr(rows: Iterable[_Row], field: str, to: Any, k: int, *, balance: float = 0.5) -> list[_Row]:
    """Diversify results with maximal marginal relevance: return ``k`` rows near ``to`` and far from each other.

    Nearness is cosine similarity, of bits as zeros and ones. Pass more rows than ``k``:
    ``mmr(found[:50], "embedding", to, 10)``.

    Args:
        rows: The rows to choose from; those without a vector are left out.
        field: The name of each row's vector.
        to: The query vector.
        k: The maximum number of rows to return.
        balance: 1 for relevance only, 0 for diversity only.
    """
    if not 0 <= balance <= 1:
        raise ValueError(f"mmr(balance={balance!r}): want 0 to 1.")
    import numpy as np

    left = [(row, value) for row in rows if (value := _held(row, field)) is not None]
    if not left:
        return []
    kind = _value_type(left[0][0], field)
    vectors = _unit(_packed(kind, [value for _, value in left]))
    nearness = _products(vectors, _unit(_packed(kind, [to]))[0])
    likeness = np.zeros(len(left))
    chosen: list[int] = []
    while len(chosen) < min(k, len(left)):
        score = balance * nearness - (1 - balance) * likeness
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        np.maximum(likeness, _products(vectors, vectors[chosen[-1]]), out=likeness)
    return [left[position][0] for position in chosen]


def _held(row: Any, field: str) -> Any:
    """Return the row's vector, packed as read from the database if it is not decoded yet."""
    held = getattr(row, "__dict__", {}).get(field)
    return held if isinstance(held, Vector) else getattr(row, field)


def _value_type(row: Any, name: str) -> type[Vector | Bit]:
    """Return Bit for a row of a model with a BitField of this name, which reads as a list of booleans."""
    fields = type(row)._meta.fields if hasattr(type(row), "_meta") else ()
    return Bit if any(field.name == name and getattr(field, "value_type", None) is Bit for field in fields) else Vector


def _packed(kind: type[Vector | Bit], values: list[Any]) -> Any:
    """Return the vectors in double precision; those of a field with ``as_numpy=True`` are taken as they are."""
    import numpy as np

    are_arrays = kind is Vector and {type(value) for value in values} == {np.ndarray}
    if are_arrays and {(value.dtype.char, value.shape) for value in values} == {("f", (len(values[0]),))}:
        matrix = np.array(values, np.float64)
        if np.isfinite(matrix).all():
            return matrix
    return np.array([kind(value).to_numpy() for value in values], np.float64)


def _unit(vectors: Any) -> Any:
    """Divide the vectors by their lengths, in place, and return them."""
    import numpy as np

    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.where(lengths > 0, lengths, 1)[:, None]
    return vectors


def _products(vectors: Any, vector: Any) -> Any:
    """Return the product with each vector; unlike BLAS, it is the same for equal vectors."""
    import numpy as np

    return np.einsum("ij,j->i", vectors, vector)


@dataclass(frozen=True)
class Pair(Generic[Row]):
    """Two rows and their distance; ``first`` has the smaller key."""

    first: Row
    second: Row
    distance: float


@dataclass(frozen=True)
class Outlier(Generic[Row]):
    """A row and its mean distance from its nearest neighbors."""

    row: Row
    distance: float


def find_duplicates(
    queryset: Source[Row],
    field: str,
    max_distance: float,
    *,
    distance: str | Metric | None = None,
    neighbors: int = 10,
    progress: Progress | None = None,
) -> list[Pair[Row]]:
    """Return the pairs of rows that are at most ``max_distance`` apart, nearest first.

    Every row is compared with every other one, in blocks of vectors and in bounded memory, and exactly: no index is
    used. Each row gets its ``neighbors`` nearest. In a group of more duplicates than that, some pairs are not listed,
    but each row is in at least one pair. ``progress(done, total)`` is called for each row.
    """
    with many_searches():
        return run(_duplicates(NearRows(queryset, field, distance, neighbors, progress, max_distance)))


async def afind_duplicates(
    queryset: Source[Row],
    field: str,
    max_distance: float,
    *,
    distance: str | Metric | None = None,
    neighbors: int = 10,
    progress: Progress | None = None,
) -> list[Pair[Row]]:
    """Return the pairs of near-duplicate rows; the async form of ``find_duplicates``."""
    with many_searches():
        return await arun(_duplicates(NearRows(queryset, field, distance, neighbors, progress, max_distance)))


def outliers(
    queryset: Source[Row],
    field: str,
    limit: int = 10,
    *,
    distance: str | Metric | None = None,
    neighbors: int = 5,
    progress: Progress | None = None,
) -> list[Outlier[Row]]:
    """Return the rows with the largest mean distance from their ``neighbors`` nearest neighbors.

    Every row is compared with every other one, in blocks of vectors and in bounded memory, and exactly: no index is
    used. ``progress(done, total)`` is called for each row.
    """
    with many_searches():
        return run(_outliers(NearRows(queryset, field, distance, neighbors, progress), limit))


async def aoutliers(
    queryset: Source[Row],
    field: str,
    limit: int = 10,
    *,
    distance: str | Metric | None = None,
    neighbors: int = 5,
    progress: Progress | None = None,
) -> list[Outlier[Row]]:
    """Return the outliers; the async form of ``outliers``."""
    with many_searches():
        return await arun(_outliers(NearRows(queryset, field, distance, neighbors, progress), limit))


def _duplicates(near_rows: NearRows) -> Steps[list[Pair[Any]]]:
    apart: dict[frozenset[Any], float] = {}

    def take(key: Any, near: Near) -> None:
        for other, distance in near:
            apart.setdefault(frozenset((key, other)), distance)

    yield from near_rows.each(take)
    rows = yield from near_rows.fetched(list(dict.fromkeys(chain.from_iterable(apart))))
    pairs: list[Pair[Any]] = []
    for keys, distance in apart.items():
        # A row may have been deleted since its vector was read.
        if keys <= rows.keys():
            first, second = sorted((rows[key] for key in keys), key=lambda row: row.pk)
            pairs.append(Pair(first, second, distance))
    return sorted(pairs, key=lambda pair: (pair.distance, pair.first.pk, pair.second.pk))


def _outliers(near_rows: NearRows, limit: int) -> Steps[list[Outlier[Any]]]:
    found: list[tuple[float, Any]] = []

    def take(key: Any, near: Near) -> None:
        if near:
            found.append((sum(distance for _, distance in near) / len(near), key))
        if limit >= 0 and len(found) > 2 * limit + _KEPT:
            found[:] = _farthest(found)[:limit]

    yield from near_rows.each(take)
    farthest = _farthest(found)[:limit]
    rows = yield from near_rows.fetched([key for _, key in farthest])
    return [Outlier(rows[key], distance) for distance, key in farthest if key in rows]


def _farthest(found: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    return sorted(found, key=lambda each: -each[0])
