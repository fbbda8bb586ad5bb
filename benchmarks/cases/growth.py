"""What more rows, and more dimensions, cost an exact search and a load."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import COUNT, Bench
from benchmarks.data import Data, synthetic
from benchmarks.measuring import Contestant, Group
from dorm_vector import CosineDistance

ROWS = (1_000, 10_000, 100_000)
DIMENSIONS = (128, 384, 1_536)


def groups(bench: Bench) -> Iterator[Group]:
    for rows in ROWS[: 2 if bench.quick else None]:
        yield search(bench, synthetic(rows, 384))
    for dimensions in DIMENSIONS:
        yield search(bench, synthetic(2_000 if bench.quick else 10_000, dimensions))


def search(bench: Bench, data: Data) -> Group:
    model = bench.filled(data)
    table = model._meta.db_table

    def bare(number: int) -> list[int]:
        return [row[0] for row in bench.bare.nearest(table, data.queries[number % 200], COUNT)]

    def ours(number: int) -> list[int]:
        distance = CosineDistance("embedding", data.queries[number % 200])
        return [row.pk for row in model.objects.annotate(distance=distance).order_by("distance")[:COUNT]]

    def recall(number: int, found: list[int]) -> float:
        return data.recall(data.queries[number % 200], found)

    return Group(
        "growth",
        f"exact k={COUNT} of {len(data):,} x {data.dimensions}",
        [Contestant("bare driver", bare, recall=recall), Contestant("dorm_vector", ours, recall=recall)],
        bench.rounds(7),
        {"dorm_vector": 1.1} if len(data) >= 100_000 else {},
    )
