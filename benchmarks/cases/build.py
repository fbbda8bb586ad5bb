"""Build the index over the rows that are there."""

from __future__ import annotations

from collections.abc import Iterator

from dorm.db.connection import get_connection
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

from benchmarks import models
from benchmarks.bench import Bench
from benchmarks.measuring import Contestant, Group


def groups(bench: Bench) -> Iterator[Group]:
    if not bench.dialect.is_approximate:
        return
    bench = bench.first(min(bench.sizes.indexed, 10_000))
    model = bench.filled(indexed=True)
    state = ProjectState.from_apps()
    operation = (model.__name__, models.index(model))

    def drop() -> None:
        RemoveIndex(*operation).database_forwards(models.APP, get_connection(), state, state)

    def build(_: int) -> None:
        AddIndex(*operation).database_forwards(models.APP, get_connection(), state, state)

    rows = f"{len(bench.data):,} x {bench.data.dimensions}"
    bare = Contestant("bare driver", lambda _: bench.bare.build(model._meta.db_table, models.index(model).name), drop)
    yield Group("build", f"build the index of {rows}", [bare, Contestant("AddIndex", build, drop)], bench.rounds(2))
