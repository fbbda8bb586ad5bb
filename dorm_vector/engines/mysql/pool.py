"""A bounded pool for async MySQL and MariaDB, where djanorm opens a connection for each statement of each task.

Its settings have the names of djanorm's settings for PostgreSQL: ``MAX_POOL_SIZE``, ``POOL_TIMEOUT``, ``MAX_IDLE`` and
``MAX_LIFETIME``. A pool in ``OPTIONS["pool"]`` replaces it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from time import monotonic
from typing import Any

from dorm.exceptions import OperationalError

from ...patching.registry import hook
from ..sockets import has_news
from .server import meet

_WRAPPER = "dorm.db.backends.mysql:MySQLAsyncDatabaseWrapper"
_MADE, _USED = "dorm_vector_made", "dorm_vector_used"
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS


class Pool:
    """The connections of one event loop; the idle one that was used last is reused first."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.size = int(settings.get("MAX_POOL_SIZE", 10))
        self._patience = float(settings.get("POOL_TIMEOUT", 30.0))
        self._max_idle = float(settings.get("MAX_IDLE", 600.0))
        self._max_lifetime = float(settings.get("MAX_LIFETIME", 3600.0))
        self._places = asyncio.Semaphore(self.size)
        self.idle: list[Any] = []
        self.used: dict[int, Any] = {}
        self._at_the_end: AsyncIterator[None] | None = None

    async def acquire(self, connect: Any) -> Any:
        """Return an idle connection or a new one; wait if all are in use."""
        await self._take_a_place()
        try:
            connection = self._alive() or await self._opened(connect)
        except BaseException:
            self._places.release()
            raise
        self.used[id(connection)] = connection
        return connection

    def release(self, connection: Any) -> bool:
        """Take a connection back, and return whether it came from this pool."""
        if self.used.pop(id(connection), None) is None:
            return False
        self._places.release()
        vars(connection)[_USED] = monotonic()
        if self._is_as_new(connection):
            self.idle.append(connection)
        else:
            connection.close()
        return True

    def close(self) -> None:
        """Close the idle connections, and those in use when they come back."""
        self._max_idle = -1.0
        while (connection := self._last_idle()) is not None:
            abandon(connection)

    def close_all(self) -> None:
        """Close all connections, including those that unfinished tasks of a closed event loop will never return."""
        self.close()
        used, self.used = self.used, {}
        for connection in used.values():
            abandon(connection)

    async def _take_a_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise OperationalError(
                f"MySQL: no connection became free within {self._patience:g} seconds: all {self.size} of this event"
                " loop are in use. Raise MAX_POOL_SIZE or POOL_TIMEOUT in DATABASES, or hold connections for less time."
            ) from error

    async def _opened(self, connect: Any) -> Any:
        if self._at_the_end is None:
            # asyncio.run() closes open generators at its end, and with this one the connections.
            self._at_the_end = self._closing()
            await anext(self._at_the_end)
        connection = await connect()
        vars(connection)[_MADE] = monotonic()
        return connection

    async def _closing(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            idle, self.idle = self.idle, []
            for connection in idle:
                writer = connection._writer
                await connection.ensure_closed()
                if writer is not None:
                    # The loop ends before the TLS shutdown of an encrypted connection completes.
                    writer.transport.abort()

    def _last_idle(self) -> Any:
        """Take an idle connection, None if there is none; another thread may close the pool meanwhile."""
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def _alive(self) -> Any:
        while (connection := self._last_idle()) is not None:
            if self._is_young(connection) and not _is_gone(connection):
                return connection
            connection.close()
        return None

    def _is_young(self, connection: Any) -> bool:
        now, facts = monotonic(), vars(connection)
        return bool(now - facts[_USED] <= self._max_idle and now - facts[_MADE] <= self._max_lifetime)

    def _is_as_new(self, connection: Any) -> bool:
        if connection.closed or self._max_idle < 0:
            return False
        return bool(not connection.server_status & _IN_TRANSACTION and connection.get_autocommit())


def _is_gone(connection: Any) -> bool:
    if connection.closed:
        return True
    socket = connection._writer.transport.get_extra_info("socket")
    is_over = connection._reader.at_eof() or connection._writer.transport.is_closing()
    return bool(is_over) or has_news(socket.fileno())


def abandon(connection: Any) -> None:
    """Close a connection whose event loop may be gone."""
    writer = connection._writer
    # Otherwise the driver would close it again through the event loop.
    connection._writer = None
    if writer is not None:
        try:
            # close() would wait for the TLS shutdown, and the loop may end before that.
            writer.transport.abort()
        except RuntimeError:
            # The loop is closed.
            writer.transport.get_extra_info("socket")._sock.close()
            vars(_with_socket(writer.transport))["_sock"] = None


def _with_socket(transport: Any) -> Any:
    """Return the transport with the socket; an encrypted connection wraps it in another."""
    return transport._ssl_protocol._transport if hasattr(transport, "_ssl_protocol") else transport


def _loops(wrapper: Any) -> dict[Any, Pool]:
    # A forked child clears the attribute of this name.
    pools: dict[Any, Pool] = vars(wrapper).setdefault("_loops", {})
    return pools


def _of_loop(wrapper: Any) -> Pool:
    pools, loop = _loops(wrapper), asyncio.get_running_loop()
    _close_of(pools, [other for other in tuple(pools) if other.is_closed()])
    if loop not in pools:
        pools[loop] = Pool(wrapper.settings)
    return pools[loop]


@hook(_WRAPPER, "_acquire")
async def async_pool(original: Any, wrapper: Any) -> Any:
    """Take the connection from the pool of the event loop, and identify the server by the first one."""
    if wrapper._pool is None:
        # In a forked child, the pool that the user configured belongs to the parent.
        wrapper._kwargs.pop("pool", None)
        # Otherwise a connection would return to the pool with the snapshot of its first read.
        wrapper._kwargs["autocommit"] = True
        connection = await _of_loop(wrapper).acquire(lambda: original(wrapper))
    else:
        connection = await original(wrapper)
    try:
        await meet(wrapper, connection)
    except BaseException:
        connection.close()
        await wrapper._release(connection)
        raise
    return connection


@hook(_WRAPPER, "_release", name="async_pool")
async def _release(original: Any, wrapper: Any, connection: Any) -> None:
    if wrapper._pool is not None or not _of_loop(wrapper).release(connection):
        await original(wrapper, connection)


@hook(_WRAPPER, "close", name="async_pool")
async def _aclose(original: Any, wrapper: Any) -> None:
    _close(wrapper)
    await original(wrapper)


@hook(_WRAPPER, "force_close_sync", name="async_pool")
def _force_close(original: Any, wrapper: Any) -> None:
    _close(wrapper)
    original(wrapper)


def _close(wrapper: Any) -> None:
    """Close the connections of every event loop; callable from any of them, or from none."""
    pools = _loops(wrapper)
    _close_of(pools, tuple(pools))


def _close_of(pools: dict[Any, Pool], loops: Iterable[Any]) -> None:
    for loop in loops:
        # Only one of the threads that find a loop closes its pool.
        pool = pools.pop(loop, None)
        if pool is not None:
            _close_in(loop, pool)


def _close_in(loop: asyncio.AbstractEventLoop, pool: Pool) -> None:
    if loop.is_closed():
        pool.close_all()
    elif loop.is_running() and loop is not _own_loop():
        try:
            # Only the loop's own thread may close a transport. If the loop ends first, it closes them itself.
            loop.call_soon_threadsafe(pool.close)
        except RuntimeError:
            pool.close_all()  # the loop has ended meanwhile
    else:
        pool.close()


def _own_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@hook(_WRAPPER, "pool_stats", name="async_pool", added=True)
def _stats(_absent: Any, wrapper: Any) -> dict[str, Any]:
    pools = tuple(_loops(wrapper).values())
    idle, used = sum(len(pool.idle) for pool in pools), sum(len(pool.used) for pool in pools)
    return {"open": idle + used > 0, "vendor": wrapper.vendor, "pool_size": idle + used, "pool_available": idle}
