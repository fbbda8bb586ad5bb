"""Validation of JSON: only values that every supported database returns and filters unchanged."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# The limit of MariaDB's JSON functions: JSON_DEPTH_LIMIT is 32, and the metadata object is itself a level.
DEEPEST = 30

_LEAST, _GREATEST = -(2**63), 2**63 - 1

# NUL ends a string in some drivers, and UTF-8 cannot encode lone surrogates, which are not characters.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_NAMES = {"\x00": "a NUL character"}


class Unstorable(NamedTuple):
    """A value in a document that some databases cannot store: its location, and the reason."""

    where: str
    why: str


def is_storable(value: str | int) -> bool:
    """Return whether every database can store the text or integer."""
    return UNSTORABLE.search(value) is None if isinstance(value, str) else _LEAST <= value <= _GREATEST


def unstorable(where: str, value: Any, remedy: str, levels: float = math.inf) -> Iterator[Unstorable]:
    """Yield the problems of a JSON value; the column or the JSON encoder rejects values of other types.

    Args:
        where: What the messages call the value.
        value: The value.
        remedy: What to do about characters that no database keeps.
        levels: The number of levels that may be nested in the value.
    """
    if levels < 0:
        yield Unstorable(where[:80], f"is nested more than {DEEPEST} levels deep, and MariaDB reads no more.")
    elif isinstance(value, str):
        yield from _in_text(where, value, remedy)
    elif isinstance(value, (int, float)):
        yield from _in_number(where, value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _in_text(f"a key of {where}", key, remedy)
            yield from unstorable(f"{where}[{key!r}]", item, remedy, levels - 1)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from unstorable(f"{where}[{position}]", item, remedy, levels - 1)


def _in_text(where: str, text: Any, remedy: str) -> Iterator[Unstorable]:
    found = UNSTORABLE.search(text) if isinstance(text, str) else None
    if found is not None:
        what = _NAMES.get(found[0], f"half of a surrogate pair, {found[0]!a},")
        yield Unstorable(where, f"has {what} at position {found.start()}, which no database here keeps. {remedy}")


def _in_number(where: str, value: float) -> Iterator[Unstorable]:
    if isinstance(value, int) and not is_storable(value):
        digits = f"{value}" if -(10**40) < value < 10**40 else f"a number of {value.bit_length()} bits"
        yield Unstorable(where, f"is {digits}: want a whole number of 64 bits, or store it as text: str(value).")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Unstorable(where, f"is {value}, which JSON does not have: want a finite number, or None.")
