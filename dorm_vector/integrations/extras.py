"""Errors for missing optional packages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def required(extra: str) -> Iterator[None]:
    """Raise ImportError, naming the dorm-vector extra to install, if a module in the block is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is not installed. Install it: pip install "dorm-vector[{extra}]"') from error
