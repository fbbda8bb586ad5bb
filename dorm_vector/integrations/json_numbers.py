"""Numbers in metadata that are read back as they were written, also where a database has one kind of number."""

from __future__ import annotations

import sys
from typing import Any

_EXACT, _INT64 = 2**53, range(-(2**63), 2**63)


def written(value: Any) -> Any:
    """Return JSON in which a float past 2**53 has all of its digits: jsonb reads 17 of them as another number."""
    if isinstance(value, dict):
        return {name: written(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(each) for each in value]
    if isinstance(value, float) and abs(value) >= _EXACT and value.is_integer() and int(value) in _INT64:
        return int(value)
    return value


def read(value: Any) -> Any:
    """Return JSON in which a whole number past 64 bits, which no document was written with, is the float it was."""
    if isinstance(value, dict):
        return {name: read(each) for name, each in value.items()}
    if isinstance(value, list):
        return [read(each) for each in value]
    if isinstance(value, int) and value not in _INT64 and abs(value) <= int(sys.float_info.max):
        return float(value)
    return value
