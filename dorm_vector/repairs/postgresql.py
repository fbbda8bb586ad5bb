"""Repair of djanorm's async PostgreSQL connections: a pool for each event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from ..engines import event_loops
from ..patching.registry import repair

_WRAPPER = "dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper"

_OF_A_LOOP = (
    ("_pool", lambda: None),
    ("_loop", asyncio.get_running_loop),
    ("_pool_lock", asyncio.Lock),
    ("_autocommit_conn", lambda: None),
    ("_autocommit_lock", asyncio.Lock),
)


@repair(_WRAPPER, "_get_pool", fixed_in="5.0")
@repair(_WRAPPER, "_get_autocommit_conn", name="pool_per_loop", fixed_in="5.0")
async def pool_per_loop(original: Any, wrapper: Any) -> Any:
    """Give each event loop a pool of its own.

    Symptom: ``the pool is already closed``, or half a minute of waiting for a connection, as soon as two threads run an
    event loop each. Cause: the process has one async pool, and the loop that asks next closes that of the loop before.
    djanorm 4.3 to 4.5.
    """
    event_loops.adopt(wrapper, _OF_A_LOOP, pool_stats=_pool_stats, force_close_sync=_force_close)
    event_loops.release(wrapper, event_loops.closed(wrapper), _close)
    return await original(wrapper)


def _pool_stats(wrapper: Any) -> dict[str, Any]:
    """Return what djanorm tells of a pool, of all of them together."""
    stats: dict[str, Any] = {"open": False, "vendor": wrapper.vendor}
    for here in tuple(wrapper._loops.values()):
        if here.get("_pool") is not None:
            stats["open"] = True
            for name, value in {**here["_pool"].get_stats(), **_sizes(wrapper)}.items():
                stats[name] = stats.get(name, 0) + value
    return stats


def _sizes(wrapper: Any) -> dict[str, int]:
    return {"min_size": wrapper._min_size, "max_size": wrapper._max_size}


def _force_close(wrapper: Any) -> None:
    event_loops.release(wrapper, tuple(wrapper._loops), _close)


def _close(wrapper: Any) -> None:
    made_from: Any = type(wrapper).__mro__[1]
    made_from.force_close_sync(wrapper)
