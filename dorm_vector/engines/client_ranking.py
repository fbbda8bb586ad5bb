"""``OPTIONS["client_ranking_max_bytes"]``: how many bytes of vectors a search may read, to rank them in the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dorm.exceptions import ImproperlyConfigured

NAME = "client_ranking_max_bytes"

DEFAULT = 64 << 20


def max_bytes(settings: Mapping[str, Any]) -> int:
    """Return the limit; 0 if the database ranks every search."""
    asked = (settings.get("OPTIONS") or {}).get(NAME, DEFAULT)
    try:
        # A text where DATABASES is a URL.
        number = -1 if isinstance(asked, (bool, float)) else int(asked)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise ImproperlyConfigured(
            f"DATABASES OPTIONS['{NAME}'] is {asked!r}: give a number of bytes, such as {DEFAULT:_}, or 0 to rank every"
            " search in the database."
        )
    return number
