"""The ten nearest rows without an index: of all, and of those that pass a filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.bench import COUNT, SHARES, Bench
from benchmarks.measuring import Contestant, Group


def groups(bench: Bench) -> Iterator[Group]:
    bench = bench.first(bench.sizes.searched)
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
    )
    for below, share in SHARES:
        yield Group(
            "exact",
            f"exact k={COUNT} of {len(bench.data):,} x {bench.data.dimensions}, {share} of the rows pass",
            [bench.theirs(table, below), bench.ours(model, below)],
            bench.rounds(10),
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
