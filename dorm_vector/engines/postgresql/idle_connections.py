"""Take an idle connection from psycopg's pool directly; psycopg takes forty calls to find that nobody has to wait.

Only a connection that this process has searched with before is taken, because the first checkout of each one registers
it for a fork, and recognizes a Citus cluster.
"""

from __future__ import annotations

from typing import Any

from ..limits.setting import NAME
from .cursors import has_cursor
from .pool_check import is_doubtful, note_given


def taken(wrapper: Any, pool: Any) -> Any:
    """Return an idle connection that needs no check, to be returned with ``putconn()``; None if the pool has to."""
    # A statement timeout is set at the checkout.
    if NAME in vars(wrapper):
        return None
    with pool._lock:
        connection = _first(pool)
    if connection is None or _is_given(pool, connection):
        return connection
    pool.putconn(connection)
    return None


async def ataken(wrapper: Any, pool: Any) -> Any:
    """Do what ``taken()`` does. Nothing is awaited before a connection is taken, so no other task interferes."""
    if NAME in vars(wrapper) or pool._lock.locked():
        return None
    connection = _first(pool)
    if connection is None or _is_given(pool, connection):
        return connection
    await pool.putconn(connection)
    return None


def _first(pool: Any) -> Any:
    """Take the first idle connection, as psycopg does."""
    idle = pool._pool
    if not idle or not has_cursor(idle[0]):
        return None
    connection = idle.popleft()
    pool._nconns_min = min(pool._nconns_min, len(idle))
    connection._pool = pool
    return connection


def _is_given(pool: Any, connection: Any) -> bool:
    """Return whether the connection can be used without a query to the server."""
    if pool._check is not None and is_doubtful(connection):
        return False
    pool._stats[pool._REQUESTS_NUM] += 1
    note_given(connection)
    return True
