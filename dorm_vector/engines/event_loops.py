"""What an async wrapper holds for each event loop, under the names by which djanorm knows the one that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

CONNECTION: tuple[tuple[str, Callable[[], Any]], ...] = (("_conn", lambda: None), ("_lock", asyncio.Lock))
"""What djanorm's async SQLite wrapper has."""

_chosen: ContextVar[Any] = ContextVar("dorm_vector_loop", default=None)


@contextmanager
def _in_place_of(loop: Any) -> Iterator[None]:
    token = _chosen.set(loop)
    try:
        yield
    finally:
        _chosen.reset(token)


def adopt(wrapper: Any, names: tuple[tuple[str, Callable[[], Any]], ...], **methods: Callable[..., Any]) -> None:
    """Give the wrapper one of each name, made by its function, for every event loop."""
    if isinstance(vars(wrapper).get("_loops"), dict):
        return
    # Both classes are of one layout; setdefault is atomic, for two loops that come first.
    vars(wrapper).setdefault("_loops", {})
    for name, _make in names:
        vars(wrapper).pop(name, None)
    wrapper.__class__ = _per_loop(wrapper.__class__, names, tuple(methods.items()))


@cache
def _per_loop(cls: Any, names: tuple[tuple[str, Any], ...], methods: tuple[tuple[str, Any], ...]) -> Any:
    own: dict[str, Any] = {name: _own(name, make) for name, make in names}
    return type(cls.__name__, (cls,), {**own, **dict(methods), "__module__": cls.__module__})


def _own(name: str, make: Callable[[], Any]) -> property:
    def get(wrapper: Any) -> Any:
        here = _here(wrapper)
        if name not in here:
            here[name] = make()
        return here[name]

    def keep(wrapper: Any, value: Any) -> None:
        _here(wrapper)[name] = value

    return property(get, keep)


def _here(wrapper: Any) -> dict[str, Any]:
    loop = _chosen.get() or asyncio.get_running_loop()
    here: dict[str, Any] = wrapper._loops.setdefault(loop, {})
    return here


def closed(wrapper: Any) -> list[Any]:
    """Return the event loops that are gone, and left something here."""
    return [loop for loop in tuple(wrapper._loops) if loop.is_closed()]


def release(wrapper: Any, loops: Iterable[Any], close: Callable[[Any], None]) -> None:
    """Close what the wrapper holds for each of the loops, from outside of it."""
    for loop in loops:
        with _in_place_of(loop):
            close(wrapper)
        wrapper._loops.pop(loop, None)
