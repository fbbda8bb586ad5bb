"""Sort keys, slices, and whether rows that a database returned are those, where some sort alike."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

RELATIVE, ABSOLUTE = 2e-5, 2e-5


class Uncertain(Exception):
    """Plain Python cannot tell what is right: the answer depends on rounding, or on the order of equal rows."""


@dataclass(frozen=True)
class Candidate:
    """A row that a query may return: what it sorts by, what it shows, and what its measured numbers come from."""

    key: tuple[Any, ...]
    shown: dict[str, Any]
    measured: str = ""


@dataclass(frozen=True)
class Key:
    """One sort key; numbers are negated to descend, and text compares in reverse."""

    rank: int
    value: Any
    descending: bool
    is_measured: bool = False

    def __lt__(self, other: Key) -> bool:
        if self.rank != other.rank or self.value is None or other.value is None:
            return self.rank < other.rank
        return bool(other.value < self.value if self.descending else self.value < other.value)


def sort_key(value: Any, *, descending: bool, nulls_first: bool, is_measured: bool = False) -> Key:
    return Key(0 if value is not None else (-1 if nulls_first else 1), value, descending, is_measured)


def cut(found: list[Candidate], start: int, stop: int | None, *, is_settled: bool = False) -> list[Candidate]:
    """Return the slice; with ``is_settled`` raise Uncertain where equal rows could take each other's place in it."""
    end = len(found) if stop is None else min(stop, len(found))
    kept = found[start:end]
    if is_settled and kept:
        for inside, outside in ((start, start - 1), (end - 1, end)):
            if 0 <= outside < len(found) and len({repr(one) for one in _alike(found, inside, outside)}) > 1:
                raise Uncertain
    return kept


def _alike(found: list[Candidate], inside: int, outside: int) -> list[Candidate]:
    """Return the rows that sort like two neighbours, if these sort alike."""
    if not is_tie(found[inside], found[outside]):
        return []
    first, last = min(inside, outside), max(inside, outside)
    while first and is_tie(found[first - 1], found[first]):
        first -= 1
    while last + 1 < len(found) and is_tie(found[last], found[last + 1]):
        last += 1
    return found[first : last + 1]


def is_tie(one: Candidate, other: Candidate) -> bool:
    """Tell whether a database may return the two in either order."""
    for left, right in zip(one.key, other.key, strict=True):
        if left.rank != right.rank or not is_close(left.value, right.value):
            return False
        if left.is_measured and isinstance(left.value, float):
            # Each database rounds in its own way, so that the keys after this one need not decide.
            return True
    return True


def is_close(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, numbers up to the rounding of a float32."""
    if one is None or other is None:
        return one is other
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_close, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(one == other)


def plain(value: Any) -> Any:
    """Return a value in the one form that both sides are compared in."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (dt.date, UUID)):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__name__ == "Decimal":
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def difference(found: list[Candidate], start: int, stop: int | None, rows: list[dict[str, Any]]) -> str:
    """Return how the rows of a database differ from the slice of the candidates, or an empty string."""
    end = len(found) if stop is None else min(stop, len(found))
    wanted = max(0, end - start)
    if len(rows) != wanted:
        return f"{len(rows)} rows, expected {wanted}"
    at = 0
    while at < len(found):
        group = [found[at]]
        while at + len(group) < len(found) and is_tie(group[-1], found[at + len(group)]):
            group.append(found[at + len(group)])
        first, last = max(start, at), min(end, at + len(group))
        for place in range(first, last):
            match = next((one for one in group if is_row(one.shown, rows[place - start])), None)
            if match is None:
                return f"row {place - start} is {rows[place - start]}, expected one of {[one.shown for one in group]}"
            group_rest = list(group)
            group_rest.remove(match)
            group = [*group_rest, Candidate(match.key, {})]
        at += len(group)
    return ""


def is_row(shown: dict[str, Any], row: dict[str, Any]) -> bool:
    return shown.keys() == row.keys() and all(is_close(plain(shown[name]), plain(row[name])) for name in shown)
