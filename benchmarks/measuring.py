"""Medians and ratios within one run: the contestants of a group take turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

Work = Callable[[int], Any]
SECONDS, LEAST = 45, 3
"""A group takes no more rounds after so many seconds, once it has had the least of them."""


def _nothing() -> None:
    """Most work needs no preparation."""


@dataclass(frozen=True)
class Contestant:
    """Something that does the work of a group. ``work`` is called with the number of the round.

    ``prepare`` is not timed. ``recall`` judges what the work of a round returned.
    """

    name: str
    work: Work
    prepare: Callable[[], object] = _nothing
    recall: Callable[[int, Any], float] | None = None
    note: Callable[[Any], str] | None = None
    """What to say of what the last round returned."""


class Judged(TypedDict):
    """What was aimed at, what was found, and whether that will do."""

    aim: str
    found: str
    met: bool


@dataclass(frozen=True)
class Aim:
    """The time that a contestant is to take at most: ``ratio`` times that of another, and ``seconds`` more."""

    contestant: str
    ratio: float = 1.0
    seconds: float = 0.0
    than: str = ""
    """The other one; the first of the group unless named."""

    def __str__(self) -> str:
        if self.seconds:
            return f"{1e3 * self.seconds:g} ms more"
        return f"{self.ratio:g} x" + (f" {self.than}" if self.than else "")

    def judged(self, medians: dict[str, float]) -> Judged:
        own, other = medians[self.contestant], medians[self.than or next(iter(medians))]
        found = f"{1e3 * (own - other):.0f} ms more" if self.seconds else f"{own / other:.2f} x"
        return {"aim": str(self), "found": found, "met": own <= self.ratio * other + self.seconds}


@dataclass(frozen=True)
class Group:
    """One question: who does it how fast. The first contestant is what the others are compared with."""

    case: str
    title: str
    contestants: Sequence[Contestant]
    rounds: int
    limits: dict[str, float] = field(default_factory=dict)
    """The greatest ratio to the first contestant that is aimed at, by contestant."""
    aims: Iterable[Aim] = ()
    """Other aims; those at somebody who is not there are left out."""
    clock: Callable[[], float] = time.perf_counter
    """What is measured: the time that passes, or `time.process_time`, the CPU of this process."""


@dataclass(frozen=True)
class Result:
    """The median of one contestant in seconds, its ratio to the first of its group, and its mean recall."""

    case: str
    backend: str
    group: str
    contestant: str
    seconds: float
    ratio: float
    recall: float | None
    rounds: int
    note: str = ""
    aims: list[Judged] = field(default_factory=list)


def measure(group: Group, backend: str) -> list[Result]:
    """Let the contestants take turns, after one round that does not count."""
    times: dict[str, list[float]] = {contestant.name: [] for contestant in group.contestants}
    recalls: dict[str, list[float]] = {contestant.name: [] for contestant in group.contestants}
    notes: dict[str, str] = {}
    start = time.monotonic()
    for number in range(-1 if group.rounds > 1 else 0, group.rounds):
        if number >= LEAST and time.monotonic() - start > SECONDS:
            break
        for contestant in group.contestants:
            seconds, answer = _timed(contestant, max(number, 0), group.clock)
            if number >= 0:
                times[contestant.name].append(seconds)
                notes[contestant.name] = contestant.note(answer) if contestant.note else ""
                recalls[contestant.name] += [contestant.recall(number, answer)] if contestant.recall else []
    medians = {name: statistics.median(found) for name, found in times.items()}
    base = medians[group.contestants[0].name]
    return [
        Result(
            group.case,
            backend,
            group.title,
            name,
            median,
            median / base,
            statistics.mean(recalls[name]) if recalls[name] else None,
            len(times[name]),
            notes[name],
            [aim.judged(medians) for aim in _aims(group, medians) if aim.contestant == name],
        )
        for name, median in medians.items()
    ]


def _aims(group: Group, medians: dict[str, float]) -> list[Aim]:
    aims = [*(Aim(name, ratio) for name, ratio in group.limits.items()), *group.aims]
    return [aim for aim in aims if {aim.contestant, aim.than or aim.contestant} <= medians.keys()]


def _timed(contestant: Contestant, number: int, clock: Callable[[], float]) -> tuple[float, Any]:
    contestant.prepare()
    gc.collect()
    start = clock()
    answer = contestant.work(number)
    return clock() - start, answer
