"""The blocks of ``aatomic()``: atomic even if the task is cancelled at any of their statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE

from .ended import mark_begun, mark_ended, require_unended
from .uncancelled import concluded, finished, undone


@asynccontextmanager
async def transaction(
    wrapper: Any, connection: Any, begin: Callable[[Any], Awaitable[Any]] | None, patience: float | None = None
) -> AsyncIterator[None]:
    """Begin a transaction on the connection, and commit it after the block."""
    mark_begun(connection)
    token = ASYNC_ATOMIC_STATE.set((wrapper, connection, 1))
    try:
        if begin is not None:
            await finished(begin(connection), patience)
        yield
        require_unended(connection)
        await concluded(connection.commit, patience)
    except BaseException as error:
        failure = await undone(connection.rollback(), patience)
        if failure is not None:
            error.add_note(f"ROLLBACK failed, too: {failure!r}")
        raise
    finally:
        ASYNC_ATOMIC_STATE.reset(token)


@asynccontextmanager
async def savepoint(wrapper: Any, connection: Any, depth: int, patience: float | None = None) -> AsyncIterator[None]:
    """Keep or roll back the block's changes inside an open transaction."""
    require_unended(connection)
    name = f"_sp{depth}"
    token = ASYNC_ATOMIC_STATE.set((wrapper, connection, depth + 1))
    try:
        await finished(_run(connection, f"SAVEPOINT {name}"), patience)
        yield
        require_unended(connection)
        await concluded(lambda: _run(connection, f"RELEASE SAVEPOINT {name}"), patience)
    except BaseException:
        failure = await undone(_roll_back_to(connection, name), patience)
        if failure is not None:
            # The outer block would otherwise commit what this one failed to roll back.
            mark_ended(connection, failure)
        raise
    finally:
        ASYNC_ATOMIC_STATE.reset(token)


async def _roll_back_to(connection: Any, name: str) -> None:
    await _run(connection, f"ROLLBACK TO SAVEPOINT {name}")
    await _run(connection, f"RELEASE SAVEPOINT {name}")


async def _run(connection: Any, sql: str) -> None:
    # aiomysql's connection has query() instead of execute().
    if not hasattr(connection, "query"):
        await connection.execute(sql)
        return
    async with statement_lock(connection):
        await connection.query(sql)


def statement_lock(connection: Any) -> asyncio.Lock:
    """Return the lock that lets one task at a time use an aiomysql connection; tasks of ``gather()`` share one."""
    lock: asyncio.Lock = vars(connection).setdefault("_dorm_vector_lock", asyncio.Lock())
    return lock
