"""What to install where a package is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def required(extra: str) -> Iterator[None]:
    """Say which extra of dorm-vector brings a module that cannot be imported in the block."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is not installed. Install it: pip install "dorm-vector[{extra}]"') from error
