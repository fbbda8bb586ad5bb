"""Read all vectors into one matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.bench import Bench
from benchmarks.measuring import Contestant, Group
from dorm_vector import to_matrix


def groups(bench: Bench) -> Iterator[Group]:
    bench = bench.first(bench.sizes.loaded)
    model = bench.filled()
    table = model._meta.db_table

    def instances(_: int) -> Any:
        return np.stack([row.embedding for row in model.objects.all()])

    def values(_: int) -> Any:
        return np.stack([row[1] for row in model.objects.values_list("pk", "embedding")])

    others = [peer for peer in peers.of(bench, table) if hasattr(peer, "read")]
    yield Group(
        "read",
        f"read {len(bench.data):,} x {bench.data.dimensions} to a matrix",
        [
            Contestant("bare driver", lambda _: bench.bare.read(table)),
            Contestant("to_matrix", lambda _: to_matrix(model.objects.all(), "embedding")),
            Contestant("dorm_vector values_list", values),
            Contestant("dorm_vector instances", instances),
            *(Contestant(peer.name, reads(peer)) for peer in others),
        ],
        bench.rounds(3),
        {"to_matrix": 1.5},
    )


def reads(peer: Any) -> Any:
    return lambda _: peer.read()
