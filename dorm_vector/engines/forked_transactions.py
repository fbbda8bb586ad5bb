"""Leave the transaction to the parent in a forked child, and register every connection for the fork."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

from dorm.exceptions import OperationalError

from ..patching.registry import hook
from . import forking

_SQLITE = "dorm.db.backends.sqlite"
_MYSQL = "dorm.db.backends.mysql"
_POSTGRESQL = "dorm.db.backends.postgresql"


@hook(f"{_SQLITE}:SQLiteDatabaseWrapper", "atomic", name="forked_transactions")
@hook(f"{_MYSQL}:MySQLDatabaseWrapper", "atomic", name="forked_transactions")
@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "atomic")
def forked_transactions(original: Any, wrapper: Any) -> AbstractContextManager[None]:
    """Never commit or roll back the parent's transaction in a child."""
    return _left_to_the_parent(original(wrapper))


@hook(f"{_SQLITE}:SQLiteAsyncDatabaseWrapper", "aatomic", name="forked_transactions")
@hook(f"{_MYSQL}:MySQLAsyncDatabaseWrapper", "aatomic", name="forked_transactions")
@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "aatomic", name="forked_transactions")
def _forked_async_transactions(original: Any, wrapper: Any) -> AbstractAsyncContextManager[None]:
    return aleft_to_the_parent(original(wrapper))


@contextmanager
def _left_to_the_parent(transaction: Any) -> Iterator[None]:
    process = os.getpid()
    with ExitStack() as block:
        block.enter_context(transaction)
        try:
            yield
        except BaseException:
            if os.getpid() != process:
                forking.keep(block.pop_all())
            raise
        if os.getpid() != process:
            forking.keep(block.pop_all())
            raise _not_ours(process)


@asynccontextmanager
async def aleft_to_the_parent(transaction: Any) -> AsyncIterator[None]:
    """Run the block of an async transaction; only the process that began it ends it."""
    process = os.getpid()
    async with AsyncExitStack() as block:
        await block.enter_async_context(transaction)
        try:
            yield
        except BaseException:
            if os.getpid() != process:
                forking.keep(block.pop_all())
            raise
        if os.getpid() != process:
            forking.keep(block.pop_all())
            raise _not_ours(process)


def _not_ours(process: int) -> OperationalError:
    return OperationalError(
        f"This atomic() block was entered by process {process}, which forked process {os.getpid()} inside of it. The"
        " transaction stays with the parent; what the child wrote was committed statement by statement. End the child"
        " with os._exit(), or fork outside of transactions."
    )


@hook(f"{_MYSQL}:MySQLDatabaseWrapper", "get_connection", name="shared_sockets")
def shared_sockets(original: Any, wrapper: Any) -> Any:
    """Register each server connection, so that a forked child leaves it alone."""
    return forking.share(original(wrapper))


@hook(f"{_MYSQL}:MySQLAsyncDatabaseWrapper", "_acquire", name="shared_sockets")
@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_get_autocommit_conn", name="shared_sockets")
async def _shared_async_sockets(original: Any, wrapper: Any) -> Any:
    return forking.share(await original(wrapper))


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_get_persistent_conn", name="shared_sockets")
def _shared_autocommit(original: Any, wrapper: Any) -> Any:
    return forking.share(original(wrapper))


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_get_pool", name="shared_sockets")
def _shared_pool(original: Any, wrapper: Any) -> Any:
    pool = original(wrapper)
    if forking.share_pool(pool):
        getconn = pool.getconn
        pool.getconn = lambda *args, **options: forking.share(getconn(*args, **options))
    return pool


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_get_pool", name="shared_sockets")
async def _shared_async_pool(original: Any, wrapper: Any) -> Any:
    pool = await original(wrapper)
    if forking.share_pool(pool):
        getconn = pool.getconn

        async def shared(*args: Any, **options: Any) -> Any:
            return forking.share(await getconn(*args, **options))

        pool.getconn = shared
    return pool
