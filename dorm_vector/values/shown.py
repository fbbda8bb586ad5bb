"""Vectors in short: for people who read a log, an error or a notebook."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

_SHOWN = 3


def digest(value: bytes) -> str:
    """Return what tells a value from any other of the same length: query logs and djanorm's cache keys contain it."""
    return f"sha1 {hashlib.sha1(value, usedforsecurity=False).hexdigest()}"


def first_values(values: Iterable[float], count: int) -> str:
    """Return the first values of ``count`` in brackets."""
    shown = [f"{value:.4g}" for value in islice(values, _SHOWN)]
    return f"[{', '.join(shown)}{', …' if count > _SHOWN else ''}]"
