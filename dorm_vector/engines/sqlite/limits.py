"""Statement timeouts of SQLite: the progress handler of a connection ends the statement that runs past its deadline."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from ...dialects import dialect_named
from ..limits.calls import Calls

# SQLite calls the handler after this many of its instructions: some hundred microseconds.
_INSTRUCTIONS = 10_000


class Clock:
    """The deadline of what runs on a connection: one statement, or several that an event loop interleaves."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._at, self._running = seconds, math.inf, 0

    def is_over(self) -> bool:
        return monotonic() > self._at

    @contextmanager
    def running(self) -> Iterator[None]:
        self._running += 1
        self._at = monotonic() + self._seconds
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._at = math.inf


def limited(wrapper: Any, seconds: float) -> None:
    clock = _clocks(seconds, is_async=hasattr(wrapper, "_operation_conn"))
    opened = wrapper._new_connection

    def connection() -> Any:
        raw = opened()
        raw.set_progress_handler(clock().is_over, _INSTRUCTIONS)
        return raw

    async def aconnection() -> Any:
        connection = await opened()
        await connection.set_progress_handler(clock().is_over, _INSTRUCTIONS)
        return connection

    wrapper._new_connection = aconnection if hasattr(wrapper, "_operation_conn") else connection
    dialect = dialect_named("sqlite")
    Calls(dialect.title, seconds, dialect.limits.told, lambda _writes: clock().running()).replace(wrapper)


def _clocks(seconds: float, *, is_async: bool) -> Callable[[], Clock]:
    """Return a function that returns the clock of this thread's or this event loop's connection."""
    of_loops: WeakKeyDictionary[Any, Clock] = WeakKeyDictionary()
    own = threading.local()

    def of_loop() -> Clock:
        return of_loops.setdefault(asyncio.get_running_loop(), Clock(seconds))

    def of_thread() -> Clock:
        clock: Clock | None = getattr(own, "clock", None)
        if clock is None:
            clock = own.clock = Clock(seconds)
        return clock

    return of_loop if is_async else of_thread
