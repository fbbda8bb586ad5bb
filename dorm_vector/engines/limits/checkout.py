"""Set the statement timeout of a connection that is taken from the pool."""

from __future__ import annotations

from typing import Any

from .setting import NAME


def checked_out(wrapper: Any, connection: Any) -> Any:
    """Return the connection with the timeout for its next statement."""
    if statement := _statement(wrapper, connection):
        connection.execute(statement)
    return connection


async def achecked_out(wrapper: Any, connection: Any) -> Any:
    if statement := _statement(wrapper, connection):
        await connection.execute(statement)
    return connection


def _statement(wrapper: Any, connection: Any) -> str:
    """Return the statement that sets the timeout; empty if it is already set."""
    limiter = vars(wrapper).get(NAME)
    if limiter is None:
        return ""
    limiter.guard(connection)
    statement: str = limiter.statement(connection)
    return statement
