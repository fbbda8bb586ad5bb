"""The ten nearest rows without an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.bench import COUNT, Bench
from benchmarks.measuring import Contestant, Group


def groups(bench: Bench) -> Iterator[Group]:
    model = bench.filled()
    table = model._meta.db_table
    others = [peer for peer in peers.of(bench, table) if hasattr(peer, "nearest")]
    yield Group(
        "exact",
        f"exact k={COUNT} of {len(bench.data):,} x {bench.data.dimensions}",
        [
            bench.theirs(table),
            bench.ours(model),
            *(Contestant(peer.name, searches(bench, peer), recall=bench.judge()) for peer in others),
            Contestant("numpy scan of a matrix in memory", in_memory(bench), recall=bench.judge()),
        ],
        bench.rounds(15),
        {"dorm_vector": 1.1},
    )


def searches(bench: Bench, peer: Any) -> Any:
    return lambda number: peer.nearest(bench.query(number), COUNT)


def in_memory(bench: Bench) -> Any:
    vectors = bench.data.vectors

    def work(number: int) -> list[int]:
        distances = 1 - vectors @ bench.query(number)
        nearest = np.argpartition(distances, COUNT)[:COUNT]
        return [int(row) + 1 for row in nearest[np.argsort(distances[nearest])]]

    return work
