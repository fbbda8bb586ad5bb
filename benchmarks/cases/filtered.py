"""A filtered search of the ten nearest rows at five selectivities: what nearest() chooses, and both of its choices."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import models
from benchmarks.bench import COUNT, Bench
from benchmarks.data import glove
from benchmarks.measuring import Aim, Contestant, Group
from dorm_vector import bulk_load

PARTS, ROUNDS = 2_000, 40
SHARES = ((2_000, "all"), (1_000, "50 %"), (100, "5 %"), (10, "0.5 %"), (1, "0.05 %"))
"""What passes the filter ``part < n``, of parts from 0 to 1,999."""
ENOUGH, LESS = 0.95, 0.02
"""The recall that is aimed at, or that of an unfiltered search by the index and so much less."""


def groups(bench: Bench) -> Iterator[Group]:
    if not (bench.dialect.is_approximate or bench.dialect.index_use.probe):
        return
    yield from over(bench.first(bench.sizes.indexed))
    words = glove() if bench.sizes.words else None
    if words is not None:
        yield from over(bench.over(words.first(bench.sizes.words)), ", GloVe")


def over(bench: Bench, origin: str = "") -> Iterator[Group]:
    searches = Searches(bench)
    rows, *others, ours = f"{len(bench.data):,} x {bench.data.dimensions}{origin}", *names(bench)
    enough = searches.recall_of_the_index()
    for below, share in SHARES:
        yield Group(
            "filtered",
            f"nearest(), k={COUNT}, {rows}, {share} of the rows pass",
            [searches.contestant(below, name) for name in (*others, ours)],
            bench.rounds(ROUNDS),
            aims=[Aim(ours, 1.25, 0.0003, tuple(others), enough)],
            setting=[rows, share],
        )


def names(bench: Bench) -> Sequence[str]:
    """Return who is compared, ours last."""
    return ["exact", "index", "nearest()" if bench.dialect.is_approximate else "nearest(exact=False)"]


class Searches:
    """The searches of one table, whose exact neighbors are computed once."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.parts: npt.NDArray[np.int64] = np.arange(len(bench.data)) * 7_919 % PARTS
        self.model = models.item(bench.data.dimensions, indexed=True)
        self.known: dict[tuple[int, int], set[int]] = {}
        bench.create(self.model)
        bulk_load(self.model, {**bench.data.columns(), "part": self.parts.tolist()}, defer_indexes=True)
        bench.settle(self.model)

    def contestant(self, below: int, name: str) -> Contestant:
        if name == "index" and self.bench.dialect.index_use.probe:
            return self.bare(below)
        options = {"exact": {"exact": True}, "nearest()": {}}.get(name, {"exact": False})
        rows = self.model.objects
        chosen = rows if below == PARTS else rows.filter(part__lt=below)

        def ranked(number: int) -> Any:
            return chosen.nearest("embedding", self.bench.query(number), distance="cosine", **options)[:COUNT]

        def note(_found: Any) -> str:
            """Name the plan of the last search."""
            return str(ranked(0).explain_search().name)

        def work(number: int) -> list[int]:
            return [row.pk for row in ranked(number)]

        return Contestant(name, work, recall=partial(self.recall, below), note=note)

    def bare(self, below: int) -> Contestant:
        """Return the index alone, by the bare driver: exact=False only permits it, and costs decide."""
        table, index = self.model._meta.db_table, models.index(self.model).name

        def work(number: int) -> list[int]:
            return [row[0] for row in self.bench.bare.asked(table, index, self.bench.query(number), COUNT, below)]

        return Contestant("index", work, recall=partial(self.recall, below), note=lambda _found: "index")

    def recall(self, below: int, number: int, found: list[int]) -> float:
        nearest = self.nearest(number, below)
        return len(nearest & set(found)) / len(nearest)

    def nearest(self, number: int, below: int) -> set[int]:
        if (number, below) not in self.known:
            passing = np.flatnonzero(self.parts < below)
            distances = 1 - self.bench.data.vectors[passing] @ self.bench.query(number)
            self.known[number, below] = {int(row) + 1 for row in passing[np.argsort(distances)[:COUNT]]}
        return self.known[number, below]

    def recall_of_the_index(self) -> float:
        """Return the recall to aim at: no filter is asked to find more than the index does without one."""
        index = self.contestant(PARTS, "index")
        found = [self.recall(PARTS, number, index.work(number)) for number in range(self.bench.rounds(ROUNDS))]
        return min(ENOUGH, statistics.mean(found) - LESS)
