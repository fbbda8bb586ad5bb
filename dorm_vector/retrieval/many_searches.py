"""Exempt functions that search once per row, such as ``find_duplicates()``, from djanorm's N+1 detector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..patching.registry import hook

_of_one_call: ContextVar[bool] = ContextVar("_of_one_call", default=False)


@contextmanager
def many_searches() -> Iterator[None]:
    """Hide the statements of the block from ``dorm.contrib.nplusone``."""
    token = _of_one_call.set(True)
    try:
        yield
    finally:
        _of_one_call.reset(token)


@hook("dorm.contrib.nplusone:NPlusOneDetector", "_on_query")
def searches_of_one_call(original: Any, detector: Any, *arguments: Any, **options: Any) -> None:
    """Ignore the one search per row that ``find_duplicates()`` and similar functions run."""
    if not _of_one_call.get():
        original(detector, *arguments, **options)
