"""Whether a row passes a condition, as SQL means it: yes, no, or unknown where a value is missing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tests.differential.ordering import Uncertain
from tests.differential.queries import Combined, Exists, Leaf, Not, Query, Reference
from tests.helpers.oracle import float32

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "contains": lambda value, part: part in value,
    "startswith": lambda value, part: value.startswith(part),
    "endswith": lambda value, part: value.endswith(part),
}


class Conditions:
    """Evaluates conditions for an interpreter."""

    def __init__(self, interpreter: Any) -> None:
        self.interpreter = interpreter

    def truth(self, condition: Any, one: Any, outer: Any) -> bool | None:
        if isinstance(condition, Not):
            return _negated(self.truth(condition.condition, one, outer))
        if isinstance(condition, Combined):
            found = [self.truth(part, one, outer) for part in condition.parts]
            return _all(found) if condition.operator == "&" else _negated(_all([_negated(each) for each in found]))
        if isinstance(condition, Exists):
            return bool(self.interpreter.settled(condition.query, one)) is not condition.negated
        return self._leaf(condition, one, outer)

    def _leaf(self, leaf: Leaf, one: Any, outer: Any) -> bool | None:
        value, wanted = self.interpreter.at(leaf.path, one), leaf.value
        if leaf.lookup == "isnull" or wanted is None:
            return (value is None) is (wanted is None or bool(wanted))
        if isinstance(wanted, Reference):
            wanted = self.interpreter.at(wanted.path, outer if wanted.outer else one)
        if isinstance(wanted, Query):
            wanted = [next(iter(row.shown.values())) for row in self.interpreter.settled(wanted)]
        if leaf.lookup == "in":
            return _any([compared(value, "exact", each) for each in wanted])
        if leaf.lookup == "range":
            return _all([compared(value, "gte", wanted[0]), compared(value, "lte", wanted[1])])
        return compared(value, leaf.lookup, wanted)


def compared(value: Any, lookup: str, wanted: Any) -> bool | None:
    if value is None or wanted is None:
        return None
    if isinstance(value, list):
        return float32(value) == float32(wanted)
    if _is_measured(value) and _is_measured(wanted) and 0 < abs(value - wanted) <= 1e-4 * max(1, abs(wanted)):
        # A database measures in float32, so that either side is right.
        raise Uncertain
    return COMPARISONS[lookup](value, wanted)


def _is_measured(value: Any) -> bool:
    return isinstance(value, float)


def _negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else (None if None in found else True)


def _any(found: list[bool | None]) -> bool | None:
    return _negated(_all([_negated(each) for each in found]))
