"""Check, after an error, whether the transaction of a block is still open on its connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE

from ..steps import Step
from .ended import mark_ended, require_unended

_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS


class TransactionIsOpen(Step):
    """Return whether the next statement would still be part of the surrounding block's transaction."""

    def run(self, wrapper: Any) -> bool:
        if wrapper.vendor == "mysql":
            return mysql_is_open(wrapper._conn)
        return _is_open(getattr(wrapper, "_atomic_conn", None) or getattr(wrapper._local, "conn", None))

    async def arun(self, wrapper: Any) -> bool:
        state = ASYNC_ATOMIC_STATE.get()
        connection = state[1] if state is not None and state[0] is wrapper else None
        return await amysql_is_open(connection) if wrapper.vendor == "mysql" else _is_open(connection)


def _is_open(connection: Any) -> bool:
    """Return the state of a psycopg connection, or of one of the SQLite family."""
    if connection is None or getattr(connection, "is_lost", False):
        return False
    info = getattr(connection, "info", None)
    if info is not None:
        return bool(info.transaction_status.name == "INTRANS")
    return in_transaction(connection)


def in_transaction(connection: Any) -> bool:
    """Return the state of a connection of the SQLite family."""
    # Turso's async connection does not expose it, but its inner connection does.
    teller = connection if hasattr(type(connection), "in_transaction") else connection._conn
    return bool(teller.in_transaction)


def mysql_is_open(connection: Any) -> bool:
    """Ping the server, whose response includes the transaction state."""
    import pymysql

    try:
        connection.ping()
    except pymysql.MySQLError:
        return False
    return bool(connection.server_status & _IN_TRANSACTION)


async def amysql_is_open(connection: Any) -> bool:
    """Ping the server of an async connection."""
    import pymysql

    try:
        await connection.ping(reconnect=False)
    except (pymysql.MySQLError, OSError):
        return False
    return bool(connection.server_status & _IN_TRANSACTION)


@contextmanager
def noted_where_it_ends(connection: Any, holder: Any = None) -> Iterator[None]:
    """Run a statement in an open transaction, and mark the transaction if a failure ends it.

    SQLite rolls back if the disk is full, and Turso if it cannot read a vector.
    """
    holder = holder or connection
    require_unended(holder)
    was_open = in_transaction(connection)
    try:
        yield
    except Exception as error:
        if was_open and not in_transaction(connection):
            mark_ended(holder, error)
        raise
