"""Give an async wrapper separate state per event loop, under djanorm's attribute names for its single state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from traceback import clear_frames
from typing import Any
from weakref import WeakSet

_OPENED = "_dorm_vector_opened"
_chosen: ContextVar[dict[str, Any] | None] = ContextVar("dorm_vector_loop", default=None)


@contextmanager
def _in_place_of_a_loop(held: dict[str, Any]) -> Iterator[None]:
    token = _chosen.set(held)
    try:
        yield
    finally:
        _chosen.reset(token)


def of_each_loop(name: str, make: Callable[[], Any]) -> property:
    """Return a property with a separate value per event loop, created by ``make``.

    On a wrapper without a call of ``per_event_loop()``, it is an ordinary attribute.
    """

    def get(wrapper: Any) -> Any:
        attributes = vars(wrapper)
        here = _here(attributes["_loops"]) if "_loops" in attributes else attributes
        if name not in here:
            if here is attributes:
                raise AttributeError(f"{type(wrapper).__name__!r} object has no attribute {name!r}")
            here[name] = make()
        return here[name]

    def keep(wrapper: Any, value: Any) -> None:
        attributes = vars(wrapper)
        here = _here(attributes["_loops"]) if "_loops" in attributes else attributes
        here[name] = value

    return property(get, keep)


def _each(**names: Callable[[], Any]) -> dict[str, property]:
    return {name: of_each_loop(name, make) for name, make in names.items()}


CONNECTION = _each(_conn=lambda: None, _lock=asyncio.Lock)
"""The attributes of djanorm's async SQLite wrapper."""

POOL = _each(
    _pool=lambda: None,
    _loop=asyncio.get_running_loop,
    _pool_lock=asyncio.Lock,
    _autocommit_conn=lambda: None,
    _autocommit_lock=asyncio.Lock,
)
"""The attributes of djanorm's async PostgreSQL wrapper."""


def per_event_loop(wrapper: Any, names: Iterable[str]) -> None:
    """Give each event loop its own values of the attributes that the wrapper's class defines by ``of_each_loop()``."""
    attributes = vars(wrapper)
    if "_loops" not in attributes:
        # setdefault is atomic, in case two loops arrive first.
        attributes.setdefault("_loops", {})
        for name in names:
            attributes.pop(name, None)


def _here(loops: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    held = _chosen.get()
    return loops.setdefault(asyncio.get_running_loop(), {}) if held is None else held


def is_of_all_loops(wrapper: Any) -> bool:
    """Return whether the wrapper is called for all of its loops together, from outside them."""
    return "_loops" in vars(wrapper) and _chosen.get() is None


def closed(wrapper: Any) -> list[Any]:
    """Return the closed event loops that still hold state here."""
    return [loop for loop in tuple(wrapper._loops) if loop.is_closed()]


def release(wrapper: Any, loops: Iterable[Any], close: Callable[[Any], None]) -> None:
    """Close what the wrapper holds for each loop, from outside those loops."""
    for loop in loops:
        # Only one of the threads that find a closed loop closes what it held.
        held = wrapper._loops.pop(loop, None)
        if held is not None:
            with _in_place_of_a_loop(held):
                close(wrapper)


def remember_opened(pool: Any) -> None:
    """Remember each connection that the pool opens, including those in use."""
    connect, opened = pool._connect, WeakSet[Any]()

    async def remembered(timeout: float | None = None) -> Any:  # noqa: ASYNC109  # psycopg's signature
        try:
            connection = await connect(timeout)
        except asyncio.CancelledError as error:
            # The half-open connection lives in these frames, and a logger may keep the error.
            clear_frames(error.__traceback__)
            raise
        opened.add(connection)
        return connection

    vars(pool)[_OPENED] = opened
    pool._connect = remembered


def close_opened(pool: Any) -> None:
    """Close all connections of a pool whose event loop is closed, and let go of its tasks.

    Tasks that the loop cancelled have not returned what they held, and each keeps the connection that it was opening.
    """
    pool._closed = True  # which makes its finalizer do nothing
    for connection in {*pool._pool, *vars(pool).get(_OPENED, ())}:
        connection.pgconn.finish()
    pool._pool.clear()
    pool._workers.clear()
    pool._sched_runner = None
