"""Which database a value came from, for the few whose bytes two databases would mean differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from dorm.db import connection as connections

from ..exceptions import DimensionMismatch
from ..values.wire import Wire
from . import wire_of

_told: ContextVar[Wire | None] = ContextVar("dorm_vector_row_source", default=None)


class UnknownSource(DimensionMismatch):
    """Bytes that two of the open databases mean differently, read by someone who was not told the database."""


def row_source() -> Wire:
    """Return how the value at hand was handed over: as it was said, or as all open connections do."""
    told = _told.get()
    if told is not None:
        return told
    is_open = [*connections._sync_connections.values(), *connections._async_connections.values()]
    found = set(map(wire_of, is_open))
    if len(found) > 1:
        raise UnknownSource(
            "these bytes mean one vector on one of the configured databases and another one on another. Read the row"
            " through a queryset of its own model."
        )
    return found.pop() if found else Wire.UNKNOWN


@contextmanager
def reading_from(connection: Any) -> Iterator[None]:
    """Say which database the values inside come from."""
    token = _told.set(wire_of(connection))
    try:
        yield
    finally:
        _told.reset(token)


def read_from(connection: Any, read: Callable[..., Any], *args: Any) -> Any:
    """Return ``read(*args)``, told the database where its bytes alone do not tell."""
    try:
        return read(*args)
    except UnknownSource:
        if connection is None:
            raise
        with reading_from(connection):
            return read(*args)
