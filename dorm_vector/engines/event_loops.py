"""Give an async wrapper separate state per event loop, under djanorm's attribute names for its single state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_chosen: ContextVar[Any] = ContextVar("dorm_vector_loop", default=None)


@contextmanager
def _in_place_of(loop: Any) -> Iterator[None]:
    token = _chosen.set(loop)
    try:
        yield
    finally:
        _chosen.reset(token)


def of_each_loop(name: str, make: Callable[[], Any]) -> property:
    """Return an attribute of which each event loop has its own, which ``make`` makes.

    It is an ordinary attribute of a wrapper that ``per_event_loop()`` was not called for.
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
"""What djanorm's async SQLite wrapper has."""

POOL = _each(
    _pool=lambda: None,
    _loop=asyncio.get_running_loop,
    _pool_lock=asyncio.Lock,
    _autocommit_conn=lambda: None,
    _autocommit_lock=asyncio.Lock,
)
"""What djanorm's async PostgreSQL wrapper has."""


def per_event_loop(wrapper: Any, names: Iterable[str]) -> None:
    """Give each event loop attributes of its own, which the class of the wrapper has as ``of_each_loop()``."""
    attributes = vars(wrapper)
    if "_loops" not in attributes:
        # Atomic, for two loops that come first.
        attributes.setdefault("_loops", {})
        for name in names:
            attributes.pop(name, None)


def _here(loops: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return loops.setdefault(_chosen.get() or asyncio.get_running_loop(), {})


def is_of_all_loops(wrapper: Any) -> bool:
    """Tell whether the wrapper is asked from outside of its loops, for what all of them hold."""
    return "_loops" in vars(wrapper) and _chosen.get() is None


def closed(wrapper: Any) -> list[Any]:
    """Return the closed event loops that still hold state here."""
    return [loop for loop in tuple(wrapper._loops) if loop.is_closed()]


def release(wrapper: Any, loops: Iterable[Any], close: Callable[[Any], None]) -> None:
    """Close what the wrapper holds for each loop, from outside those loops."""
    for loop in loops:
        with _in_place_of(loop):
            close(wrapper)
        wrapper._loops.pop(loop, None)
