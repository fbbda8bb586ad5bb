"""How much memory a load of a million rows takes on top of what the process had."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.bench import Bench
from benchmarks.data import SEED, Floats
from benchmarks.measuring import Contestant, Group
from dorm_vector import bulk_load

DIMENSIONS = 384
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def groups(bench: Bench) -> Iterator[Group]:
    model = bench.empty(DIMENSIONS)
    count = 50_000 if bench.quick else 1_000_000

    def load(_: int) -> float:
        before = peak(anew=True)
        bulk_load(model, ({"id": n, "part": 0, "embedding": row} for n, row in enumerate(rows(count), 1)))
        return peak() - before

    yield Group(
        "memory",
        f"bulk_load {count:,} x {DIMENSIONS} from a generator",
        [Contestant("bulk_load", load, note=lambda grown: f"{grown:.0f} MB more than before")],
        rounds=1,
    )
    bench.drop_rows(model)


def peak(*, anew: bool = False) -> float:
    """Return the largest resident size of this process in MB, on Linux since it was last asked for anew."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if anew:
        CLEAR.write_text("5")
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def rows(count: int) -> Iterator[Floats]:
    generator = np.random.default_rng(SEED)
    for _ in range(0, count, 10_000):
        yield from generator.standard_normal((10_000, DIMENSIONS), np.float32)
