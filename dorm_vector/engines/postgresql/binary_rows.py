"""Fetch the rows of searches in psycopg's binary format, with their vector columns unchanged.

``vector_send`` also returns the binary form in a text cursor, but PostgreSQL evaluates it for every row before sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm.db.utils import log_query, normalize_db_exception

from ...patching.registry import hook
from ..statement import Statement

_POSTGRESQL = "dorm.db.backends.postgresql"


_IDLE = 0  # psycopg.pq.TransactionStatus, copied so that psycopg need not be imported


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_exec")
def binary_rows(original: Any, wrapper: Any, connection: Any, sql: str, params: Any, **options: Any) -> Any:
    """Fetch the rows of a search in binary.

    Symptom: an exact search on PostgreSQL is five times slower than necessary. Cause: djanorm's cursors use the text
    format. There, only ``vector_send`` is compact, and it is called for each row that is sorted. djanorm 4.3 to 4.5.
    """
    if not (isinstance(sql, Statement) and sql.binary):
        return original(wrapper, connection, sql, params, **options)
    with _by_itself(connection), connection.cursor(binary=True) as cursor:
        if not sql.options:
            return _rows(cursor, sql, params)
        with _together(connection):
            with _logged(sql.options, []):
                connection.execute(sql.options)
            return _rows(cursor, sql, params)


def _rows(cursor: Any, sql: str, params: Any) -> Any:
    with _logged(sql, params):
        return cursor.execute(str(sql), params or []).fetchall()


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_aexec", name="binary_rows")
async def _async_rows(original: Any, wrapper: Any, connection: Any, sql: str, params: Any, **options: Any) -> Any:
    if not (isinstance(sql, Statement) and sql.binary):
        return await original(wrapper, connection, sql, params, **options)
    with _by_itself(connection):
        async with connection.cursor(binary=True) as cursor:
            if not sql.options:
                return await _arows(cursor, sql, params)
            async with _together(connection):
                with _logged(sql.options, []):
                    await connection.execute(sql.options)
                return await _arows(cursor, sql, params)


async def _arows(cursor: Any, sql: str, params: Any) -> Any:
    with _logged(sql, params):
        return await (await cursor.execute(str(sql), params or [])).fetchall()


@contextmanager
def _by_itself(connection: Any) -> Iterator[None]:
    """Run the statement in autocommit if no transaction is open: BEGIN and COMMIT take two more round trips."""
    alone = not connection.autocommit and connection.pgconn.transaction_status == _IDLE
    # psycopg's setter does the same under a lock, which an idle connection of ours does not need.
    connection._autocommit = connection.autocommit or alone
    try:
        yield
    finally:
        connection._autocommit = connection.autocommit and not alone


def _together(connection: Any) -> Any:
    """Return a block for setting options: a pipeline is one transaction, and an open transaction is left unchanged."""
    if connection.pgconn.transaction_status == _IDLE:
        return connection.pipeline()
    return connection.transaction(force_rollback=True)


@contextmanager
def _logged(sql: str, params: Any) -> Iterator[None]:
    with log_query("postgresql", sql, params):
        try:
            yield
        except Exception as error:
            normalize_db_exception(error)
            raise
