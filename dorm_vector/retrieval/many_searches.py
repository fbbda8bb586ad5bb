"""Calls that search once per row on purpose, which is not what djanorm's N+1 detector looks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..patching.registry import hook

_of_one_call: ContextVar[bool] = ContextVar("_of_one_call", default=False)


@contextmanager
def many_searches() -> Iterator[None]:
    """Leave the statements of the block out of ``dorm.contrib.nplusone``."""
    token = _of_one_call.set(True)
    try:
        yield
    finally:
        _of_one_call.reset(token)


@hook("dorm.contrib.nplusone:NPlusOneDetector", "_on_query")
def searches_of_one_call(original: Any, detector: Any, *arguments: Any, **options: Any) -> None:
    """Do not count the searches that ``find_duplicates()`` and its like make, one for each row."""
    if not _of_one_call.get():
        original(detector, *arguments, **options)
