"""The database that a value came from, for the few values whose bytes two databases interpret differently."""

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
    """Bytes that two open databases interpret differently, read without a known source."""


def row_source() -> Wire:
    """Return the wire format of the current value: the declared one, or the one that all open connections share."""
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
    """Declare which database the values read inside the block come from."""
    token = _told.set(wire_of(connection))
    try:
        yield
    finally:
        _told.reset(token)


def read_from(connection: Any, read: Callable[..., Any], *args: Any) -> Any:
    """Return ``read(*args)``, and name the database if the bytes alone are ambiguous."""
    try:
        return read(*args)
    except UnknownSource:
        if connection is None:
            raise
        with reading_from(connection):
            return read(*args)
