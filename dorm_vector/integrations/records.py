"""What passes between a framework and the rows: documents, what a search asks for, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dorm.expressions import Q

from ..values.metrics import Metric


@dataclass(frozen=True)
class Record:
    """A document as it is stored; without an id until it is."""

    text: str
    metadata: Mapping[str, Any]
    id: str | None = None
    vector: Any = None


@dataclass(frozen=True)
class Found:
    """A document that a search found, its distance where a vector found it, and its score where words did."""

    record: Record
    distance: float | None
    score: float | None = None


@dataclass(frozen=True)
class Asked:
    """What a search may be narrowed and tuned by."""

    where: Q | None = None
    max_distance: float | None = None
    exact: bool | None = None
    search_options: Mapping[str, int | str] = field(default_factory=dict)


_RELEVANCE: dict[Metric, Callable[[float], float]] = {
    Metric.COSINE: lambda distance: 1 - distance,
    Metric.INNER_PRODUCT: lambda distance: -distance,
    Metric.JACCARD: lambda distance: 1 - distance,
}


def relevance(metric: Metric, distance: float | None) -> float:
    """Return the distance as 0 to 1, the greater the nearer: the cosine or the inner product itself, else 1 / (1 + d).

    Without a distance, which a zero vector has to none, it is 0.
    """
    if distance is None or math.isnan(distance):
        return 0.0
    measured = _RELEVANCE[metric](distance) if metric in _RELEVANCE else 1 / (1 + distance)
    return min(1.0, max(0.0, measured))
