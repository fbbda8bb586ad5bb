"""Connection timeouts: ``OPTIONS["connect_timeout"]`` of a database, by default 10 seconds.

The limit covers servers that do not answer, and servers that accept the connection and stay silent, sync and async.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from time import monotonic
from typing import Any

from dorm.exceptions import OperationalError

from ..patching.registry import hook
from .event_loops import remember_opened
from .limits.checkout import achecked_out, checked_out
from .uncancelled import noticed, stop_when_cancelled

SECONDS = 10.0
_MYSQL = "dorm.db.backends.mysql"
_POSTGRESQL = "dorm.db.backends.postgresql"
_LIMITED = "dorm_vector_limited"
# The driver's own limit may exceed ours by this many seconds.
_GRACE = 1.0


def connect_timeout(settings: Mapping[str, Any]) -> float:
    """Return the number of seconds that a connection to the database may take to open."""
    return float((settings.get("OPTIONS") or {}).get("connect_timeout") or SECONDS)


@hook(f"{_MYSQL}:MySQLDatabaseWrapper", "get_connection")
def connect_timeouts(original: Any, wrapper: Any) -> Any:
    """Limit the handshake too: PyMySQL waits for the server's greeting as long as for any other response."""
    limit = connect_timeout(wrapper.settings)
    asked = (wrapper.settings.get("OPTIONS") or {}).get("read_timeout")
    wrapper._kwargs.update(connect_timeout=limit, read_timeout=asked or limit)
    connection = original(wrapper)
    if _LIMITED not in vars(connection):
        connection._read_timeout = asked
        vars(connection)[_LIMITED] = True
    return connection


def is_prepared(connection: Any) -> bool:
    """Return whether an open connection of PyMySQL was returned before, so that nothing is left to set."""
    return _LIMITED in vars(connection)


@hook(f"{_MYSQL}:MySQLAsyncDatabaseWrapper", "_acquire", name="connect_timeouts")
async def _mysql_async(original: Any, wrapper: Any) -> Any:
    if wrapper._pool is not None:
        # All connections of the pool may be in use, so waiting for one has no connect limit.
        return await original(wrapper)
    limit = connect_timeout(wrapper.settings)
    # Before Python 3.12 wait_for() loses a cancellation that arrives as its work ends; aiomysql calls it, too.
    wrapper._kwargs.pop("connect_timeout", None)
    try:
        async with asyncio.timeout(limit):
            return await original(wrapper)
    except TimeoutError as error:
        raise _silent("MySQL", wrapper.settings, limit) from error


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_get_pool", name="connect_timeouts")
def _postgresql(original: Any, wrapper: Any) -> Any:
    limit = _limit_psycopg(wrapper)
    pool = original(wrapper)
    if vars(pool).get(_LIMITED) is None and hasattr(pool, "getconn"):
        vars(pool)[_LIMITED] = getconn = pool.getconn
        pool.getconn = lambda timeout=None: checked_out(wrapper, _Wait(wrapper, pool, limit, timeout).run(getconn))
    return pool


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_get_pool", name="connect_timeouts")
async def _postgresql_async(original: Any, wrapper: Any) -> Any:
    limit = _limit_psycopg(wrapper)
    pool = await original(wrapper)
    if vars(pool).get(_LIMITED) is None and hasattr(pool, "getconn"):
        vars(pool)[_LIMITED] = getconn = pool.getconn
        stop_when_cancelled(pool)
        remember_opened(pool)

        async def limited(timeout: float | None = None) -> Any:  # noqa: ASYNC109  # psycopg's signature
            # psycopg's pool swallows a cancellation that arrives as it hands out a connection.
            connection = await noticed(_Wait(wrapper, pool, limit, timeout).arun(getconn))
            return await achecked_out(wrapper, connection)

        pool.getconn = limited
    return pool


def _limit_psycopg(wrapper: Any) -> float:
    limit = connect_timeout(wrapper.settings)
    # libpq takes whole seconds, with a minimum of two.
    wrapper._dsn["connect_timeout"] = max(2, round(limit))
    return limit


class _Wait:
    """One wait for a pooled connection: long if all are in use, short if none can be opened."""

    def __init__(self, wrapper: Any, pool: Any, limit: float, seconds: float | None) -> None:
        self._wrapper, self._pool, self._limit = wrapper, pool, limit
        self._failed = self._failures()
        self._seconds = pool.timeout if seconds is None else seconds
        self._first = min(self._seconds, max(2.0, limit) + _GRACE)
        self._deadline = monotonic() + self._seconds

    def run(self, getconn: Any) -> Any:
        from psycopg_pool import PoolTimeout

        try:
            return getconn(self._first)
        except PoolTimeout as error:
            self._raise_in_an_outage(error)
            return getconn(self._rest())

    async def arun(self, getconn: Any) -> Any:
        from psycopg_pool import PoolTimeout

        try:
            return await getconn(self._first)
        except PoolTimeout as error:
            self._raise_in_an_outage(error)
            return await getconn(self._rest())

    def _failures(self) -> int:
        # get_stats() copies all of them for each search.
        return int(self._pool._stats.get("connections_errors", 0))

    def _raise_in_an_outage(self, error: Exception) -> None:
        if self._failures() > self._failed:
            raise _silent("PostgreSQL", self._wrapper.settings, self._limit) from error
        if self._rest() <= 0:
            raise error

    def _rest(self) -> float:
        return self._deadline - monotonic()


def _silent(database: str, settings: Mapping[str, Any], limit: float) -> OperationalError:
    host, port = settings.get("HOST") or "localhost", settings.get("PORT") or "its default port"
    return OperationalError(
        f"{database}: no connection to {host}, port {port}, within {limit:g} seconds. Look whether the server runs and"
        ' can be reached; set OPTIONS["connect_timeout"] where it needs longer.'
    )


_PORTS = {"postgresql": 5432, "mariadb": 3306, "mysql": 3306}


def answers(options: dict[str, Any]) -> bool:
    """Tell whether something listens where ``DATABASES`` says that the server is; False for a file."""
    engine = str(options.get("ENGINE", ""))
    usual = next((port for name, port in _PORTS.items() if name in engine), None)
    if usual is None:
        return False
    host, port = str(options.get("HOST") or "localhost"), int(options.get("PORT") or usual)
    try:
        if host.startswith("/"):
            with socket.socket(socket.AF_UNIX) as unix:
                unix.connect(f"{host}/.s.PGSQL.{port}")
        else:
            socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
