"""Short representations of vectors, for logs, errors and notebooks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

_SHOWN = 3


def digest(value: bytes) -> str:
    """Return a text that differs for values of one length; query logs and djanorm's cache keys contain it."""
    return f"sha1 {hashlib.sha1(value, usedforsecurity=False).hexdigest()}"


def first_values(values: Iterable[float], count: int) -> str:
    """Return the first values of ``count`` in brackets."""
    shown = [f"{value:.4g}" for value in islice(values, _SHOWN)]
    return f"[{', '.join(shown)}{', …' if count > _SHOWN else ''}]"
