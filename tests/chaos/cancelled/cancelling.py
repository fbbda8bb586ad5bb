"""Cancel an operation at each of its awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.extent import IS_SOAK

PATIENCE = 60
Operation = Callable[[str], Awaitable[object]]


class Cancelling:
    """An operation that is cancelled at one of its awaits: before that ends, or late, between its end and the next."""

    def __init__(self, work: Awaitable[object], at: int, *, is_late: bool) -> None:
        self._work, self._at, self._is_late = work, at, is_late
        self.was_reached = False

    def __await__(self) -> Generator[Any, Any, object]:
        steps, error = self._work.__await__(), None
        while True:
            try:
                waits_for = steps.throw(error) if error is not None else next(steps)
            except StopIteration as end:
                return end.value
            self._count(waits_for)
            error = None
            try:
                yield waits_for
            except BaseException as raised:  # noqa: BLE001  # the operation gets it
                error = raised

    def _count(self, waits_for: Any) -> None:
        if self._at == 0:
            self.was_reached = True
            task: Any = asyncio.current_task()
            if self._is_late and waits_for is not None:
                waits_for.add_done_callback(lambda _future: task.cancel())
            else:
                task.cancel()
        self._at -= 1


@dataclass
class Outcome:
    """What became of an operation: it was cancelled before its end, or it had ended and its task was cancelled then."""

    was_cancelled: bool
    has_ended: bool = False


async def outcome_of(work: Awaitable[object], at: int, *, is_late: bool) -> Outcome:
    cancelling, ended = Cancelling(work, at, is_late=is_late), []

    async def run() -> None:
        await cancelling
        ended.append(True)
        await asyncio.sleep(0)

    task = asyncio.create_task(run())
    done, _pending = await asyncio.wait([task], timeout=PATIENCE)
    assert done, f"it hangs when it is cancelled at await {at}"
    if cancelling.was_reached:
        assert task.cancelled(), f"cancelled at await {at}, it ends with {task.exception()!r}"
    else:
        task.result()
    return Outcome(cancelling.was_reached, bool(ended))


@dataclass
class Tried:
    """The titles with which an operation was cancelled, by whether it had ended."""

    ended: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)

    @property
    def times(self) -> int:
        return len(self.ended) + len(self.uncertain) - 1


async def each_await(
    operation: Operation, before: Operation | None = None, after: Callable[[str, bool], Awaitable[object]] | None = None
) -> Tried:
    """Cancel the operation at each of its awaits, until it has none left.

    Args:
        operation: What to cancel; it gets a title that no other attempt has.
        before: What to await first, each time.
        after: What to await last, each time; it also gets whether the operation ended.
    """
    tried, lateness = Tried(), (False, True)
    for at in range(1000):
        for is_late in lateness if IS_SOAK else lateness[at % 2 : at % 2 + 1]:
            title = f"{at} {is_late}"
            if before is not None:
                await before(title)
            outcome = await outcome_of(operation(title), at, is_late=is_late)
            if after is not None:
                await after(title, outcome.has_ended)
            (tried.ended if outcome.has_ended else tried.uncertain).append(title)
            if not outcome.was_cancelled:
                return tried
    raise AssertionError("it has no end")
