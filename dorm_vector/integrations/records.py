"""Documents, search parameters and search results, as exchanged between a framework and the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dorm.expressions import Q

from ..values.metrics import Metric


@dataclass(frozen=True)
class Record:
    """A document; ``id`` is None until it is stored."""

    text: str
    metadata: Mapping[str, Any]
    id: str | None = None
    vector: Any = None


@dataclass(frozen=True)
class Found:
    """A search result: a document, its distance in a vector search, and its score in a full-text or hybrid search."""

    record: Record
    distance: float | None
    score: float | None = None


@dataclass(frozen=True)
class Asked:
    """The filters and tuning options of a search."""

    where: Q | None = None
    max_distance: float | None = None
    exact: bool | None = None
    search_options: Mapping[str, int | str] = field(default_factory=dict)
    narrow: Callable[[Any], Any] | None = None
    group_by: str | None = None
    """The metadata of which each value is found once."""


@dataclass(frozen=True)
class Page:
    """A part of the documents: those with these ids, or all, that pass a filter."""

    ids: list[str] | None = None
    where: Q | None = None
    limit: int | None = None
    offset: int = 0


_SIMILARITY: dict[Metric, Callable[[float], float]] = {
    Metric.COSINE: lambda distance: 1 - distance,
    Metric.INNER_PRODUCT: lambda distance: -distance,
    Metric.JACCARD: lambda distance: 1 - distance,
}


def relevance(metric: Metric, distance: float | None) -> float:
    """Convert a distance to a relevance from 0 to 1, where greater is nearer.

    The relevance is the similarity, limited to 0 to 1.
    """
    return min(1.0, max(0.0, similarity(metric, distance)))


def similarity(metric: Metric, distance: float | None) -> float:
    """Convert a distance to the cosine or Jaccard similarity, the inner product, or else ``1 / (1 + distance)``.

    Without a distance, as for a zero vector, it is 0.
    """
    if distance is None or math.isnan(distance):
        return 0.0
    return _SIMILARITY[metric](distance) if metric in _SIMILARITY else 1 / (1 + distance)
