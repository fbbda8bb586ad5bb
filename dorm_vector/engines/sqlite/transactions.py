"""Begin and end the transactions of djanorm's SQLite wrappers, and of Turso's, at the right time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE
from dorm.exceptions import IntegrityError

from ...patching.registry import repair
from ...patching.stand_ins import AsyncStatements, Statements, finished
from ..async_blocks import savepoint, transaction
from ..open_transactions import noted_where_it_ends
from ..uncancelled import undone
from .locking import abegin

_SQLITE = "dorm.db.backends.sqlite"


def _begins() -> bool:
    from dorm.db.backends.sqlite import SQLiteAsyncDatabaseWrapper

    connection = AsyncStatements()
    wrapper: Any = SQLiteAsyncDatabaseWrapper({})
    # The event loop does not matter for this check, and none may be running.
    wrapper._check_loop, wrapper._get_conn = _nothing, _returning(connection)
    block = wrapper.aatomic()
    finished(block.__aenter__())
    finished(block.__aexit__(None, None, None))
    return any(statement.startswith("BEGIN") for statement in connection)


async def _nothing() -> None:
    """Skip the check of the event loop, because a probe runs without one."""


def _returning(value: Any) -> Any:
    async def get() -> Any:
        return value

    return get


@repair(f"{_SQLITE}:SQLiteAsyncDatabaseWrapper", "aatomic", is_fixed=_begins)
def async_transactions(original: Any, wrapper: Any) -> AbstractAsyncContextManager[None]:
    """Begin and end transactions with the ``aatomic()`` block.

    Symptom: the writes of an inner block remain if the outer block fails before its own first write, and the writes of
    a cancelled task are committed by the next writer. Cause: without BEGIN, the inner savepoint is the transaction, and
    a cancellation is not an ``Exception``. djanorm 4.3 to 4.5.
    """
    state = ASYNC_ATOMIC_STATE.get()
    inside = state is not None and state[0] is wrapper
    return savepoint(wrapper, *state[1:]) if inside else _transaction(wrapper)


@asynccontextmanager
async def _transaction(wrapper: Any) -> AsyncIterator[None]:
    await wrapper._check_loop()
    async with wrapper._lock:
        connection = await wrapper._get_conn()
        async with transaction(wrapper, connection, lambda connection: abegin(connection, wrapper)):
            yield


@asynccontextmanager
async def _undone_where_it_fails(connection: Any) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        # Wait for the connection's current statement, and finish even if the task is cancelled again.
        await undone(connection.rollback())
        raise


class _Failing(Statements):
    in_transaction = True

    def execute(self, sql: str, params: Any = None) -> Any:
        if sql.startswith("INSERT"):
            raise IntegrityError(sql)


def _undoes_what_failed() -> bool:
    from dorm.db.backends.sqlite import SQLiteDatabaseWrapper

    wrapper, connection = SQLiteDatabaseWrapper({}), _Failing()
    wrapper._local.conn = connection
    with suppress(IntegrityError):
        wrapper.execute_write("INSERT")
    return "ROLLBACK" in connection


@repair(f"{_SQLITE}:SQLiteDatabaseWrapper", "execute_write", is_fixed=_undoes_what_failed)
@repair(f"{_SQLITE}:SQLiteDatabaseWrapper", "execute_insert", name="failed_statements", is_fixed=_undoes_what_failed)
@repair(
    f"{_SQLITE}:SQLiteDatabaseWrapper", "execute_bulk_insert", name="failed_statements", is_fixed=_undoes_what_failed
)
@repair(
    f"{_SQLITE}:SQLiteDatabaseWrapper",
    "execute_bulk_insert_returning",
    name="failed_statements",
    is_fixed=_undoes_what_failed,
)
def failed_statements(original: Any, wrapper: Any, *args: Any, **options: Any) -> Any:
    """Roll back a statement that failed or was cancelled outside a transaction.

    Symptom: after a ``create()`` that violated a constraint, or an ``acreate()`` ended by ``asyncio.timeout()``, every
    other connection waits for the database lock, and the next writer commits the abandoned change.
    Cause: the driver has begun a transaction, and nothing ends it. djanorm 4.3 to 4.5.
    """
    try:
        return original(wrapper, *args, **options)
    except BaseException:
        if not wrapper._atomic_depth:
            wrapper.rollback()
        raise


@repair(
    f"{_SQLITE}:SQLiteAsyncDatabaseWrapper", "_operation_conn", name="failed_statements", is_fixed=_undoes_what_failed
)
@asynccontextmanager
async def _failed_async_statements(original: Any, wrapper: Any) -> AsyncIterator[Any]:
    async with original(wrapper) as connection:
        if wrapper._in_atomic():
            with noted_where_it_ends(connection):
                yield connection
            return
        async with _undone_where_it_fails(connection):
            yield connection


async def opened(opening: Coroutine[Any, Any, Any]) -> Any:
    """Await a new connection; if the task is cancelled meanwhile, close the connection."""
    task = asyncio.ensure_future(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            await task.result().close()
        raise
