"""Values of rows as JSON that a browser reads without changing them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...models.serialization import plain

_SAFE = 2**53
"""From here on, JavaScript rounds whole numbers."""

MOST_CHARACTERS = 2_000
"""The length of a text in a list of rows; the details of a row have all of it."""


def as_json(value: Any, most: int | None = None) -> Any:
    """Return a value that JSON has; texts are cut to ``most`` characters."""
    value = plain(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _SAFE else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(part, most) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(part, most) for part in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value):,} bytes"
    return _cut(str(value), most)


def key_text(key: Any) -> str:
    """Return a primary key as text, which ``to_python`` of its field reads again."""
    return str(key)


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"
