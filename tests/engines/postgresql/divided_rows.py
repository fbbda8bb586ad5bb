"""A model whose table has partitions on two servers, and the rows in it."""

from __future__ import annotations

from typing import Any

import dorm
from dorm.db.connection import get_connection, reset_connections
from dorm.migrations.operations import CreateModel
from dorm.migrations.state import ProjectState

from backends import Settings, postgresql
from dorm_vector import AddForeignPartition, AddPartition, HnswIndex, Metric, VectorExtension, VectorField
from tests.databases import state_of
from tests.helpers import oracle

COUNT = 240
STORED, QUERY = oracle.vectors(COUNT, 8), [0.25, -0.5, 0.125, 0.5, 0.75, -0.25, 0.5, -1.0]


class Sharded(dorm.Model):
    region = dorm.CharField(max_length=8)
    number = dorm.IntegerField(db_index=True)
    embedding = VectorField(8, null=True)

    class Meta:
        app_label = "tests"
        db_table = "fdw_sharded"
        indexes = [HnswIndex(fields=["embedding"], name="fdw_hnsw", distance="l2")]
        constraints = [dorm.UniqueConstraint(fields=["region", "number"], name="fdw_number")]


class Hashed(dorm.Model):
    key = dorm.IntegerField(primary_key=True)
    embedding = VectorField(8)

    class Meta:
        app_label = "tests"
        db_table = "fdw_hashed"
        indexes = [HnswIndex(fields=["embedding"], name="fdw_hashed_hnsw")]


class Kept(dorm.Model):
    embedding = VectorField(2)

    class Meta:
        app_label = "tests"
        db_table = "fdw_kept"
        indexes = [HnswIndex(fields=["embedding"], name="fdw_kept_hnsw")]


def use(settings: list[Settings]) -> None:
    for each in settings:
        # The planner would read and sort so few rows.
        for switch in ("enable_seqscan", "enable_sort"):
            postgresql.execute(each, f'ALTER DATABASE "{each["NAME"]}" SET {switch} = off')
    connect(settings)


def connect(settings: list[Settings]) -> None:
    reset_connections()
    dorm.configure(DATABASES=dict(zip(("default", "there"), settings, strict=True)), INSTALLED_APPS=[])


def forwards(model: Any, *operations: Any) -> None:
    """Run operations after those that create the model's table, as a migration does."""
    state, connection = state_of((model,)), get_connection()
    (entry,) = state.models.values()
    created = CreateModel(entry["name"], list(entry["fields"].items()), entry["options"])
    for operation in (VectorExtension(), created, *operations):
        operation.database_forwards("tests", connection, ProjectState(), state)


def apply(model: Any, operation: Any, way: str = "database_forwards") -> None:
    state = state_of((model,))
    getattr(operation, way)("tests", get_connection(), state, state)


def add_partitions(model: Any) -> None:
    apply(model, AddPartition(model.__name__, "fdw_eu", values=["eu", "uk"]))
    apply(model, AddForeignPartition(model.__name__, "fdw_us", "there", values=["us"]))


def region(n: int) -> str:
    return ("eu", "us", "uk", "us")[n % 4]


def rows() -> list[dict[str, Any]]:
    return [{"region": region(n), "number": n, "embedding": vector} for n, vector in enumerate(STORED)]


def expected(count: int, keep: Any = lambda n: True, metric: Metric = Metric.L2) -> list[int]:
    kept = [n for n in range(COUNT) if keep(n)]
    return sorted(kept, key=lambda n: oracle.distance(metric, STORED[n], QUERY) or 0)[:count]
