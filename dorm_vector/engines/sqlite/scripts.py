"""Run scripts of several statements inside the surrounding transaction."""

from __future__ import annotations

from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE

from ...patching.registry import repair
from ...patching.stand_ins import AsyncStatements, Statements, finished
from ..statements import statements
from .locking import normalize

_SYNC = "dorm.db.backends.sqlite:SQLiteDatabaseWrapper"
_ASYNC = "dorm.db.backends.sqlite:SQLiteAsyncDatabaseWrapper"

_TWO = "CREATE TABLE a (b); CREATE TABLE c (d);"


class _CommittingError(Exception):
    """Raised if a script would end the transaction."""


class _Script(Statements):
    def executescript(self, sql: str) -> None:
        raise _CommittingError


class _AsyncScript(AsyncStatements):
    async def executescript(self, sql: str) -> None:
        raise _CommittingError


def _stays_inside() -> bool:
    from dorm.db.backends.sqlite import SQLiteDatabaseWrapper

    wrapper = SQLiteDatabaseWrapper({})
    wrapper._local.conn, wrapper._atomic_depth = _Script(), 1
    try:
        wrapper.execute_script(_TWO)
    except _CommittingError:
        return False
    return True


def _stays_inside_async() -> bool:
    from dorm.db.backends.sqlite import SQLiteAsyncDatabaseWrapper

    wrapper, connection = SQLiteAsyncDatabaseWrapper({}), _AsyncScript()
    token = ASYNC_ATOMIC_STATE.set((wrapper, connection, 1))
    try:
        finished(wrapper.execute_script(_TWO))
    except _CommittingError:
        return False
    finally:
        ASYNC_ATOMIC_STATE.reset(token)
    return True


@repair(_SYNC, "execute_script", is_fixed=lambda: _stays_inside() and _stays_inside_async())
def scripts_in_transactions(original: Any, wrapper: Any, sql: str) -> None:
    """Run the statements of a script one by one inside ``atomic()``, which stays open.

    Symptom: on SQLite, a migration that fails after it created a trigger, or after a RunSQL with two statements, keeps
    its earlier changes, and cannot be repeated or unapplied. Cause: ``executescript()`` of Python's sqlite3
    commits first. djanorm 4.3 to 4.5.
    """
    if not wrapper._atomic_depth:
        original(wrapper, sql)
        return
    connection = wrapper.get_connection()
    for statement in statements(sql):
        try:
            connection.execute(statement)
        except Exception as error:
            normalize(error)
            raise


@repair(
    _ASYNC,
    "execute_script",
    name="scripts_in_transactions",
    is_fixed=lambda: _stays_inside() and _stays_inside_async(),
)
async def _async_scripts(original: Any, wrapper: Any, sql: str) -> None:
    if not wrapper._in_atomic():
        await original(wrapper, sql)
        return
    async with wrapper._operation_conn() as connection:
        for statement in statements(sql):
            try:
                await connection.execute(statement)
            except Exception as error:
                normalize(error)
                raise
