"""Rerank rows, diversify them with MMR, and find duplicates and outliers."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..expressions.scope import vector_field
from ..introspection import rows_of
from ..models.queryset_types import Row, Source
from ..search.nearest import chosen_metric
from ..steps import Fetch, Steps, arun, run
from ..values.metrics import Metric
from ..values.vector import Vector
from .many_searches import many_searches

_Row = TypeVar("_Row")

_DISTANCE = "pair_distance"

Scores = Sequence[float]

Progress = Callable[[int, int], object]

Reranker = Callable[[Sequence[_Row]], Scores | Awaitable[Scores]]


def rerank(rows: Iterable[_Row], reranker: Reranker[_Row], limit: int | None = None) -> list[_Row]:
    """Sort the rows by the scores that ``reranker(rows)`` returns, highest first, and set each row's ``rerank_score``.

    A cross-encoder reads the question and the text together, so use it to score the 50 rows that ``nearest()`` found.
    Rows of equal score keep their order. A row of ``values()`` gets its score as an item. Not to be confused with
    ``queryset.rerank()``, which finds a shortlist with a small index.

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
    """Rerank like ``rerank``; a reranker that is not async runs in a thread, and a queryset is awaited."""
    _require_reranker(reranker)
    found: list[_Row] = list(await rows if inspect.isawaitable(rows) else rows)
    if not found:
        return []
    if inspect.iscoroutinefunction(reranker):
        return _by_score(found, await reranker(found), limit)
    scores: Any = await asyncio.to_thread(reranker, found)
    return _by_score(found, await scores if inspect.isawaitable(scores) else scores, limit)


def _by_score(rows: list[_Row], scores: Any, limit: int | None) -> list[_Row]:
    numbers = [float(score) for score in scores]
    if len(numbers) != len(rows):
        raise ValueError(f"The reranker gave {len(numbers)} scores for {len(rows)} rows. It has to give one for each.")
    for row, score in zip(rows, numbers, strict=True):
        _keep(row, score)
    order = sorted(range(len(rows)), key=lambda position: -numbers[position])
    return [rows[position] for position in order[:limit]]


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

    Nearness is cosine similarity. Pass more rows than ``k``: ``mmr(found[:50], "embedding", to, 10)``.

    Args:
        rows: The rows to choose from; those without a vector are left out.
        field: The name of each row's vector.
        to: The query vector.
        k: The maximum number of rows to return.
        balance: 1 for relevance only, 0 for diversity only.
    """
    if not 0 <= balance <= 1:
        raise ValueError(f"mmr(balance={balance!r}): want 0 to 1.")
    left = [row for row in rows if getattr(row, field) is not None]
    vectors = {id(row): _unit(getattr(row, field)) for row in left}
    target = _unit(to)
    chosen: list[_Row] = []
    nearness = {id(row): _dot(vectors[id(row)], target) for row in left}
    likeness = dict.fromkeys(nearness, 0.0)
    while left and len(chosen) < k:
        best = max(left, key=lambda row: balance * nearness[id(row)] - (1 - balance) * likeness[id(row)])
        left.remove(best)
        chosen.append(best)
        for row in left:
            likeness[id(row)] = max(likeness[id(row)], _dot(vectors[id(row)], vectors[id(best)]))
    return chosen


def _unit(values: Any) -> list[float]:
    numbers = Vector(values).to_list()
    length = math.hypot(*numbers)
    return [number / length for number in numbers] if length else numbers


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


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

    This runs one search per row, for its ``neighbors`` nearest. In a group of more duplicates than that, some pairs
    are not listed, but each row is in at least one pair. ``progress(done, total)`` is called after each row.
    """
    with many_searches():
        return run(_duplicates(queryset, field, max_distance, distance, neighbors, progress))


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
        return await arun(_duplicates(queryset, field, max_distance, distance, neighbors, progress))


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

    This runs one search per row. ``progress(done, total)`` is called after each row.
    """
    with many_searches():
        return run(_outliers(queryset, field, limit, distance, neighbors, progress))


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
        return await arun(_outliers(queryset, field, limit, distance, neighbors, progress))


def _duplicates(
    queryset: Source[Row],
    field: str,
    bound: float,
    distance: str | Metric | None,
    neighbors: int,
    progress: Progress | None,
) -> Steps[list[Pair[Row]]]:
    pairs: dict[frozenset[Any], Pair[Row]] = {}
    rows = yield Fetch(_with_vectors(queryset, field, neighbors))
    for done, row in enumerate(rows, 1):
        search = _nearest(queryset, field, row, distance, max_distance=bound)
        for other in (yield Fetch(search[:neighbors])):
            first, second = sorted((row, other), key=lambda each: each.pk)
            apart = getattr(other, _DISTANCE)
            pairs.setdefault(frozenset((row.pk, other.pk)), Pair(first, second, apart))
        if progress is not None:
            progress(done, len(rows))
    return sorted(pairs.values(), key=lambda pair: (pair.distance, pair.first.pk, pair.second.pk))


def _outliers(
    queryset: Source[Row],
    field: str,
    limit: int,
    distance: str | Metric | None,
    neighbors: int,
    progress: Progress | None,
) -> Steps[list[Outlier[Row]]]:
    found: list[Outlier[Row]] = []
    rows = yield Fetch(_with_vectors(queryset, field, neighbors))
    for done, row in enumerate(rows, 1):
        near = yield Fetch(_nearest(queryset, field, row, distance)[:neighbors])
        apart = [getattr(other, _DISTANCE) for other in near if getattr(other, _DISTANCE) is not None]
        if apart:
            found.append(Outlier(row, sum(apart) / len(apart)))
        if progress is not None:
            progress(done, len(rows))
    return sorted(found, key=lambda each: -each.distance)[:limit]


def _with_vectors(queryset: Any, field: str, neighbors: int) -> Any:
    if isinstance(neighbors, bool) or not isinstance(neighbors, int) or neighbors < 1:
        raise ValueError(f"neighbors={neighbors!r}: want a whole number of rows, at least 1.")
    return rows_of(queryset).filter(**{f"{field}__isnull": False})


def _nearest(queryset: Any, field: str, row: Any, distance: str | Metric | None, **options: Any) -> Any:
    rows = rows_of(queryset)
    metric = chosen_metric(vector_field(rows.model, field), distance)
    return rows.nearest(field, row, distance=metric, as_=_DISTANCE, **options)
