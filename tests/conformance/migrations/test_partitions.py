"""Tables with partitions in one database; tests/engines/postgresql has those on several servers."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from dorm.migrations.state import ProjectState

from dorm_vector import AddPartition, HnswIndex, PartitionTable, UnsupportedByDatabase, VectorField
from tests.conformance.inside import Unsupported
from tests.databases import Database, create_tables, state_of


class Divided(dorm.Model):
    year = dorm.IntegerField()
    embedding = VectorField(dimensions=2, null=True)

    class Meta:
        app_label = "tests"
        indexes = [HnswIndex(fields=["embedding"], name="divided_hnsw", distance="l2")]


def run(database: Database, operation: Any, way: str = "database_forwards") -> None:
    state = state_of((Divided,))
    getattr(operation, way)("tests", database.connection, state, state)


async def test_partitions(db: Database) -> None:
    divided, claim = PartitionTable("Divided", "year", "range"), db.dialect.partitions
    if isinstance(claim, Unsupported):
        with pytest.raises(UnsupportedByDatabase, match=r"federated_nearest\(\)"):
            divided.database_forwards("tests", db.connection, ProjectState(), state_of((Divided,)))
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            db.connection.execute(claim.probe)
        return
    create_tables(db.connection, (Divided,))
    run(db, divided)
    parts = [
        AddPartition("Divided", "divided_old", start=1900, end=2000),
        AddPartition("Divided", "divided_new", default=True),
    ]
    for part in parts:
        run(db, part)
    for year in (1980, 1999, 2000, 2001):
        await Divided.objects.acreate(year=year, embedding=[year, 1])
    found = Divided.objects.nearest("embedding", [1999.75, 1])[:3]
    assert [row.year for row in found] == [row.year async for row in found.all()] == [2000, 1999, 2001]
    assert [row.year for row in Divided.objects.filter(year__lt=2000).nearest("embedding", [0, 1])[:3]] == [1980, 1999]
    for operation in (*reversed(parts), divided):
        run(db, operation, "database_backwards")
    assert not Divided.objects.exists()
    assert Divided.objects.create(year=1, embedding=[1, 1]).pk == 1
    with pytest.raises(ValueError, match="has rows"):
        run(db, divided)
    db.connection.execute_script('DROP TABLE "tests_divided"')
