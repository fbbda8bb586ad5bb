"""Repairs of djanorm's SQLite connections: one per event loop, none left open, and every column of a table."""

from __future__ import annotations

import asyncio
from typing import Any

from ..engines import event_loops
from ..engines.sqlite.transactions import opened
from ..patching.registry import hook, repair, repair_attributes
from ..patching.stand_ins import Statements, finished

_WRAPPER = "dorm.db.backends.sqlite:SQLiteAsyncDatabaseWrapper"


class _Loop:
    """An event loop of which only the identity matters."""

    def is_closed(self) -> bool:
        return False

    def close(self) -> None:
        # djanorm would wait for the loop of the connection that it closes.
        raise RuntimeError


def _keeps_loops_apart() -> bool:
    from dorm.db.backends.sqlite import SQLiteAsyncDatabaseWrapper

    wrapper: Any = SQLiteAsyncDatabaseWrapper({})
    one, other = _Loop(), _Loop()
    around = asyncio._get_running_loop()
    try:
        for loop, connection in ((one, one), (other, other)):
            asyncio._set_running_loop(loop)  # type: ignore[arg-type]  # as above
            finished(wrapper._check_loop())
            wrapper._conn = connection
        asyncio._set_running_loop(one)  # type: ignore[arg-type]  # as above
        finished(wrapper._check_loop())
        return wrapper._conn is one
    finally:
        asyncio._set_running_loop(around)


@repair_attributes(_WRAPPER, event_loops.CONNECTION, is_fixed=_keeps_loops_apart)
@repair(_WRAPPER, "_check_loop", is_fixed=_keeps_loops_apart)
async def connection_per_loop(original: Any, wrapper: Any) -> None:
    """Give each event loop its own connection.

    Symptom: ``Cannot operate on a closed database`` as soon as two threads each run an event loop. Cause: the process
    has one async connection, and each loop that uses it closes the connection of the previous loop. djanorm 4.3 to 4.5.
    """
    if f"{type(wrapper).__module__}:{type(wrapper).__name__}" != _WRAPPER:
        # The wrappers of libSQL and Turso inherit this method, and handle loops themselves.
        await original(wrapper)
        return
    event_loops.per_event_loop(wrapper, event_loops.CONNECTION)
    event_loops.release(wrapper, event_loops.closed(wrapper), _close)


@repair(_WRAPPER, "_new_connection", fixed_in="5.0")
async def cancelled_connections(original: Any, wrapper: Any) -> Any:
    """Close a connection whose opening task was cancelled.

    Symptom: after ``asyncio.timeout()`` ends the first query, a thread and an open file remain. Cause: the driver opens
    the connection anyway, and nothing refers to it. djanorm 4.3 to 4.5.
    """
    return await opened(original(wrapper))


@hook(_WRAPPER, "pool_stats", name="connections_of_all_loops")
def connections_of_all_loops(original: Any, wrapper: Any) -> dict[str, Any]:
    """Report the connections of all event loops, and close all of them."""
    if not event_loops.is_of_all_loops(wrapper):
        stats: dict[str, Any] = original(wrapper)
        return stats
    return {"open": any(here.get("_conn") for here in tuple(wrapper._loops.values())), "vendor": wrapper.vendor}


@hook(_WRAPPER, "force_close_sync", name="connections_of_all_loops")
def _close_all(original: Any, wrapper: Any) -> None:
    if event_loops.is_of_all_loops(wrapper):
        event_loops.release(wrapper, tuple(wrapper._loops), _close)
    else:
        original(wrapper)


def _close(wrapper: Any) -> None:
    if wrapper._conn is not None:
        wrapper._force_close_sync(wrapper._conn)


_SYNC = "dorm.db.backends.sqlite:SQLiteDatabaseWrapper"
_XINFO = 'PRAGMA table_xinfo("{table}")'
# A hidden column of a virtual table, which cannot be read like others.
_HIDDEN = 1


def _knows_generated_columns() -> bool:
    from dorm.db.backends.sqlite import SQLiteDatabaseWrapper

    asked: Any = Statements("sqlite", [{"name": "unit", "hidden": 2}])
    return bool(SQLiteDatabaseWrapper.get_table_columns(asked, "item")) and "xinfo" in "".join(asked)


@repair(_SYNC, "get_table_columns", is_fixed=_knows_generated_columns)
def generated_columns_too(original: Any, wrapper: Any, table_name: str) -> list[dict[str, Any]]:
    """List the generated columns of a table with the others.

    Symptom: ``dorm dbcheck`` and ``dorm diff`` report that a GeneratedField is missing in the database. Cause:
    ``PRAGMA table_info`` leaves generated columns out. djanorm 4.3 to 4.5.
    """
    return _shown(wrapper.execute(_XINFO.format(table=table_name)))


@repair(_WRAPPER, "get_table_columns", name="generated_columns_too", is_fixed=_knows_generated_columns)
async def _generated_columns_too(original: Any, wrapper: Any, table_name: str) -> list[dict[str, Any]]:
    return _shown(await wrapper.execute(_XINFO.format(table=table_name)))


def _shown(rows: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in rows if row["hidden"] != _HIDDEN]
