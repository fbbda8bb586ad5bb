"""Validation of documents: a store accepts only values that every supported database returns and filters unchanged.

A single document that a database cannot read breaks the filters of all users. So each document is checked before
anything is sent, with the same rules on every database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..values.documents import DEEPEST, UNSTORABLE, Unstorable, unstorable
from .records import Record

_CLEAN = "Remove such characters, or let the store do it: clean_text=True."


def cleaned(text: str) -> str:
    """Return the text without NUL characters, and with lone surrogates replaced by U+FFFD."""
    return UNSTORABLE.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", text)


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
        return change(value) if UNSTORABLE.search(value) else value
    if type(value) is dict:
        return {_map_texts(key, change): _map_texts(item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_map_texts(item, change) for item in value)
    return value


def _unstorable(record: Record) -> Iterator[Unstorable]:
    if record.id is not None:
        yield from unstorable("its id", record.id, _CLEAN)
    yield from unstorable("its text", record.text, _CLEAN)
    for key, value in record.metadata.items():
        yield from unstorable("the metadata key", key, _CLEAN)
        yield from unstorable(f"metadata[{key!r}]", value, _CLEAN, DEEPEST - 1)
