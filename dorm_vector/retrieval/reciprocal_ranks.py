"""Reciprocal rank fusion of rankings that are in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from dorm.models import Model

_Item = TypeVar("_Item")


def rrf(
    *rankings: Iterable[_Item],
    k: float = 60,
    weights: Sequence[float] | None = None,
    key: Callable[[_Item], Hashable] | None = None,
) -> list[tuple[_Item, float]]:
    """Fuse rankings with reciprocal rank fusion: return each item once, with its score, highest score first.

    The score of an item is the sum of weight / (``k`` + rank) over the rankings that contain it; ranks count from 1.
    Of equal items the first one is returned, and of equal scores the item that came first.

    Args:
        rankings: Lists of rows or of keys, best first; a queryset is read.
        k: 0 and up; the larger it is, the less the first ranks dominate.
        weights: One number for each ranking, by default 1.
        key: What makes two items the same. By default instances are the same if they are rows of one table with equal
            primary keys, and other items if they are equal.

    Raises:
        TypeError: An item cannot be hashed, and ``key`` is not given.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion", SIGIR 2009.
    """
    constant, shares = _constant(k), _weights(weights, len(rankings))
    items: dict[Hashable, _Item] = {}
    scores: dict[Hashable, float] = {}
    for ranking, weight in zip(rankings, shares, strict=True):
        for name, place in _places(ranking, key or _key_of, items).items():
            scores[name] = scores.get(name, 0.0) + reciprocal(weight, constant, place)
    return [(items[name], scores[name]) for name in sorted(scores, key=lambda name: -scores[name])]


def reciprocal(weight: float, k: float, place: int) -> float:
    """Return the part of a score that one ranking adds."""
    return weight / (k + place)


def _places(ranking: Iterable[Any], key: Callable[[Any], Hashable], items: dict[Hashable, Any]) -> dict[Hashable, int]:
    """Return the best place of each item, by what makes it the same; add new items to ``items``."""
    places: dict[Hashable, int] = {}
    for place, item in enumerate(ranking, start=1):
        name = key(item)
        items.setdefault(name, item)
        places.setdefault(name, place)
    return places


def _key_of(item: Any) -> Hashable:
    if isinstance(item, Model):
        return (
            (item._meta.concrete_model, item.pk) if item.pk is not None else (item._meta.concrete_model, id(item), "")
        )
    if not isinstance(item, Hashable):
        example = 'lambda row: row["id"]' if isinstance(item, Mapping) else "lambda item: item.id"
        raise TypeError(f"rrf() cannot tell which items are the same: {item!r} has no hash. Give key={example}.")
    return item


def _constant(k: Any) -> float:
    if not _is_number(k):
        raise ValueError(f"rrf(k={k!r}): want a number, 0 or more.")
    return float(k)


def _weights(weights: Sequence[float] | None, count: int) -> list[float]:
    given = [1.0] * count if weights is None else list(weights)
    if len(given) != count or not all(_is_number(weight) for weight in given):
        raise ValueError(f"rrf(weights={weights!r}): want {count} numbers, 0 or more, one for each ranking.")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
