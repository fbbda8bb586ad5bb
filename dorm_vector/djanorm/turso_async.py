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

from . import loops
from .async_transactions import opened
from .turso import FEATURES, PATIENCE


def adopt(wrapper: Any) -> None:
    """Make the new wrapper one of ours."""
    wrapper.__class__ = LocalAsyncWrapper
    loops.adopt(wrapper, loops.CONNECTION)


class LocalAsyncWrapper(LibSQLAsyncDatabaseWrapper):
    """djanorm's async libsql wrapper, where the database is a file of this machine."""

    execute = SQLiteAsyncDatabaseWrapper.execute
    execute_write = SQLiteAsyncDatabaseWrapper.execute_write
    execute_insert = SQLiteAsyncDatabaseWrapper.execute_insert
    close = SQLiteAsyncDatabaseWrapper.close

    _loops: dict[asyncio.AbstractEventLoop, dict[str, Any]]

    async def _check_loop(self) -> None:
        loops.release(self, loops.closed(self), _close)

    async def _get_conn(self) -> Any:
        if self._conn is None:
            self._conn = await opened(self._new_connection())
        return self._conn

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
        return {"open": any(here.get("_conn") for here in self._loops.values()), "vendor": self.vendor}

    def force_close_sync(self) -> None:
        loops.release(self, tuple(self._loops), _close)


def _close(wrapper: LocalAsyncWrapper) -> None:
    """Close a connection whose event loop may be gone, on the thread that owns it."""
    connection = wrapper._conn
    if connection is None or connection._closed:
        return

    def close() -> object:
        # What this returns ends the thread before it reports to its loop.
        connection._conn.close()
        return STOP_RUNNING_SENTINEL

    connection._queue.put_nowait((Future(), close))
    connection._worker.join(timeout=5)
    connection._closed = True
