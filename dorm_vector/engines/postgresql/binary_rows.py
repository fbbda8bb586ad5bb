"""Fetch the rows of searches in psycopg's binary format, with their vector columns unchanged.

``vector_send`` also returns the binary form in a text cursor, but PostgreSQL evaluates it for every row before sorting.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm.db.utils import awith_transient_retry, log_query, normalize_db_exception, with_transient_retry

from ...patching.registry import hook
from ..statement import Statement, is_binary
from .cursors import binary_cursor, release
from .idle_connections import ataken, taken

_POSTGRESQL = "dorm.db.backends.postgresql"


_PREPARED = "dorm_vector_prepared"

_IDLE = 0  # psycopg.pq.TransactionStatus, copied so that psycopg need not be imported


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_exec")
def binary_rows(original: Any, wrapper: Any, connection: Any, sql: str, params: Any, **options: Any) -> Any:
    """Fetch the rows of a search in binary.

    Symptom: an exact search on PostgreSQL is five times slower than necessary. Cause: djanorm's cursors use the text
    format. There, only ``vector_send`` is compact, and it is called for each row that is sorted. djanorm 4.3 to 4.5.
    """
    if not (isinstance(sql, Statement) and sql.binary):
        return original(wrapper, connection, sql, params, **options)
    alone = _begins_alone(connection)
    try:
        if not sql.options:
            return _rows(connection, sql, params)
        with _together(connection):
            with _logged(sql.options, []):
                connection.execute(sql.options)
            return _rows(connection, sql, params)
    finally:
        connection._autocommit = connection._autocommit and not alone


def _rows(connection: Any, sql: Statement, params: Any) -> Any:
    with log_query("postgresql", sql, params):
        try:
            # Not in a `with` block: what closing a cursor frees goes with it.
            rows = binary_cursor(connection).execute(sql.plain, params or []).fetchall()
        except Exception as error:
            normalize_db_exception(error)
            raise
    release(connection, rows)
    return rows


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_aexec", name="binary_rows")
async def _async_rows(original: Any, wrapper: Any, connection: Any, sql: str, params: Any, **options: Any) -> Any:
    if not (isinstance(sql, Statement) and sql.binary):
        return await original(wrapper, connection, sql, params, **options)
    alone = _begins_alone(connection)
    try:
        if not sql.options:
            return await _arows(connection, sql, params)
        async with _together(connection):
            with _logged(sql.options, []):
                await connection.execute(sql.options)
            return await _arows(connection, sql, params)
    finally:
        connection._autocommit = connection._autocommit and not alone


async def _arows(connection: Any, sql: Statement, params: Any) -> Any:
    with log_query("postgresql", sql, params):
        try:
            rows = await (await binary_cursor(connection).execute(sql.plain, params or [])).fetchall()
        except Exception as error:
            normalize_db_exception(error)
            raise
    release(connection, rows)
    return rows


def _begins_alone(connection: Any) -> bool:
    """Switch to autocommit if no transaction is open, because BEGIN and COMMIT take two more round trips.

    Return whether to switch back.
    """
    alone = not connection._autocommit and connection.pgconn.transaction_status == _IDLE
    # psycopg's setter does the same under a lock, which an idle connection of ours does not need.
    connection._autocommit = connection._autocommit or alone
    return alone


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "execute", name="binary_rows")
def _by_the_pool(original: Any, wrapper: Any, sql: str, params: Any = None) -> Any:
    """Run a search on a pooled connection; djanorm looks up how often to try again before each statement."""
    if not is_binary(sql) or wrapper._atomic_conn is not None or wrapper._autocommit:
        return original(wrapper, sql, params)

    def run() -> Any:
        pool = _pool(wrapper)
        idle = taken(wrapper, pool)
        if idle is None:
            with pool.connection() as connection:
                return wrapper._exec(connection, sql, params)
        try:
            return wrapper._exec(idle, sql, params)
        finally:
            pool.putconn(idle)

    try:
        return run()
    except Exception as error:  # noqa: BLE001  # raised again as the first of djanorm's attempts
        failed = [error]

    def attempt() -> Any:
        if failed:
            raise failed.pop()
        return run()

    return with_transient_retry(attempt)


def _pool(wrapper: Any) -> Any:
    """Return the pool; what the package changes of a pool is looked at once."""
    pool = wrapper._pool
    if pool is None or _PREPARED not in vars(pool):
        pool = wrapper._get_pool()
        vars(pool)[_PREPARED] = True
    return pool


async def _apool(wrapper: Any) -> Any:
    """Return the pool of the running event loop, as above; another loop's may have to be closed first."""
    loops = vars(wrapper).get("_loops", ())
    pool = loops.get(get_running_loop(), {}).get("_pool") if len(loops) == 1 else None
    if pool is None or _PREPARED not in vars(pool):
        pool = await wrapper._get_pool()
        vars(pool)[_PREPARED] = True
    return pool


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "execute", name="binary_rows")
async def _by_the_async_pool(original: Any, wrapper: Any, sql: str, params: Any = None) -> Any:
    if not is_binary(sql) or wrapper._in_async_atomic():
        return await original(wrapper, sql, params)

    async def run() -> Any:
        chosen = await wrapper._choose_conn()
        if chosen is not None:
            return await wrapper._aexec(chosen, sql, params)
        pool = await _apool(wrapper)
        idle = await ataken(wrapper, pool)
        if idle is None:
            async with pool.connection() as connection:
                return await wrapper._aexec(connection, sql, params)
        try:
            return await wrapper._aexec(idle, sql, params)
        finally:
            await pool.putconn(idle)

    try:
        return await run()
    except Exception as error:  # noqa: BLE001  # as above
        failed = [error]

    async def attempt() -> Any:
        if failed:
            raise failed.pop()
        return await run()

    return await awith_transient_retry(attempt)


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
