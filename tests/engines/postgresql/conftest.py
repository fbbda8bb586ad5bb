"""Two servers of PostgreSQL, of which one has a table with a partition on the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dorm.db.connection import reset_connections

from backends import Settings, postgresql
from backends.servers import extended_postgresql
from dorm_vector import CreateForeignServer, PartitionTable, bulk_load
from tests.engines.postgresql.divided_rows import Sharded, add_partitions, connect, forwards, rows, use


@pytest.fixture(scope="package")
def two_servers(backend_name: str) -> Iterator[list[Settings]]:
    with TemporaryDirectory(prefix="dorm-vector-") as folder, ExitStack() as running:
        found = []
        for name in ("here", "there"):
            place = Path(folder) / name
            place.mkdir()
            found.append(running.enter_context(extended_postgresql.launch(place, extended_postgresql.from_debian)))
        yield found
        reset_connections()


@pytest.fixture(scope="package")
def databases(two_servers: list[Settings]) -> list[Settings]:
    """The databases with the rows: "eu" and "uk" are in a partition here, and "us" is in one of the other server."""
    found = [postgresql.create(server, "reports") for server in two_servers]
    use(found)
    forwards(Sharded, PartitionTable("Sharded", "region"), CreateForeignServer("there", role="PUBLIC"))
    add_partitions(Sharded)
    bulk_load(Sharded, rows())
    return found


@pytest.fixture
def sharded(databases: list[Settings]) -> Iterator[None]:
    """Let "default" and "there" be those databases."""
    connect(databases)
    yield
    reset_connections()
