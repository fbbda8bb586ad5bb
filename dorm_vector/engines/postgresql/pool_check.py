"""Check a pooled psycopg connection only when it may be dead, not before each statement."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Any

from ...patching.registry import is_on, repair
from ..sockets import has_news
from ..timeouts import connect_timeout
from .limits import watched

_POSTGRESQL = "dorm.db.backends.postgresql"

_NAME = "check_where_in_doubt"

_LAST_GIVEN = "dorm_vector_last_given"

_IDLE = 10.0
"""Seconds after which a network may have silently dropped a connection; firewalls wait a minute or longer."""


@repair(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_get_pool", name=_NAME, fixed_in="5.0")
def check_where_in_doubt(original: Any, wrapper: Any) -> Any:
    """Check a pooled connection only if it was idle for ten seconds, or its socket is readable.

    Symptom: an index search on PostgreSQL takes two round trips. Cause: ``POOL_CHECK`` queries the server before each
    statement, although a server that went away has closed the socket, which is visible without a query. djanorm 4.3 to
    4.5.
    """
    pool = original(wrapper)
    # djanorm sets the check when it creates and opens the pool, and no setting changes that.
    if getattr(pool, "_check", None) is type(pool).check_connection:
        pool._check = partial(_check, connect_timeout(wrapper.settings))
    return pool


@repair(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_get_pool", name=_NAME, fixed_in="5.0")
async def _async_check_where_in_doubt(original: Any, wrapper: Any) -> Any:
    pool = await original(wrapper)
    if getattr(pool, "_check", None) is type(pool).check_connection:
        pool._check = partial(_acheck, connect_timeout(wrapper.settings))
    return pool


def _check(seconds: float, connection: Any) -> None:
    if is_doubtful(connection):
        with watched(connection, seconds):
            type(connection._pool).check_connection(connection)
    note_given(connection)


async def _acheck(seconds: float, connection: Any) -> None:
    if is_doubtful(connection):
        try:
            with watched(connection, seconds):
                await type(connection._pool).check_connection(connection)
        except BaseException:
            # psycopg leaves a connection in autocommit whose check was cancelled, and the pool would give it to others.
            await connection.close()
            raise
    note_given(connection)


def note_given(connection: Any) -> None:
    """Remember when the connection was last taken from its pool."""
    vars(connection)[_LAST_GIVEN] = monotonic()


def is_doubtful(connection: Any) -> bool:
    """Return whether the server may have closed the connection."""
    is_fresh = monotonic() - getattr(connection, _LAST_GIVEN, -_IDLE) < _IDLE
    return not (is_fresh and is_on(_NAME)) or has_news(connection.fileno())
