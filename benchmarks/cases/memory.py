"""How much memory a load of many rows takes on top of what the process had; and a search of a million."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import COUNT, Bench
from benchmarks.data import Data, synthetic
from benchmarks.measuring import Contestant, Group
from benchmarks.sizes import MILLION
from dorm_vector import bulk_load

DIMENSIONS, MEGABYTES = 384, 200
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def groups(bench: Bench) -> Iterator[Group]:
    model, bench = bench.empty(DIMENSIONS), bench.over(synthetic(bench.sizes.streamed, DIMENSIONS))
    count = len(bench.data)

    def load(_: int) -> float:
        before = peak(reset=True)
        bulk_load(model, rows(bench.data))
        return peak() - before

    yield Group(
        "memory",
        f"bulk_load of {count:,} x {DIMENSIONS} from a generator",
        [Contestant("bulk_load", load, note=told)],
        rounds=1,
    )
    if count == MILLION:
        bench.settle(model)
        yield Group(
            "memory",
            f"exact k={COUNT} of {count:,} x {DIMENSIONS}, seeded clusters",
            [bench.theirs(model._meta.db_table), bench.ours(model)],
            bench.rounds(3),
            setting=[f"{count:,}"],
        )


def told(grown: float) -> str:
    mark = "" if grown < MEGABYTES else " **✗**"
    return f"{grown:.0f} MB more than before, of {MEGABYTES} aimed at{mark}"


def peak(*, reset: bool = False) -> float:
    """Return the largest resident size of this process in MB; on Linux, ``reset`` starts a new measurement."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if reset:
        CLEAR.write_text("5")
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def rows(data: Data) -> Iterator[dict[str, Any]]:
    for number, vector in enumerate(data.vectors, 1):
        yield {"id": number, "part": 0, "embedding": vector}
