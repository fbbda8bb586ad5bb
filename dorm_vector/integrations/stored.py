"""Validation of documents: a store accepts only values that every supported database returns and filters unchanged.

A single document that a database cannot read breaks the filters of all users. So each document is checked before
anything is sent, with the same rules on every database.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .records import Record

# The limit of MariaDB's JSON functions: JSON_DEPTH_LIMIT is 32, and the metadata object is itself a level.
_DEEPEST = 30

_LEAST, _GREATEST = -(2**63), 2**63 - 1

# NUL ends a string in some drivers, and UTF-8 cannot encode lone surrogates, which are not characters.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_NAMES = {"\x00": "a NUL character"}

_CLEAN = "Remove such characters, or let the store do it: clean_text=True."


@dataclass(frozen=True)
class Unstorable:
    """A value in a document that some databases cannot store: its location, and the reason."""

    where: str
    why: str


def is_storable(value: str | int) -> bool:
    """Return whether every database can store the text or integer."""
    return _UNSTORABLE.search(value) is None if isinstance(value, str) else _LEAST <= value <= _GREATEST


def cleaned(text: str) -> str:
    """Return the text without NUL characters, and with lone surrogates replaced by U+FFFD."""
    return _UNSTORABLE.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", text)


def storable(records: Sequence[Record], *, clean: bool) -> list[Record]:
    """Return the documents, cleaned if ``clean``; raise ValueError for the first that cannot be stored."""
    taken = [_cleaned(record) for record in records] if clean else list(records)
    for position, record in enumerate(taken):
        for found in _unstorable(record):
            raise ValueError(f"Document {position} cannot be stored: {found.where} {found.why}")
    return taken


def _cleaned(record: Record) -> Record:
    return replace(record, text=_map_texts(record.text, cleaned), metadata=_map_texts(dict(record.metadata), cleaned))


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Apply a function to each string in a JSON value, including keys; return values of other types unchanged."""
    if isinstance(value, str):
        return change(value) if _UNSTORABLE.search(value) else value
    if type(value) is dict:
        return {_map_texts(key, change): _map_texts(item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_map_texts(item, change) for item in value)
    return value


def _unstorable(record: Record) -> Iterator[Unstorable]:
    if record.id is not None:
        yield from _in_value("its id", record.id, 0)
    yield from _in_value("its text", record.text, 0)
    for key, value in record.metadata.items():
        yield from _in_text("the metadata key", key)
        yield from _in_value(f"metadata[{key!r}]", value, 1)


def _in_value(where: str, value: Any, depth: int) -> Iterator[Unstorable]:
    """Yield the problems of a JSON value; the column or the JSON encoder rejects values of other types."""
    if depth > _DEEPEST:
        yield Unstorable(where[:80], f"is nested more than {_DEEPEST} levels deep, and MariaDB reads no more.")
    elif isinstance(value, str):
        yield from _in_text(where, value)
    elif isinstance(value, (int, float)):
        yield from _in_number(where, value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _in_text(f"a key of {where}", key)
            yield from _in_value(f"{where}[{key!r}]", item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _in_value(f"{where}[{position}]", item, depth + 1)


def _in_text(where: str, text: Any) -> Iterator[Unstorable]:
    found = _UNSTORABLE.search(text) if isinstance(text, str) else None
    if found is not None:
        what = _NAMES.get(found[0], f"half of a surrogate pair, {found[0]!a},")
        yield Unstorable(where, f"has {what} at position {found.start()}, which no database here keeps. {_CLEAN}")


def _in_number(where: str, value: float) -> Iterator[Unstorable]:
    if isinstance(value, int) and not is_storable(value):
        digits = f"{value}" if -(10**40) < value < 10**40 else f"a number of {value.bit_length()} bits"
        yield Unstorable(where, f"is {digits}: want a whole number of 64 bits, or store it as text: str(value).")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Unstorable(where, f"is {value}, which JSON does not have: want a finite number, or None.")
