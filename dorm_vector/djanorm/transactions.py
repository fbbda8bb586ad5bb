"""Transactions that are interrupted by what is no Exception: each of djanorm's wrappers has an ``atomic()`` of its own.

Those of its async SQLite wrapper are in ``async_transactions``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from .repairs import repair


class _Interrupted(Exception):
    """Takes the place of an interruption that is no Exception, so that djanorm rolls back."""


@repair("dorm.db.backends.sqlite:SQLiteDatabaseWrapper", "atomic")
@repair("dorm.db.backends.mysql:MySQLDatabaseWrapper", "atomic", name="interrupted_transactions")
@repair("dorm.db.backends.postgresql:PostgreSQLDatabaseWrapper", "atomic", name="interrupted_transactions")
@contextmanager
def interrupted_transactions(original: Any, wrapper: Any) -> Iterator[None]:
    """Roll back what Ctrl-C, ``sys.exit()`` or the cancellation of a task interrupts.

    Symptom: half of an interrupted ``atomic()`` stays in an open transaction, and the next write commits it; on
    PostgreSQL, and with ``aatomic()``, half of an inner block is committed with the outer one. Cause: a
    KeyboardInterrupt or a CancelledError is no ``Exception``. djanorm 4.3 to 4.5.
    """
    interruption: BaseException | None = None
    try:
        with original(wrapper):
            try:
                yield
            except Exception:
                raise
            except BaseException as error:
                interruption = error
                raise _Interrupted from error
    except _Interrupted:
        if interruption is None:
            raise
        raise interruption from None


@repair("dorm.db.backends.mysql:MySQLAsyncDatabaseWrapper", "aatomic", name="interrupted_transactions")
@repair("dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper", "aatomic", name="interrupted_transactions")
@asynccontextmanager
async def _interrupted_async_transactions(original: Any, wrapper: Any) -> AsyncIterator[None]:
    interruption: BaseException | None = None
    try:
        async with original(wrapper):
            try:
                yield
            except Exception:
                raise
            except BaseException as error:
                interruption = error
                raise _Interrupted from error
    except _Interrupted:
        if interruption is None:
            raise
        raise interruption from None
