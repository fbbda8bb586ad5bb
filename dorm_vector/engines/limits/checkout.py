"""Set the statement timeout of a connection that is taken from the pool."""

from __future__ import annotations

from typing import Any

from .setting import NAME


def checked_out(wrapper: Any, connection: Any) -> Any:
    """Return the connection with the timeout for its next statement."""
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
