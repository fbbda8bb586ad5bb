"""Keep the cursor of a pooled connection: psycopg builds one in twenty calls, and then looks up each type again."""

from __future__ import annotations

from typing import Any

_CURSOR = "dorm_vector_cursor"
_MOST_ROWS = 1_000
"""A cursor holds its last result; one of more rows is let go."""


def binary_cursor(connection: Any) -> Any:
    """Return a cursor that reads rows in binary; a connection runs one statement at a time, and its rows are read."""
    cursor = vars(connection).get(_CURSOR)
    if cursor is not None and connection._pipeline is None:
        return cursor
    cursor = connection.cursor(binary=True)
    # A connection outside of a pool is closed by its last reference, and a kept cursor is one.
    if connection._pool is not None and connection._pipeline is None:
        vars(connection)[_CURSOR] = cursor
    return cursor


def release(connection: Any, rows: list[Any]) -> None:
    """Let go of a result of many rows."""
    if len(rows) > _MOST_ROWS:
        vars(connection).pop(_CURSOR, None)


def has_cursor(connection: Any) -> bool:
    return _CURSOR in vars(connection)
