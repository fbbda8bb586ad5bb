"""Transactions that are interrupted by what is no Exception: each of djanorm's wrappers has an ``atomic()`` of its own.

Those of its async SQLite wrapper are in ``async_transactions``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..patching.registry import repair


class _Interrupted(Exception):
    """Takes the place of an interruption that is no Exception, so that djanorm rolls back."""

    def __init__(self, by: BaseException) -> None:
        super().__init__(by)
        self.by = by


@contextmanager
def _as_exceptions() -> Iterator[None]:
    try:
        yield
    except Exception:
        raise  # djanorm rolls back for these by itself
    except BaseException as error:
        raise _Interrupted(error) from error


@contextmanager
def _as_they_were() -> Iterator[None]:
    try:
        yield
    except _Interrupted as interrupted:
        raise interrupted.by from None


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
    with _as_they_were(), original(wrapper), _as_exceptions():
        yield


@repair("dorm.db.backends.mysql:MySQLAsyncDatabaseWrapper", "aatomic", name="interrupted_transactions")
@repair("dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper", "aatomic", name="interrupted_transactions")
@asynccontextmanager
async def _interrupted_async_transactions(original: Any, wrapper: Any) -> AsyncIterator[None]:
    with _as_they_were():
        async with original(wrapper):
            with _as_exceptions():
                yield
