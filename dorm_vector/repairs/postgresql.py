"""Repair of djanorm's async PostgreSQL connections: one pool per event loop."""

from __future__ import annotations

from typing import Any

from ..engines import event_loops
from ..patching.registry import hook, repair, repair_attributes

_WRAPPER = "dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper"


@repair_attributes(_WRAPPER, event_loops.POOL, fixed_in="5.0")
@repair(_WRAPPER, "_get_pool", fixed_in="5.0")
@repair(_WRAPPER, "_get_autocommit_conn", name="pool_per_loop", fixed_in="5.0")
async def pool_per_loop(original: Any, wrapper: Any) -> Any:
    """Give each event loop its own pool.

    Symptom: ``the pool is already closed``, or a wait of half a minute for a connection, as soon as two threads each
    run an event loop. Cause: the process has one async pool, and each loop that uses it closes the pool of the previous
    loop. djanorm 4.3 to 4.5.
    """
    event_loops.per_event_loop(wrapper, event_loops.POOL)
    event_loops.release(wrapper, event_loops.closed(wrapper), _close)
    return await original(wrapper)


@hook(_WRAPPER, "pool_stats", name="pools_of_all_loops")
def pools_of_all_loops(original: Any, wrapper: Any) -> dict[str, Any]:
    """Report the statistics of all event loops' pools together, and close all of them."""
    if not event_loops.is_of_all_loops(wrapper):
        alone: dict[str, Any] = original(wrapper)
        return alone
    stats: dict[str, Any] = {"open": False, "vendor": wrapper.vendor}
    for here in tuple(wrapper._loops.values()):
        if here.get("_pool") is not None:
            stats["open"] = True
            for name, value in {**here["_pool"].get_stats(), **_sizes(wrapper)}.items():
                stats[name] = stats.get(name, 0) + value
    return stats


def _sizes(wrapper: Any) -> dict[str, int]:
    return {"min_size": wrapper._min_size, "max_size": wrapper._max_size}


@hook(_WRAPPER, "force_close_sync", name="pools_of_all_loops")
def _close_all(original: Any, wrapper: Any) -> None:
    if event_loops.is_of_all_loops(wrapper):
        event_loops.release(wrapper, tuple(wrapper._loops), original)
    else:
        original(wrapper)


def _close(wrapper: Any) -> None:
    # The pool of one loop, which release() has selected.
    wrapper.force_close_sync()
