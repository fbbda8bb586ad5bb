"""Give a pooled connection the limit of what runs next, when it is taken from the pool."""

from __future__ import annotations

from typing import Any

from .setting import NAME


def checked_out(wrapper: Any, connection: Any) -> Any:
    """Return a connection with the limit of what runs next."""
    limiter = vars(wrapper).get(NAME)
    if limiter is not None:
        limiter.guard(connection)
        if statement := limiter.statement(connection):
            connection.execute(statement)
    return connection


async def achecked_out(wrapper: Any, connection: Any) -> Any:
    limiter = vars(wrapper).get(NAME)
    if limiter is not None:
        limiter.guard(connection)
        if statement := limiter.statement(connection):
            await connection.execute(statement)
    return connection
