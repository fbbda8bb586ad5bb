"""Recognize the database's error for a full-text index that a killed process has left damaged."""

from __future__ import annotations

import re
from functools import cache

from .. import DIALECTS, dialect_named


def damaged_index(message: str) -> str | None:
    """Return what to tell of such an error, else None."""
    for title, pattern in _patterns():
        if pattern.search(message):
            return (
                f"A full-text index of {title} is damaged, because a process was killed while it wrote to the table. No"
                " row is lost, but later writes can fail until the index is rebuilt, by rebuild_index(Model, name) or"
                f" `dorm-vector index rebuild`. The database says: {message}"
            )
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = [(dialect.title, dialect.text_search.damaged) for dialect in map(dialect_named, DIALECTS)]
    return [(title, re.compile(text)) for title, text in found if text]
