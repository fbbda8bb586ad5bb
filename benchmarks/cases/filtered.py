"""A filtered search of the ten nearest rows at five selectivities: what nearest() chooses, and both of its choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import models
from benchmarks.bench import COUNT, Bench
from benchmarks.measuring import Contestant, Group
from dorm_vector import bulk_load

PARTS = 2_000
SHARES = ((2_000, "all"), (1_000, "50 %"), (100, "5 %"), (10, "0.5 %"), (1, "0.05 %"))
"""What passes the filter ``part < n``, of parts from 0 to 1,999."""


def groups(bench: Bench) -> Iterator[Group]:
    if not (bench.dialect.is_approximate or bench.dialect.index_use.probe):
        return
    bench = bench.first(bench.sizes.indexed)
    model, parts = filled(bench)
    rows = f"{len(bench.data):,} x {bench.data.dimensions}"
    for below, share in SHARES:
        yield Group(
            "filtered",
            f"nearest(), k={COUNT}, {rows}, {share} of the rows pass",
            [contestant(bench, model, parts, below, name) for name in names(bench)],
            bench.rounds(40),
        )


def names(bench: Bench) -> list[str]:
    """Return who is compared: an index that has to be asked for cannot be made to decide."""
    return ["exact", "index", "nearest()"] if bench.dialect.is_approximate else ["exact", "nearest(exact=False)"]


def filled(bench: Bench) -> tuple[Any, npt.NDArray[np.int64]]:
    model = models.item(bench.data.dimensions, indexed=True)
    bench.create(model)
    parts = np.arange(len(bench.data)) * 7_919 % PARTS
    bulk_load(model, {**bench.data.columns(), "part": parts.tolist()}, defer_indexes=True)
    bench.settle(model)
    return model, parts


def contestant(bench: Bench, model: Any, parts: npt.NDArray[np.int64], below: int, name: str) -> Contestant:
    options = {"exact": {"exact": True}, "nearest()": {}}.get(name, {"exact": False})
    chosen = model.objects if below == PARTS else model.objects.filter(part__lt=below)

    def work(number: int) -> list[int]:
        found = chosen.nearest("embedding", bench.query(number), distance="cosine", **options)
        return [row.pk for row in found[:COUNT]]

    def recall(number: int, found: list[int]) -> float:
        distances = 1 - bench.data.vectors @ bench.query(number)
        distances[parts >= below] = np.inf
        nearest = [int(row) + 1 for row in np.argsort(distances)[:COUNT] if np.isfinite(distances[row])]
        return len(set(nearest) & set(found)) / len(nearest)

    def note(_found: Any) -> str:
        """Name the plan of the last search."""
        ranked = chosen.nearest("embedding", bench.query(0), distance="cosine", **options)
        return str(ranked[:COUNT].explain_search().name)

    return Contestant(name, work, recall=recall, note=note)
