"""Repairs of djanorm's async MySQL and MariaDB connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import cache, partial
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE, log_query
from dorm.signals import pre_query

from ..engines.async_blocks import statement_lock
from ..engines.ended import require_unended
from ..patching.registry import is_on, repair
from ..patching.stand_ins import AsyncStatements, finished
from .mysql import (
    STEP,
    averages_precisely,
    counts_matched_rows,
    generates,
    inserts_many,
    keys,
    matched,
    measure_precisely,
)

_WRAPPER = "dorm.db.backends.mysql:MySQLAsyncDatabaseWrapper"

_MODE = "SET SESSION sql_mode='ANSI_QUOTES'"

# The mode that djanorm sets on a sync connection.
_STRICT_MODE = "SET SESSION sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES'"


class BorrowedConnection:
    """The connection of an open transaction, lent to one statement, which must not end the transaction."""

    def __init__(self, connection: Any, lock: asyncio.Lock) -> None:
        self._connection, self._lock = connection, lock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def commit(self) -> None:
        """Do nothing, because the transaction commits."""

    async def rollback(self) -> None:
        """Do nothing, because the transaction rolls back."""

    def give_back(self) -> None:
        self._lock.release()


@repair(_WRAPPER, "_acquire", fixed_in="5.0")
async def statements_in_their_transaction(original: Any, wrapper: Any) -> Any:
    """Run the statements inside ``aatomic()`` on the connection of their transaction.

    Symptom: all writes inside ``aatomic()`` are lost, and so are those of ``abulk_create``, ``abulk_update`` and
    ``aget_or_create``. Cause: each statement opens its own connection, and closes it without a commit. djanorm 4.4 and
    4.5.
    """
    state = ASYNC_ATOMIC_STATE.get()
    if state is None or state[0] is not wrapper:
        return await original(wrapper)
    require_unended(state[1])
    lock = statement_lock(state[1])
    # With gather() inside the block, one statement runs at a time.
    await lock.acquire()
    return BorrowedConnection(state[1], lock)


@repair(_WRAPPER, "_release", name="statements_in_their_transaction", fixed_in="5.0")
async def _release(original: Any, wrapper: Any, connection: Any) -> None:
    if isinstance(connection, BorrowedConnection):
        connection.give_back()
    else:
        await original(wrapper, connection)


@repair(_WRAPPER, "_acquire", name="matched_rows", is_fixed=counts_matched_rows)
async def _matched_rows(original: Any, wrapper: Any) -> Any:
    connection = await original(wrapper)
    vars(connection)["cursorclass"] = _matching(connection.cursorclass)
    return connection


@cache
def _matching(cursor: Any) -> Any:
    if hasattr(cursor, "dorm_vector_matching"):
        return cursor

    class MatchingCursor(cursor):  # type: ignore[misc]  # the base class is a parameter
        dorm_vector_matching = True
        _rowcount: int

        async def execute(self, query: str, args: Any = None) -> Any:
            changed = await super().execute(query, args)
            self._rowcount = matched(self._result, self._rowcount)
            return changed

    return MatchingCursor


@repair(_WRAPPER, "_acquire", name="precise_averages", is_fixed=averages_precisely)
async def _precise_averages(original: Any, wrapper: Any) -> Any:
    measure_precisely(wrapper)
    return await original(wrapper)


@repair(_WRAPPER, "_acquire", fixed_in="5.0")
async def strict_async_writes(original: Any, wrapper: Any) -> Any:
    """Make the server reject on an async connection what it rejects on a sync one.

    Symptom: a vector that the column cannot hold is stored as zeros, and other values are truncated, with a warning
    that is not shown. Cause: ``STRICT_ALL_TABLES`` is set only on sync connections. djanorm 4.3 to 4.5.
    """
    connection = await original(wrapper)
    vars(connection)["cursorclass"] = _strict(connection.cursorclass)
    return connection


@cache
def _strict(cursor: Any) -> Any:
    """Return the cursor class with djanorm's sql_mode statement made strict, and sent once per connection."""
    if hasattr(cursor, "dorm_vector_strict"):
        return cursor

    class StrictCursor(cursor):  # type: ignore[misc]  # the base class is a parameter
        dorm_vector_strict = True
        connection: Any

        async def execute(self, query: str, args: Any = None) -> Any:
            if query != _MODE or not is_on("strict_async_writes"):
                return await super().execute(query, args)
            connection = vars(self.connection)
            if not connection.get("_dorm_vector_strict"):
                await _be_strict(self.connection)
                connection["_dorm_vector_strict"] = True
            return None

    return StrictCursor


async def _be_strict(connection: Any) -> None:
    # Not through the cursor, which would turn MySQL's note about merging the strict modes into a Python warning.
    await connection.query(_STRICT_MODE)


