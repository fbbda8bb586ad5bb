"""Searches and loads of one PostgreSQL server, two shards with postgres_fdw, a replica, and four databases.

python -m benchmarks.scale_out [ROWS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dorm
from dorm.db.connection import get_connection, reset_connections
from dorm.migrations.operations import CreateModel
from dorm.migrations.state import ProjectState

from backends import Settings, postgresql
from backends.servers import extended_postgresql
from backends.servers.standby import following
from benchmarks import tables
from benchmarks.data import Data, load
from benchmarks.measuring import Contestant, Group, measure
from benchmarks.models import item
from dorm_vector import (
    AddForeignPartition,
    AddPartition,
    CreateForeignServer,
    PartitionTable,
    VectorExtension,
    bulk_load,
    create_tables,
    federated_nearest,
)
from dorm_vector.schema.tables import state_of

ROWS, COUNT, ROUNDS = 8_000, 10, 60
DATABASES = [f"database_{number}" for number in range(4)]


def main() -> None:
    data = load(None, int(sys.argv[1]) if sys.argv[1:] else ROWS)
    model = item(data.dimensions, indexed=True)
    with TemporaryDirectory(prefix="dorm-vector-") as folder, servers(Path(folder)) as databases:
        dorm.configure(DATABASES=databases, INSTALLED_APPS=[], SLOW_QUERY_MS=None)
        rates = {"one server": loaded(model, data, "one"), "two shards": divided(model, data)}
        rates["four databases"] = several(model, data)
        for name, rate in rates.items():
            print(f"load, {name}: {rate:,.0f} rows/s", flush=True)
        caught_up(model, len(data))
        for below, share in ((200, "all"), (20, "10 %")):
            title = f"k={COUNT}, {len(data):,} x {data.dimensions}, {share} of the rows pass"
            contestants = list(searches(model, data, below))
            print(tables.table(measure(Group("scale out", title, contestants, ROUNDS), "postgresql")), flush=True)
        reset_connections()


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, Settings]]:
    """Run a primary with its standby, and two servers with postgres_fdw; yield the databases by alias."""
    with ExitStack() as running:
        folder.chmod(0o755)
        places = {name: folder / name for name in ("primary", "here", "there")}
        for place in places.values():
            place.mkdir(mode=0o755)
        primary = running.enter_context(postgresql.launch(places["primary"]))
        launched = [
            running.enter_context(extended_postgresql.launch(places[name], extended_postgresql.from_debian))
            for name in ("here", "there")
        ]
        replica = running.enter_context(following(primary, folder))
        found = {"one": primary, "replica": replica}
        shards = {
            name: postgresql.create(server, "shard")
            for name, server in zip(("default", "there"), launched, strict=True)
        }
        copies = {name: postgresql.create(launched[n % 2], name) for n, name in enumerate(DATABASES)}
        yield {**found, **shards, **copies}


def loaded(model: Any, data: Data, alias: str) -> float:
    """Create the table, with its index, and return how many rows are loaded per second."""
    create_tables(model, using=alias)
    found = rate(lambda: bulk_load(model, data.columns(), using=alias), len(data))
    analyze(model, alias)
    return found


def rate(work: Callable[[], object], rows: int) -> float:
    begun = time.perf_counter()
    work()
    return rows / (time.perf_counter() - begun)


def divided(model: Any, data: Data) -> float:
    state, connection = state_of([model]), get_connection()
    (entry,) = state.models.values()
    name, parts = entry["name"], {"modulus": 2, "remainder": 1}
    for operation in (
        VectorExtension(),
        CreateModel(name, list(entry["fields"].items()), entry["options"]),
        PartitionTable(name, "id", "hash"),
        AddPartition(name, "part_here", modulus=2, remainder=0),
        CreateForeignServer("there"),
        AddForeignPartition(name, "part_there", "there", **parts),
    ):
        operation.database_forwards(model._meta.app_label, connection, ProjectState(), state)
    found = rate(lambda: bulk_load(model, data.columns()), len(data))
    for table in (model._meta.db_table, "part_here", "part_there"):
        connection.execute_script(f'ANALYZE "{table}"')
    return found


def several(model: Any, data: Data) -> float:
    columns = data.columns()

    def work() -> None:
        for number, alias in enumerate(DATABASES):
            bulk_load(model, {name: values[number::4] for name, values in columns.items()}, using=alias)

    for alias in DATABASES:
        create_tables(model, using=alias)
    found = rate(work, len(data))
    for alias in DATABASES:
        analyze(model, alias)
    return found


def analyze(model: Any, alias: str) -> None:
    get_connection(alias).execute_script(f'ANALYZE "{model._meta.db_table}"')


def caught_up(model: Any, rows: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while model.objects.using("replica").count() < rows:
        if time.monotonic() > deadline:
            raise TimeoutError("the replica does not catch up")
        time.sleep(0.1)


def searches(model: Any, data: Data, below: int) -> Iterator[Contestant]:
    """Yield the same search in each place."""

    def query(number: int) -> Any:
        return data.queries[number % len(data.queries)]

    def recall(number: int, rows: Any) -> float:
        return data.recall(query(number), [row.id for row in rows], below)

    def work(alias: str) -> Callable[[int], Any]:
        rows = model.objects.using(alias).filter(part__lt=below) if below < 200 else model.objects.using(alias)
        return lambda number: list(rows.nearest("embedding", query(number))[:COUNT])

    for alias, name in (("one", "one server"), ("default", "two shards"), ("replica", "one replica")):
        yield Contestant(name, work(alias), recall=recall)
    rows = model.objects.filter(part__lt=below) if below < 200 else model.objects.all()
    yield Contestant(
        "four databases",
        lambda number: federated_nearest(rows, "embedding", query(number), databases=DATABASES, limit=COUNT),
        recall=recall,
    )


if __name__ == "__main__":
    main()
