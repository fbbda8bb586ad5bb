"""Copies, exports and find_duplicates() take the memory of a few batches, however many rows a table has."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dorm
import numpy as np
import pytest
from dorm.db.connection import reset_connections

import backends
from dorm_vector import VectorField, bulk_load, copy_database, create_tables, export_parquet, find_duplicates
from tests.conftest import started

FEW, MANY, DIMENSIONS = 200, 600, 512


class BoundedRow(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(DIMENSIONS)

    class Meta:
        db_table = "bounded_row"


@pytest.fixture
def empty(running: backends.Running) -> Iterator[None]:
    servers = {"default": running, "other": started("sqlite")}
    made = {alias: server.new_database() for alias, server in servers.items()}
    reset_connections()
    dorm.configure(DATABASES=made, INSTALLED_APPS=[])
    for alias in made:
        create_tables(BoundedRow, using=alias)
    yield
    reset_connections()
    for alias, server in servers.items():
        server.drop_database(made[alias])


def fill(first: int, last: int) -> None:
    matrix = np.random.default_rng(first).standard_normal((last - first, DIMENSIONS), np.float32)
    bulk_load(BoundedRow, {"name": [f"row {number}" for number in range(first, last)], "embedding": matrix})


def peak_of(work: Callable[[], Any]) -> int:
    """Return the bytes that Python and numpy have taken at most for the work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_table(empty: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In proportion to small tables.
    monkeypatch.setattr("dorm_vector.retrieval.near_rows.BLOCK_BYTES", 100 * 4 * DIMENSIONS)
    works: dict[str, Callable[[], Any]] = {
        "copy": lambda: copy_database("default", "other", [BoundedRow], batch_size=50, overwrite=True),
        "duplicates": lambda: find_duplicates(BoundedRow, "embedding", 0.001),
        "export": lambda: export_parquet(BoundedRow, tmp_path / "rows.parquet", batch_size=50),
        "list": lambda: list(BoundedRow.objects.all()),
    }
    fill(0, FEW)
    for work in works.values():
        # Imports, and what is kept for the next time.
        work()
    few = {name: peak_of(work) for name, work in works.items()}
    fill(FEW, MANY)
    many = {name: peak_of(work) for name, work in works.items()}
    growth = {name: many[name] - few[name] for name in works}
    # The vectors alone of the rows that came.
    came = 4 * DIMENSIONS * (MANY - FEW)
    assert growth.pop("list") > came
    for name, grown in growth.items():
        assert grown < came / 3, (name, few, many)
