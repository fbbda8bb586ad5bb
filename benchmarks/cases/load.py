"""Write all vectors: from a matrix, and from instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import peers
from benchmarks.bench import Bench
from benchmarks.data import Data
from benchmarks.measuring import Aim, Contestant, Group
from dorm_vector import bulk_load

AIMED = ("postgresql", "sqlite", "mariadb", "mysql", "turso")


def groups(bench: Bench) -> Iterator[Group]:
    bench = bench.first(bench.sizes.loaded)
    model = bench.empty(bench.data.dimensions)
    table, data = model._meta.db_table, bench.data

    def clear() -> None:
        bench.drop_rows(model)

    dicts = [
        {"id": key, "part": part, "embedding": vector}
        for key, part, vector in zip(data.ids, data.parts, data.vectors, strict=True)
    ]
    size = f"{len(data):,} x {data.dimensions}"
    yield Group(
        "load",
        f"load {size} from a matrix",
        [
            Contestant("bare driver", lambda _: bench.bare.load(table, data), clear),
            Contestant("bulk_load", lambda _: bulk_load(model, data.columns()), clear),
            Contestant("bulk_load of dicts", lambda _: bulk_load(model, dicts), clear),
        ],
        bench.rounds(5),
        {"bulk_load": 1.25, "bulk_load of dicts": 1.4} if bench.name in AIMED else {},
    )
    few = data.first(bench.sizes.saved)
    rows = list(zip(few.ids, few.parts, few.vectors, strict=True))

    made: list[Any] = []

    def make() -> None:
        # Every contestant needs the same instances, so building them is not timed.
        clear()
        made[:] = [model(id=i, part=part, embedding=vector) for i, part, vector in rows]

    others = [peer for peer in peers.of(bench, table) if hasattr(peer, "save")]

    yield Group(
        "load",
        f"save {len(few):,} x {few.dimensions} instances",
        [
            Contestant("bare driver", lambda _: bench.bare.insert(table, few), clear),
            Contestant("dorm_vector bulk_create", lambda _: model.objects.bulk_create(made), make),
            Contestant("dorm_vector bulk_load of instances", lambda _: bulk_load(model, made), make),
            *(Contestant(peer.name, saves(peer), makes(peer, few)) for peer in others),
        ],
        bench.rounds(5),
        {"dorm_vector bulk_create": 2.0},
        [Aim("dorm_vector bulk_create", 0.2, than="djanorm contrib.pgvector")] * (bench.name == "postgresql"),
    )


def saves(peer: Any) -> Any:
    return lambda _: peer.save()


def makes(peer: Any, data: Data) -> Any:
    return lambda: peer.make(data)
