"""Medians and ratios within one run: the contestants of a group take turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    figures: Callable[[Sequence[Any], Sequence[float]], dict[str, float]] | None = None
    """What else is measured, by its heading: from what the rounds returned, and the seconds that each took."""


class Judged(TypedDict):
    """What was aimed at, what was found, and whether that will do."""

    aim: str
    found: str
    met: bool


@dataclass(frozen=True)
class Aim:
    """The time that a contestant is to take at most: ``ratio`` times that of another, and ``seconds`` more.

    ``recall`` is the least share of the exact neighbors that it is to find.
    """

    contestant: str
    ratio: float = 1.0
    seconds: float = 0.0
    than: str | tuple[str, ...] = ""
    """The other one, or several, of which the fastest counts; the first of the group unless named."""
    recall: float = 0.0

    @property
    def others(self) -> tuple[str, ...]:
        return (self.than,) if isinstance(self.than, str) and self.than else tuple(self.than)

    def __str__(self) -> str:
        times = " or ".join(self.others)
        ratio = f"{self.ratio:.3g} x {times}".strip() if self.ratio != 1 or not self.seconds else ""
        more = f"{1e3 * self.seconds:g} ms more" if self.seconds else ""
        recall = f"recall {self.recall:.2f}" if self.recall else ""
        return ", ".join(filter(None, [" and ".join(filter(None, [ratio, more])), recall]))

    def judged(self, medians: dict[str, float], recalls: dict[str, float | None]) -> Judged:
        own, others = medians[self.contestant], self.others or tuple(medians)[:1]
        # Who finds too little is not compared with, however fast it is.
        equals = [name for name in others if (recalls[name] or 1.0) >= self.recall] or others
        other = min(medians[name] for name in equals)
        found = f"{1e3 * (own - other):.0f} ms more" if self.seconds and self.ratio == 1 else f"{own / other:.2f} x"
        recall = recalls[self.contestant]
        found += f", recall {recall:.2f}" if self.recall and recall is not None else ""
        is_met = own <= self.ratio * other + self.seconds and (recall or 0.0) >= self.recall
        return {"aim": str(self), "found": found, "met": is_met}


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
    setting: Sequence[str] = ()
    """What tells it from other groups of its case, such as the rows and the share that passes, for the summary."""


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
    setting: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class _Rounds:
    """What the rounds of one contestant found."""

    contestant: Contestant
    times: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    note: str = ""

    def add(self, number: int, seconds: float, answer: Any) -> None:
        who = self.contestant
        self.times.append(seconds)
        self.note = who.note(answer) if who.note else ""
        self.recalls += [who.recall(number, answer)] if who.recall else []
        # The answers of those who report no figures may be large, and are not needed.
        self.answers += [answer] if who.figures else []

    @property
    def recall(self) -> float | None:
        return statistics.mean(self.recalls) if self.recalls else None

    @property
    def figures(self) -> dict[str, float]:
        return self.contestant.figures(self.answers, self.times) if self.contestant.figures else {}


def measure(group: Group, backend: str) -> list[Result]:
    """Let the contestants take turns, after one round that does not count."""
    rounds = [_Rounds(contestant) for contestant in group.contestants]
    start = time.monotonic()
    for number in range(-1 if group.rounds > 1 else 0, group.rounds):
        if number >= LEAST and time.monotonic() - start > SECONDS:
            break
        for each in rounds:
            seconds, answer = _timed(each.contestant, max(number, 0), group.clock)
            if number >= 0:
                each.add(number, seconds, answer)
    return list(_results(group, backend, rounds))


def _results(group: Group, backend: str, rounds: Sequence[_Rounds]) -> Iterator[Result]:
    medians = {each.contestant.name: statistics.median(each.times) for each in rounds}
    recalls = {each.contestant.name: each.recall for each in rounds}
    base = medians[group.contestants[0].name]
    for each in rounds:
        name = each.contestant.name
        yield Result(
            group.case,
            backend,
            group.title,
            name,
            medians[name],
            medians[name] / base,
            each.recall,
            len(each.times),
            each.note,
            [aim.judged(medians, recalls) for aim in _aims(group, medians) if aim.contestant == name],
            list(group.setting),
            each.figures,
        )


def _aims(group: Group, medians: dict[str, float]) -> list[Aim]:
    aims = [*(Aim(name, ratio) for name, ratio in group.limits.items()), *group.aims]
    return [aim for aim in aims if {aim.contestant, *aim.others} <= medians.keys()]


def _timed(contestant: Contestant, number: int, clock: Callable[[], float]) -> tuple[float, Any]:
    contestant.prepare()
    gc.collect()
    start = clock()
    answer = contestant.work(number)
    return clock() - start, answer