def _tells_of_its_statements() -> bool:
    async def acquire() -> Any:
        return AsyncStatements()

    async def release(_connection: Any) -> None:
        """Do nothing, because nothing is open."""

    heard: list[Any] = []
    listener = _of_the_probe(heard)
    wrapper = _wrapper()
    wrapper._acquire, wrapper._release = acquire, release
    pre_query.connect(listener, weak=False, dispatch_uid=_PROBE)
    try:
        finished(wrapper.execute(_PROBE))
    finally:
        pre_query.disconnect(dispatch_uid=_PROBE)
    return _PROBE in heard


_PROBE = "SELECT 'a probe of dorm_vector'"


def _of_the_probe(heard: list[Any]) -> Any:
    def hear(sender: str, sql: str, **_more: Any) -> None:
        heard.append(sql)

    return hear


def _wrapper() -> Any:
    from dorm.db.backends.mysql import MySQLAsyncDatabaseWrapper

    return MySQLAsyncDatabaseWrapper({})


@repair(_WRAPPER, "execute", name="async_query_log", is_fixed=_tells_of_its_statements)
@repair(_WRAPPER, "execute_write", name="async_query_log", is_fixed=_tells_of_its_statements)
@repair(_WRAPPER, "execute_insert", is_fixed=_tells_of_its_statements)
async def async_query_log(original: Any, wrapper: Any, sql: str, params: Any = None, **options: Any) -> Any:
    """Report async statements to the query log, the signals and the slow query measurement.

    Symptom: ``pre_query`` and ``post_query`` never fire for async statements. Cause: only the sync connection calls
    ``log_query``. djanorm 4.3 to 4.5.
    """
    with log_query(wrapper.vendor, sql, params):
        return await original(wrapper, sql, params, **options)


@repair(_WRAPPER, "execute_bulk_insert", name="bulk_insert", added=True, is_fixed=inserts_many)
async def _bulk_insert(
    _absent: Any, wrapper: Any, sql: str, params: Any = None, pk_col: str = "id", count: int = 1
) -> list[int]:
    first = await wrapper.execute_insert(sql, params, pk_col=pk_col)
    if not generates(sql, pk_col, first):
        return []
    (step,) = await wrapper.execute(STEP)
    return keys(first, count, step)


def _has(*attributes: str) -> bool:
    return all(hasattr(_wrapper(), attribute) for attribute in attributes)


@repair(_WRAPPER, "execute_streaming", added=True, is_fixed=partial(_has, "execute_streaming"))
async def async_streaming(
    _absent: Any, wrapper: Any, sql: str, params: Any = None, chunk_size: int = 1000
) -> AsyncIterator[dict[str, Any]]:
    """Stream rows from an async connection.

    Symptom: ``aiterator(chunk_size=…)`` raises AttributeError. Cause: the async connection lacks ``execute_streaming``.
    Inside a transaction, which has only one connection, all rows are read at once. djanorm 4.3 to 4.5.
    """
    if wrapper._in_async_atomic():
        for row in await wrapper.execute(sql, params):
            yield row
        return
    connection = await wrapper._acquire()
    try:
        async for row in _rows(connection, sql, params, chunk_size):
            yield row
    finally:
        await wrapper._release(connection)


async def _rows(connection: Any, sql: str, params: Any, chunk_size: int) -> AsyncIterator[dict[str, Any]]:
    from aiomysql import SSCursor

    cursor = await connection.cursor(SSCursor)
    try:
        await _be_strict(connection)
        await cursor.execute(sql, tuple(params or ()))
        names = [column[0] for column in cursor.description]
        while rows := await cursor.fetchmany(chunk_size):
            for row in rows:
                yield dict(zip(names, row, strict=True))
    except BaseException:
        # The reader stopped early, and closing avoids reading the remaining rows.
        connection.close()
        raise
    await cursor.close()


@repair(_WRAPPER, "execute_script", added=True, is_fixed=partial(_has, "execute_script"))
async def async_script(_absent: Any, wrapper: Any, sql: str) -> None:
    """Run the statements of a script on an async connection.

    Symptom: ``execute_script()`` raises AttributeError. Cause: the async connection lacks it. djanorm 4.3 to 4.5.
    """
    from dorm.db.backends.sqlite import _split_statements

    for statement in _split_statements(sql):
        await wrapper.execute_write(statement)


_introspects = partial(_has, "table_exists", "get_table_columns")


@repair(_WRAPPER, "table_exists", added=True, is_fixed=_introspects)
async def async_introspection(_absent: Any, wrapper: Any, table_name: str) -> bool:
    """Introspect tables and columns on an async connection.

    Symptom: ``table_exists()`` and ``get_table_columns()`` raise AttributeError. Cause: the async connection lacks
    them. djanorm 4.3 to 4.5.
    """
    query = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
    return bool(await wrapper.execute(query, [table_name]))


@repair(_WRAPPER, "get_table_columns", name="async_introspection", added=True, is_fixed=_introspects)
async def _get_table_columns(_absent: Any, wrapper: Any, table_name: str) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = await wrapper.execute(
        "SELECT column_name AS name, data_type AS type, is_nullable AS is_nullable, column_default AS column_default"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " ORDER BY ordinal_position",
        [table_name],
    )
    return columns
