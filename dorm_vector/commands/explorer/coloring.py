"""The groups of a map's points by the values of a field: ranges of numbers, or the most frequent values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

MOST_GROUPS = 10

NO_VALUE, OTHERS = "no value", "others"

_LABEL = 40
"""The length of a group's name."""


def groups_of(values: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Return the names of the groups, and the group of each value."""
    there = [value for value in values if value is not None]
    named = _ranges(there) if _are_numbers(there) else _frequent(there)
    labels, group_of = named
    if len(there) < len(values):
        labels = [*labels, NO_VALUE]
    return labels, [len(labels) - 1 if value is None else group_of(value) for value in values]


def _are_numbers(values: list[Any]) -> bool:
    is_number = all(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in values)
    return is_number and len(set(values)) > MOST_GROUPS


def _ranges(values: list[Any]) -> tuple[list[str], Any]:
    """Return ranges that have about the same number of values."""
    ordered = sorted(values)
    count = MOST_GROUPS - 2
    bounds = sorted({ordered[len(ordered) * place // count] for place in range(1, count)} - {ordered[0]})
    places = [0, *(bisect_left(ordered, bound) for bound in bounds), len(ordered)]
    labels = [_range(ordered[first], ordered[end - 1]) for first, end in pairwise(places)]
    return labels, lambda value: bisect_right(bounds, value)


def _range(low: Any, high: Any) -> str:
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{float(value):.4g}"


def _frequent(values: list[Any]) -> tuple[list[str], Any]:
    """Return the most frequent values, and one group for the others."""
    counted = Counter(map(_label, values))
    most = [label for label, _count in counted.most_common(MOST_GROUPS - 1)]
    labels = most if len(counted) < MOST_GROUPS else [*most, OTHERS]
    places = {label: place for place, label in enumerate(most)}
    return labels, lambda value: places.get(_label(value), len(most))


def _label(value: Any) -> str:
    text = " ".join(str(value).split()) or '""'
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
