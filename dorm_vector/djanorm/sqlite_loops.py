"""Repair of djanorm's async SQLite connections: one for each event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .repairs import repair

_WRAPPER = "dorm.db.backends.sqlite:SQLiteAsyncDatabaseWrapper"


@dataclass
class Loop:
    """What belongs to one event loop."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: Any = None


@repair(_WRAPPER, "_check_loop")
async def connection_per_loop(original: Any, wrapper: Any) -> None:
    """Give each event loop a connection of its own.

    Symptom: ``Cannot operate on a closed database`` as soon as two threads run an event loop each. Cause: the process
    has one async connection, and the loop that asks next closes that of the loop before. djanorm 4.3 to 4.5.
    """
    if f"{type(wrapper).__module__}:{type(wrapper).__name__}" != _WRAPPER:
        # libSQL's and Turso's wrappers inherit this one.
        await original(wrapper)
        return
    if not isinstance(getattr(wrapper, "_loops", None), dict):
        _adopt(wrapper)
    for loop in [loop for loop in tuple(wrapper._loops) if loop.is_closed()]:
        _close(wrapper, wrapper._loops.pop(loop, None))


def _adopt(wrapper: Any) -> None:
    # Both classes are of one layout; setdefault is atomic, for two loops that come first.
    vars(wrapper).setdefault("_loops", {})
    vars(wrapper).pop("_conn", None)
    wrapper.__class__ = _per_loop(wrapper.__class__)


@cache
def _per_loop(cls: Any) -> Any:
    """Return the class with a connection and a lock for each loop, under the names that djanorm uses."""
    own = {
        "_conn": property(lambda wrapper: _here(wrapper).connection, _keep),
        "_lock": property(lambda wrapper: _here(wrapper).lock),
        "pool_stats": _pool_stats,
        "force_close_sync": _force_close,
        "__module__": cls.__module__,
    }
    return type(cls.__name__, (cls,), own)


def _here(wrapper: Any) -> Loop:
    here: Loop = wrapper._loops.setdefault(asyncio.get_running_loop(), Loop())
    return here


def _keep(wrapper: Any, connection: Any) -> None:
    _here(wrapper).connection = connection


def _pool_stats(wrapper: Any) -> dict[str, Any]:
    return {"open": any(loop.connection is not None for loop in wrapper._loops.values()), "vendor": wrapper.vendor}


def _force_close(wrapper: Any) -> None:
    """Close the connections of all loops, from outside of them."""
    while wrapper._loops:
        _close(wrapper, wrapper._loops.popitem()[1])


def _close(wrapper: Any, loop: Loop | None) -> None:
    if loop is not None and loop.connection is not None:
        wrapper._force_close_sync(loop.connection)
