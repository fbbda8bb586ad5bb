"""Transactions of djanorm's async SQLite wrapper, which Turso's inherits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE

from .repairs import repair


@repair("dorm.db.backends.sqlite:SQLiteAsyncDatabaseWrapper", "aatomic")
def async_transactions(original: Any, wrapper: Any) -> AbstractAsyncContextManager[None]:
    """Begin and end the transactions of ``aatomic()`` where they begin and end.

    Symptom: what an inner block wrote stays when the outer one fails before its own first write, and what a cancelled
    task wrote is committed by the next writer. Cause: without BEGIN the inner savepoint is the transaction, and a
    cancellation is no ``Exception``. djanorm 4.3 to 4.5.
    """
    state = ASYNC_ATOMIC_STATE.get()
    inside = state is not None and state[0] is wrapper
    return _savepoint(wrapper, *state[1:]) if inside else _transaction(wrapper)


@asynccontextmanager
async def _transaction(wrapper: Any) -> AsyncIterator[None]:
    await wrapper._check_loop()
    async with wrapper._lock:
        connection = await wrapper._get_conn()
        await connection.execute("BEGIN")
        token = ASYNC_ATOMIC_STATE.set((wrapper, connection, 1))
        try:
            yield
            await connection.commit()
        except BaseException:
            await connection.rollback()
            raise
        finally:
            ASYNC_ATOMIC_STATE.reset(token)


@asynccontextmanager
async def _savepoint(wrapper: Any, connection: Any, depth: int) -> AsyncIterator[None]:
    name = f"_sp{depth}"
    await connection.execute(f"SAVEPOINT {name}")
    token = ASYNC_ATOMIC_STATE.set((wrapper, connection, depth + 1))
    try:
        yield
        await connection.execute(f"RELEASE SAVEPOINT {name}")
    except BaseException:
        await connection.execute(f"ROLLBACK TO SAVEPOINT {name}")
        await connection.execute(f"RELEASE SAVEPOINT {name}")
        raise
    finally:
        ASYNC_ATOMIC_STATE.reset(token)
