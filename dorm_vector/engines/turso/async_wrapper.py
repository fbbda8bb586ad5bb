"""The async wrapper of Turso: djanorm's SQLite wrapper over ``turso.aio``, one connection per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import turso.aio
from dorm.db.backends.libsql import LibSQLAsyncDatabaseWrapper
from dorm.db.backends.sqlite import SQLiteAsyncDatabaseWrapper
from turso.lib_sync_aio import ConnectionSync
from turso.worker import STOP_RUNNING_SENTINEL

from .. import event_loops, forked_files
from ..driver_errors import raising_ours
from ..sqlite.transactions import opened
from ..statements import statements
from . import replica
from .driver import FEATURES, PATIENCE, let_go, one_process_at_a_time, replica_of


class TursoAsyncWrapper(LibSQLAsyncDatabaseWrapper):
    """djanorm's async libsql wrapper, with the features of its SQLite wrapper."""

    execute = SQLiteAsyncDatabaseWrapper.execute
    execute_write = SQLiteAsyncDatabaseWrapper.execute_write
    execute_insert = SQLiteAsyncDatabaseWrapper.execute_insert

    _loops: dict[asyncio.AbstractEventLoop, dict[str, Any]]
    _conn: Any = event_loops.CONNECTION["_conn"]
    _lock: Any = event_loops.CONNECTION["_lock"]

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        event_loops.per_event_loop(self, event_loops.CONNECTION)

    async def _check_loop(self) -> None:
        event_loops.release(self, event_loops.closed(self), _close)

    async def _get_conn(self) -> Any:
        if self._conn is None:
            self._conn = await opened(self._new_connection())
        return self._conn

    async def _new_connection(self) -> Any:
        level = None if self._autocommit else "DEFERRED"
        with one_process_at_a_time(self):
            connection = await self._opening({"experimental_features": FEATURES, "isolation_level": level})
        forked_files.share(connection._conn)
        connection.row_factory = turso.Row
        for pragma in ("PRAGMA foreign_keys = ON", PATIENCE):
            await connection.execute(pragma)
        return connection

    def _opening(self, options: dict[str, Any]) -> Any:
        if not self.sync_url:
            return turso.aio.connect(self.database, **options)
        options |= {"remote_url": self.sync_url, "auth_token": self.auth_token}
        return ConnectionSync(lambda: replica.connect(self.database, **options))

    async def close(self) -> None:
        connection = self._conn
        await SQLiteAsyncDatabaseWrapper.close(self)
        if connection is not None:
            _release(connection)

    async def push(self) -> None:
        with raising_ours():
            async with replica_of(self)._operation_conn() as connection:
                await connection.push()

    async def pull(self) -> bool:
        with raising_ours():
            async with replica_of(self)._operation_conn() as connection:
                return bool(await connection.pull())

    async def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> AsyncIterator[Any]:
        with raising_ours(sql):
            async for row in self._streamed(sql, params, chunk_size):
                yield row

    async def _streamed(self, sql: str, params: Any, chunk_size: int) -> AsyncIterator[Any]:
        async with self._operation_conn() as connection:
            cursor = await connection.execute(self._adapt(sql), params or [])
            try:
                while rows := await cursor.fetchmany(chunk_size):
                    for row in rows:
                        yield row
            finally:
                await cursor.close()

    async def execute_script(self, sql: str) -> None:
        with raising_ours():
            async with self._operation_conn() as connection:
                # pyturso's executescript() commits first.
                for statement in statements(sql) if self._in_atomic() else ():
                    await connection.execute(statement)
                if not self._in_atomic():
                    await connection.executescript(sql)

    def pool_stats(self) -> dict[str, Any]:
        return {"open": any(here.get("_conn") for here in self._loops.values()), "vendor": self.vendor}

    def force_close_sync(self) -> None:
        event_loops.release(self, tuple(self._loops), _close)


def _close(wrapper: TursoAsyncWrapper) -> None:
    """Close a connection on the thread that owns it, because its event loop may be gone."""
    connection = wrapper._conn
    if connection is None or connection._closed:
        return

    def close() -> object:
        # The returned sentinel ends the thread before it reports to its loop.
        connection._conn.close()
        return STOP_RUNNING_SENTINEL

    connection._queue.put_nowait((Future(), close))
    connection._worker.join(timeout=5)
    connection._closed = True
    _release(connection)


def _release(connection: Any) -> None:
    # The driver holds the file and its lock until the object is freed, and the object is part of a reference cycle.
    blocking, connection._conn = connection._conn, None
    let_go(blocking)
