"""The ten nearest rows by an index, at several search widths, and filtered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import peers
from benchmarks.bench import COUNT, SHARES, Bench
from benchmarks.cases.exact import searches
from benchmarks.measuring import Contestant, Group
from dorm_vector import CosineDistance, search_options


def groups(bench: Bench) -> Iterator[Group]:
    if not bench.dialect.is_approximate:
        return
    bench = bench.first(bench.sizes.indexed)
    model = bench.filled(indexed=True)
    table = model._meta.db_table
    others = [peer for peer in peers.of(bench, table, indexed=True) if hasattr(peer, "nearest")]
    rows = f"{len(bench.data):,} x {bench.data.dimensions}"
    yield Group(
        "ann",
        f"index search, k={COUNT} with vectors, {rows}, the server's defaults",
        [
            bench.theirs(table),
            bench.ours(model),
            *(Contestant(peer.name, searches(bench, peer), recall=bench.judge()) for peer in others),
        ],
        bench.rounds(100),
        {"dorm_vector": 1.3},
    )
    yield Group(
        "ann",
        f"index search, k={COUNT}, {rows}, at several ef_search",
        [at_width(bench, model, width) for width in (20, 40, 80, 200)],
        bench.rounds(40),
    )
    for below, share in SHARES:
        yield Group(
            "ann",
            f"index search, k={COUNT}, {rows}, {share} of the rows pass",
            [
                bench.theirs(table, below),
                bench.ours(model, below),
                nearest(bench, model, below),
            ],
            bench.rounds(30),
        )


def at_width(bench: Bench, model: Any, width: int) -> Contestant:
    def work(number: int) -> list[int]:
        with search_options(ef_search=width):
            rows = model.objects.annotate(distance=CosineDistance("embedding", bench.query(number)))
            return [row.pk for row in rows.order_by("distance")[:COUNT]]

    return Contestant(f"dorm_vector, ef_search={width}", work, recall=bench.judge())


def nearest(bench: Bench, model: Any, below: int) -> Contestant:
    def work(number: int) -> list[int]:
        found = model.objects.filter(part__lt=below).nearest("embedding", bench.query(number), distance="cosine")
        return [row.pk for row in found[:COUNT]]

    return Contestant("dorm_vector nearest()", work, recall=bench.judge(below))
