"""Recognize the database's error for a distance between vectors of different lengths."""

from __future__ import annotations

import re
from functools import cache

from ...exceptions import StoredDimensionMismatch
from .. import DIALECTS, dialect_named


def stored_mismatch(message: str) -> StoredDimensionMismatch | None:
    """Return the exception for such an error, else None."""
    for pattern in _patterns():
        found = pattern.search(message)
        if found is not None:
            length = next((group for group in found.groups() if group), None)
            return StoredDimensionMismatch(
                f"A stored vector{f' of {length} dimensions' if length else ''} has another length than the vector that"
                " it is measured from. It was written around its field: read the field to find the row, and rewrite or"
                f" delete it, or declare the field with the dimensions of its column. The database says: {message}"
            )
    return None


@cache
def _patterns() -> list[re.Pattern[str]]:
    return [re.compile(text) for text in (dialect_named(name).other_length for name in DIALECTS) if text]
