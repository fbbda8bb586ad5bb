"""Compare an index that searches must request with exact search: speed, filters, size and build time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dorm.db.connection import get_connection
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

from benchmarks import models
from benchmarks.bench import COUNT, SHARES, Bench
from benchmarks.measuring import Contestant, Group

SIZE = "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size"


def groups(bench: Bench) -> Iterator[Group]:
    if not bench.dialect.index_use.probe:
        return
    bench = bench.first(bench.sizes.indexed)
    model = bench.filled(indexed=True)
    rows = f"{len(bench.data):,} x {bench.data.dimensions}"
    for below, share in ((200, "all"), *SHARES):
        yield Group(
            "asked",
            f"index search compared with exact search, k={COUNT} with vectors, {rows}, {share} of the rows pass",
            [
                searching(bench, model, below, "exact"),
                searching(bench, model, below, "nearest(exact=False)", exact=False),
                Contestant("bare driver, index", asking(bench, model, below), recall=bench.judge(below)),
            ],
            bench.rounds(50),
        )
    yield build(model, rows)


def searching(bench: Bench, model: Any, below: int, name: str, **options: bool) -> Contestant:
    chosen = model.objects if below == 200 else model.objects.filter(part__lt=below)

    def work(number: int) -> list[int]:
        found = chosen.nearest("embedding", bench.query(number), distance="cosine", **options)
        return [row.pk for row in found[:COUNT]]

    return Contestant(name, work, recall=bench.judge(below))


def asking(bench: Bench, model: Any, below: int) -> Any:
    table, index = model._meta.db_table, models.index(model).name
    return lambda number: [row[0] for row in bench.bare.asked(table, index, bench.query(number), COUNT, below)]


def build(model: Any, rows: str) -> Group:
    state, operation = ProjectState.from_apps(), (model.__name__, models.index(model))
    sizes: list[float] = []

    def drop() -> None:
        RemoveIndex(*operation).database_forwards(models.APP, get_connection(), state, state)
        get_connection().execute("VACUUM")
        sizes[:] = [megabytes()]

    def work(_: int) -> float:
        AddIndex(*operation).database_forwards(models.APP, get_connection(), state, state)
        return megabytes() - sizes[0]

    note = "{:.0f} MB".format
    return Group("asked", f"build the index of {rows}", [Contestant("AddIndex", work, drop, note=note)], 1)


def megabytes() -> float:
    return float(get_connection().execute(SIZE)[0]["bytes"]) / 1e6
