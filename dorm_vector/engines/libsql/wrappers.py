"""djanorm's engine ``hrana``: its SQLite wrappers, over libSQL connections.

libSQL accepts the SQL that djanorm generates for vendor ``sqlite``: altering a column rebuilds the table, checks are in
CREATE TABLE, and so on. For vendor ``libsql``, djanorm would skip the rebuild. Only ``dialect`` distinguishes the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from threading import get_ident
from typing import Any

from dorm.db.backends.sqlite import (
    _JOURNAL_MODE_SQL,
    SQLiteAsyncDatabaseWrapper,
    SQLiteDatabaseWrapper,
    _validate_journal_mode,
)
from dorm.db.utils import log_query, normalize_db_exception

from ...patching import registry
from .. import event_loops, forking
from ..ended_threads import owned
from ..forked_transactions import aleft_to_the_parent
from ..sqlite.transactions import async_transactions, opened
from .address import Address, address_of
from .async_connection import AsyncConnection
from .connection import Connection, Transport

DIALECT = "hrana"

registry.install(SQLiteDatabaseWrapper.__module__)


class HranaDatabaseWrapper(SQLiteDatabaseWrapper):
    """One connection per thread. ``URL`` is a file, ``:memory:`` or a server, whose ``AUTH_TOKEN`` is never shown."""

    dialect = DIALECT

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._address = address_of(settings)
        self.database, self.default_transaction_mode = self._address.target, _mode(self._address)

    @property
    def is_remote(self) -> bool:
        """Return whether the database is on a server."""
        return self._address.is_remote

    def _new_connection(self) -> Any:
        return connect(self._address, self.settings)

    def get_connection(self) -> Any:
        """Return this thread's connection; a new one if the server closed it outside a transaction."""
        connection = getattr(self._local, "conn", None)
        if connection is not None and connection.is_lost and not self._atomic_depth:
            connection.close()
            connection = None
        if connection is None:
            connection = self._local.conn = self._new_connection()
            with self._conns_lock:
                self._conns[get_ident()] = connection
        return owned(self, connection)

    def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> Iterator[Any]:
        with log_query(self.vendor, sql, params):
            try:
                rows = self.get_connection().stream(self._adapt(sql), params or [], chunk_size)
            except Exception as error:
                normalize_db_exception(error)
                raise
        yield from rows

    def pool_stats(self) -> dict[str, Any]:
        """Return whether this thread has a connection, and how many threads have one."""
        with self._conns_lock:
            opened: list[Any] = list(self._conns.values())
        live = sum(not connection.is_lost for connection in opened)
        connection = getattr(self._local, "conn", None)
        return {"open": connection is not None and not connection.is_lost, "connections": live, "vendor": self.vendor}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._address.target}>"


class HranaAsyncDatabaseWrapper(SQLiteAsyncDatabaseWrapper):
    """One connection per event loop, each in its own thread."""

    dialect = DIALECT
    _loops: dict[asyncio.AbstractEventLoop, dict[str, Any]]
    _conn: Any = event_loops.CONNECTION["_conn"]
    _lock: Any = event_loops.CONNECTION["_lock"]

    def __init__(self, settings: dict[str, Any]) -> None:
        self._address = address_of(settings)
        self.settings, self.database = settings, self._address.target
        self.default_transaction_mode = _mode(self._address)
        self._autocommit = False
        event_loops.per_event_loop(self, event_loops.CONNECTION)

    async def _check_loop(self) -> None:
        event_loops.release(self, event_loops.closed(self), _close)

    async def _new_connection(self) -> Any:
        return await AsyncConnection.open(lambda: connect(self._address, self.settings))

    async def _get_conn(self) -> Any:
        if self._conn is not None and self._conn.is_lost:
            self._conn.close_without_loop()
            self._conn = None
        if self._conn is None:
            self._conn = await opened(self._new_connection())
        return self._conn

    def aatomic(self) -> AbstractAsyncContextManager[None]:  # type: ignore[override]  # djanorm's is a decorator's
        # Not through the repair, which a setting can turn off: without BEGIN, each statement commits on its own here.
        return aleft_to_the_parent(async_transactions(None, self))

    async def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> AsyncIterator[Any]:
        async with self._operation_conn() as connection:
            with log_query(self.vendor, sql, params):
                try:
                    async for row in connection.stream(self._adapt(sql), params or [], chunk_size):
                        yield row
                except Exception as error:
                    normalize_db_exception(error)
                    raise

    async def set_autocommit(self, enabled: bool) -> None:
        # Outside a transaction, each statement commits on its own either way.
        self._autocommit = enabled

    def pool_stats(self) -> dict[str, Any]:
        """Return whether a connection is open, and how many event loops have one."""
        opened = [here["_conn"] for here in self._loops.values() if here.get("_conn") is not None]
        live = sum(not connection.is_lost for connection in opened)
        return {"open": live > 0, "connections": live, "vendor": self.vendor}

    def force_close_sync(self) -> None:
        event_loops.release(self, tuple(self._loops), _close)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._address.target}>"


def _mode(address: Address) -> str:
    # A server can revoke the lock of a transaction that keeps others waiting, and a token may be read-only.
    return "DEFERRED" if address.is_remote else "IMMEDIATE"


def connect(address: Address, settings: dict[str, Any]) -> Connection:
    """Open a connection to the file or the server."""
    if address.is_remote:
        from .remote import Remote

        return Connection(forking.share(Remote(address)))
    from .embedded import Embedded

    mode = settings.get("OPTIONS", {}).get("journal_mode")
    pragmas = ["PRAGMA foreign_keys = ON"] + ([_JOURNAL_MODE_SQL[_validate_journal_mode(mode)]] if mode else [])
    transport: Transport = Embedded(address)
    connection = Connection(transport)
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _close(wrapper: HranaAsyncDatabaseWrapper) -> None:
    if wrapper._conn is not None:
        wrapper._conn.close_without_loop()
