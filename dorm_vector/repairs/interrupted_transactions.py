"""Transactions that are interrupted by what is no Exception: each of djanorm's wrappers has an ``atomic()`` of its own.

Those of its async SQLite wrapper are in ``async_transactions``.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE

from ..patching.registry import repair
from ..patching.stand_ins import AsyncStatements, Statements, finished

_BACKENDS = "dorm.db.backends"

_NAME = "interrupted_transactions"


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


class _Interruption(BaseException):
    """Stands for a KeyboardInterrupt, or for the cancellation of a task."""


def _interrupted(block: Any) -> None:
    with suppress(_Interruption), block:
        raise _Interruption


async def _ainterrupted(block: Any) -> None:
    with suppress(_Interruption):
        async with block:
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
    return "ROLLBACK" in connection and _is_undone_inside("mysql:MySQLAsyncDatabaseWrapper")


def _is_undone_on_postgresql() -> bool:
    wrapper, connection = _wrapper("postgresql:PostgreSQLDatabaseWrapper"), Statements()
    # psycopg's own block undoes the outer one.
    wrapper._local.atomic_conn, wrapper._local.atomic_depth = connection, 1
    _interrupted(wrapper.atomic())
    undone = "ROLLBACK TO SAVEPOINT _sp1" in connection
    return undone and _is_undone_inside("postgresql:PostgreSQLAsyncDatabaseWrapper")


def _is_undone_inside(name: str) -> bool:
    """Tell whether an inner block of async code is undone."""
    wrapper, connection = _wrapper(name), AsyncStatements()
    token = ASYNC_ATOMIC_STATE.set((wrapper, connection, 1))
    try:
        finished(_ainterrupted(wrapper.aatomic()))
    finally:
        ASYNC_ATOMIC_STATE.reset(token)
    return "ROLLBACK TO SAVEPOINT _sp1" in connection


def _wrapper(name: str) -> Any:
    module, _, cls = name.partition(":")
    return getattr(sys.modules[f"{_BACKENDS}.{module}"], cls)({})


@repair(f"{_BACKENDS}.sqlite:SQLiteDatabaseWrapper", "atomic", is_fixed=_is_undone_on_sqlite)
@repair(f"{_BACKENDS}.mysql:MySQLDatabaseWrapper", "atomic", name=_NAME, is_fixed=_is_undone_on_mysql)
@repair(f"{_BACKENDS}.postgresql:PostgreSQLDatabaseWrapper", "atomic", name=_NAME, is_fixed=_is_undone_on_postgresql)
@contextmanager
def interrupted_transactions(original: Any, wrapper: Any) -> Iterator[None]:
    """Roll back what Ctrl-C, ``sys.exit()`` or the cancellation of a task interrupts.

    Symptom: half of an interrupted ``atomic()`` stays in an open transaction, and the next write commits it; on
    PostgreSQL, and with ``aatomic()``, half of an inner block is committed with the outer one. Cause: a
    KeyboardInterrupt or a CancelledError is no ``Exception``. djanorm 4.3 to 4.5.
    """
    with _as_they_were(), original(wrapper), _as_exceptions():
        yield


@repair(f"{_BACKENDS}.mysql:MySQLAsyncDatabaseWrapper", "aatomic", name=_NAME, is_fixed=_is_undone_on_mysql)
@repair(
    f"{_BACKENDS}.postgresql:PostgreSQLAsyncDatabaseWrapper", "aatomic", name=_NAME, is_fixed=_is_undone_on_postgresql
)
@asynccontextmanager
async def _interrupted_async_transactions(original: Any, wrapper: Any) -> AsyncIterator[None]:
    with _as_they_were():
        async with original(wrapper):
            with _as_exceptions():
                yield
