"""Transactions interrupted by an exception that is not an Exception; each djanorm wrapper has its own ``atomic()``.

For the async SQLite wrapper, see ``engines.sqlite.transactions``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE

from ...engines.async_blocks import savepoint, statement_lock, transaction
from ...engines.ended import mark_ended
from ...engines.open_transactions import amysql_is_open
from ...engines.uncancelled import PATIENCE, finished, undone
from ...patching.registry import repair
from ...patching.stand_ins import AsyncStatements, Statements
from ...patching.stand_ins import finished as run_at_once
from .lost import Ends, may_roll_back, require_open

_BACKENDS = "dorm.db.backends"

_NAME = "interrupted_transactions"


class _Interrupted(Exception):
    """Replaces an interruption that is not an Exception, so that djanorm rolls back."""

    def __init__(self, by: BaseException) -> None:
        super().__init__(by)
        self.by = by


@contextmanager
def _as_exceptions() -> Iterator[None]:
    try:
        yield
    except Exception:
        raise  # djanorm rolls back for these on its own
    except BaseException as error:
        raise _Interrupted(error) from error


@contextmanager
def _as_they_were() -> Iterator[None]:
    try:
        yield
    except _Interrupted as interrupted:
        raise interrupted.by from None


class _Interruption(BaseException):
    """A stand-in for KeyboardInterrupt, or for the cancellation of a task."""


def _interrupted(block: Any) -> None:
    with suppress(_Interruption), block:
        raise _Interruption


def _is_undone_on_sqlite() -> bool:
    wrapper, connection = _wrapper("sqlite:SQLiteDatabaseWrapper"), Statements()
    wrapper.get_connection = lambda: connection
    connection.in_transaction = False  # type: ignore[attr-defined]  # sqlite3's
    _interrupted(wrapper.atomic())
    return "ROLLBACK" in connection


def _is_undone_on_mysql() -> bool:
    wrapper, connection = _wrapper("mysql:MySQLDatabaseWrapper"), Statements()
    wrapper.get_connection = lambda: connection
    _interrupted(wrapper.atomic())
    return "ROLLBACK" in connection


def _is_undone_on_postgresql() -> bool:
    wrapper, connection = _wrapper("postgresql:PostgreSQLDatabaseWrapper"), Statements()
    # psycopg's own block rolls back the outer transaction, so only the inner one is checked.
    wrapper._local.atomic_conn, wrapper._local.atomic_depth = connection, 1
    _interrupted(wrapper.atomic())
    return "ROLLBACK TO SAVEPOINT _sp1" in connection


def _wrapper(name: str) -> Any:
    module, _, cls = name.partition(":")
    return getattr(sys.modules[f"{_BACKENDS}.{module}"], cls)({})


@repair(f"{_BACKENDS}.sqlite:SQLiteDatabaseWrapper", "atomic", is_fixed=_is_undone_on_sqlite)
@repair(f"{_BACKENDS}.mysql:MySQLDatabaseWrapper", "atomic", name=_NAME, is_fixed=_is_undone_on_mysql)
@repair(f"{_BACKENDS}.postgresql:PostgreSQLDatabaseWrapper", "atomic", name=_NAME, is_fixed=_is_undone_on_postgresql)
@contextmanager
def interrupted_transactions(original: Any, wrapper: Any) -> Iterator[None]:
    """Roll back a transaction that Ctrl-C, ``sys.exit()`` or a task's cancellation interrupts.

    Symptom: half of an interrupted ``atomic()`` stays in an open transaction, and the next write commits it; on
    PostgreSQL, half of an inner block is committed with the outer one. Cause: a KeyboardInterrupt or a CancelledError
    is not an ``Exception``. djanorm 4.3 to 4.5.
    """
    with _as_they_were(), original(wrapper), _as_exceptions():
        yield


_MYSQL = "dorm.db.backends.mysql:MySQLAsyncDatabaseWrapper"
_POSTGRESQL = "dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper"


def _undoes_a_cancelled_block(target: str) -> Callable[[], bool]:
    def is_fixed() -> bool:
        module, _, name = target.partition(":")
        wrapper, connection = getattr(sys.modules[module], name)({}), AsyncStatements()
        token = ASYNC_ATOMIC_STATE.set((wrapper, connection, 1))
        try:
            run_at_once(_cancelled(wrapper.aatomic()))
        finally:
            ASYNC_ATOMIC_STATE.reset(token)
        return "ROLLBACK TO SAVEPOINT _sp1" in connection

    return is_fixed


async def _cancelled(block: Any) -> None:
    with suppress(asyncio.CancelledError):
        async with block:
            raise asyncio.CancelledError


@repair(_POSTGRESQL, "aatomic", is_fixed=_undoes_a_cancelled_block(_POSTGRESQL))
@asynccontextmanager
async def cancelled_transactions(original: Any, wrapper: Any) -> AsyncIterator[None]:
    """Roll back an ``aatomic()`` block that is cancelled or times out at any of its statements.

    Symptom: the rows of an inner block that ``asyncio.timeout()`` ended are committed with the outer block, another
    exception replaces TimeoutError, and on MariaDB and MySQL the connection of the outer block is closed.
    Cause: a CancelledError is not an ``Exception``, and a cancelled SAVEPOINT, RELEASE or COMMIT may have taken effect
    anyway. djanorm 4.3 to 4.5.
    """
    from psycopg import Error

    held: list[Any] = []
    ends = Ends("PostgreSQL", Error, outermost=_held(wrapper) is None)
    with ends.translated(lambda: any(each.closed for each in held)):
        async with _postgresql_block(wrapper, held):
            with ends.block():
                yield
                require_open(held[0])


@asynccontextmanager
async def _postgresql_block(wrapper: Any, held: list[Any]) -> AsyncIterator[None]:
    state = _held(wrapper)
    if state is not None:
        _wrapper, connection, depth = state
        held.append(connection)
        async with savepoint(wrapper, connection, depth, PATIENCE):
            yield
        return
    async with (await wrapper._get_pool()).connection() as connection:
        held.append(connection)
        # psycopg begins the transaction with the first statement.
        async with transaction(wrapper, connection, None, PATIENCE):
            yield


@repair(_MYSQL, "aatomic", name="cancelled_transactions", is_fixed=_undoes_a_cancelled_block(_MYSQL))
@asynccontextmanager
async def _mysql_transactions(original: Any, wrapper: Any) -> AsyncIterator[None]:
    from pymysql import MySQLError

    held: list[Any] = []
    ends = Ends("MySQL", MySQLError, outermost=_held(wrapper) is None)
    with ends.translated(lambda: any(each.closed for each in held)):
        async with _mysql_block(wrapper, held):
            with ends.block():
                yield


@asynccontextmanager
async def _mysql_block(wrapper: Any, held: list[Any]) -> AsyncIterator[None]:
    state = _held(wrapper)
    if state is not None:
        _wrapper, connection, depth = state
        held.append(connection)
        async with savepoint(wrapper, connection, depth, PATIENCE):
            yield
        return
    connection = await wrapper._acquire()
    held.append(connection)
    try:
        async with transaction(wrapper, connection, _begin, PATIENCE):
            yield
    finally:
        await undone(wrapper._release(connection), PATIENCE)


async def _begin(connection: Any) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute("SET SESSION sql_mode='ANSI_QUOTES'")
    await connection.begin()


def _held(wrapper: Any) -> Any:
    """Return the wrapper, connection and depth of its open transaction."""
    state = ASYNC_ATOMIC_STATE.get()
    return state if state is not None and state[0] is wrapper else None


@repair(_MYSQL, "execute", name="cancelled_transactions", is_fixed=_undoes_a_cancelled_block(_MYSQL))
@repair(_MYSQL, "execute_write", name="cancelled_transactions", is_fixed=_undoes_a_cancelled_block(_MYSQL))
@repair(_MYSQL, "execute_insert", name="cancelled_transactions", is_fixed=_undoes_a_cancelled_block(_MYSQL))
async def _statement(original: Any, wrapper: Any, *args: Any, **options: Any) -> Any:
    state = _held(wrapper)
    if state is None:
        return await original(wrapper, *args, **options)
    try:
        # aiomysql closes the connection of a cancelled statement, which would end the outer block.
        return await finished(original(wrapper, *args, **options), PATIENCE)
    except Exception as error:
        await _note_a_rollback(state[1], error)
        raise


async def _note_a_rollback(connection: Any, error: Exception) -> None:
    if not may_roll_back(error):
        return
    async with statement_lock(connection):
        if not await amysql_is_open(connection):
            mark_ended(connection, error)
