"""What more rows, and more dimensions, cost an exact search."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import COUNT, Bench
from benchmarks.data import synthetic
from benchmarks.measuring import Group

DIMENSIONS = (128, 384, 1_536)


def groups(bench: Bench) -> Iterator[Group]:
    for rows in bench.sizes.growth:
        yield search(bench.over(synthetic(rows, 384)))
    for dimensions in DIMENSIONS:
        if (bench.sizes.wide, dimensions) not in [(rows, 384) for rows in bench.sizes.growth]:
            yield search(bench.over(synthetic(bench.sizes.wide, dimensions)))


def search(bench: Bench) -> Group:
    model, data = bench.filled(), bench.data
    return Group(
        "growth",
        f"exact k={COUNT} of {len(data):,} x {data.dimensions}, seeded clusters",
        [bench.theirs(model._meta.db_table), bench.ours(model)],
        bench.rounds(7),
        {"dorm_vector": 1.1} if bench.name == "sqlite" and len(data) == 100_000 else {},
    )
