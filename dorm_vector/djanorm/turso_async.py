"""The async wrapper of a local Turso file: djanorm's SQLite wrapper over ``turso.aio``, a connection an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import turso
import turso.aio
from dorm.db.backends.libsql import LibSQLAsyncDatabaseWrapper
from dorm.db.backends.sqlite import SQLiteAsyncDatabaseWrapper
from turso.worker import STOP_RUNNING_SENTINEL

from .sqlite_loops import Loop
from .turso import FEATURES, PATIENCE


def adopt(wrapper: Any) -> None:
    """Make the new wrapper one of ours."""
    wrapper.__class__ = LocalAsyncWrapper
    wrapper._loops = {}


class LocalAsyncWrapper(LibSQLAsyncDatabaseWrapper):
    """djanorm's async libsql wrapper, where the database is a file of this machine."""

    execute = SQLiteAsyncDatabaseWrapper.execute
    execute_write = SQLiteAsyncDatabaseWrapper.execute_write
    execute_insert = SQLiteAsyncDatabaseWrapper.execute_insert
    close = SQLiteAsyncDatabaseWrapper.close

    _loops: dict[asyncio.AbstractEventLoop, Loop]

    def _here(self) -> Loop:
        return self._loops.setdefault(asyncio.get_running_loop(), Loop())

    @property
    def _lock(self) -> asyncio.Lock:  # type: ignore[override]  # djanorm's is one for all loops
        return self._here().lock

    @property
    def _conn(self) -> Any:
        return self._here().connection

    @_conn.setter
    def _conn(self, connection: Any) -> None:
        self._here().connection = connection

    async def _check_loop(self) -> None:
        for loop in [loop for loop in self._loops if loop.is_closed()]:
            _close_without_loop(self._loops.pop(loop).connection)

    async def _get_conn(self) -> Any:
        here = self._here()
        if here.connection is None:
            here.connection = await self._new_connection()
        return here.connection

    async def _new_connection(self) -> Any:
        level = None if self._autocommit else "DEFERRED"
        connection = await turso.aio.connect(self.database, experimental_features=FEATURES, isolation_level=level)
        connection.row_factory = turso.Row
        for pragma in ("PRAGMA foreign_keys = ON", PATIENCE):
            await connection.execute(pragma)
        return connection

    async def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> AsyncIterator[Any]:
        async with self._operation_conn() as connection:
            cursor = await connection.execute(self._adapt(sql), params or [])
            try:
                while rows := await cursor.fetchmany(chunk_size):
                    for row in rows:
                        yield row
            finally:
                await cursor.close()

    async def execute_script(self, sql: str) -> None:
        async with self._operation_conn() as connection:
            await connection.executescript(sql)

    def pool_stats(self) -> dict[str, Any]:
        return {"open": any(here.connection for here in self._loops.values()), "vendor": self.vendor}

    def force_close_sync(self) -> None:
        while self._loops:
            _close_without_loop(self._loops.popitem()[1].connection)


def _close_without_loop(connection: Any) -> None:
    """Close a connection whose event loop may be gone, on the thread that owns it."""
    if connection is None or connection._closed:
        return

    def close() -> object:
        # What this returns ends the thread before it reports to its loop.
        connection._conn.close()
        return STOP_RUNNING_SENTINEL

    connection._queue.put_nowait((Future(), close))
    connection._worker.join(timeout=5)
    connection._closed = True
