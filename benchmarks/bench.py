"""One database that is being measured: its tables, its data, and who is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import dorm
from dorm.db.connection import get_connection, reset_connections
from dorm.migrations.autodetector import MigrationAutodetector
from dorm.migrations.state import ProjectState

from backends import Running
from benchmarks import bare, models
from benchmarks.data import Data, Floats
from benchmarks.measuring import Contestant
from benchmarks.models import APP
from benchmarks.sizes import Sizes
from dorm_vector import CosineDistance, VectorExtension, bulk_load
from dorm_vector.dialects.base import Dialect
from dorm_vector.engines import dialect_for

COUNT = 10
SHARES = ((100, "50 %"), (10, "5 %"), (1, "0.5 %"))
"""What passes the filter ``part < n``."""


@dataclass
class Bench:
    """A fresh database, our connection to it, and the bare driver's."""

    running: Running
    settings: dict[str, Any]
    data: Data
    quick: bool
    sizes: Sizes = field(default_factory=Sizes)
    large: bool = False
    bare: Any = None

    def __enter__(self) -> Self:
        reset_connections()
        bare.configure(self.name, self.settings)
        dorm.configure(DATABASES={"default": self.settings}, INSTALLED_APPS=[], SLOW_QUERY_MS=None)
        self.create()
        self.bare = bare.get(self.name, self.settings)
        return self

    def __exit__(self, *error: object) -> None:
        self.bare.close()
        reset_connections()
        self.running.drop_database(self.settings)

    @property
    def name(self) -> str:
        return self.running.name

    @property
    def dialect(self) -> Dialect:
        return dialect_for(get_connection())

    def first(self, rows: int) -> Bench:
        """Return the same, over the first rows of the data."""
        return self.over(self.data.first(rows))

    def over(self, data: Data) -> Bench:
        return replace(self, data=data)

    def rounds(self, many: int) -> int:
        return min(many, 3) if self.quick else many

    def create(self, *tables: Any) -> None:
        """Enable vectors, and create the tables of these models."""
        connection = get_connection()
        VectorExtension().database_forwards(APP, connection, ProjectState(), ProjectState())
        for model in tables:
            state = ProjectState.from_apps()
            key = f"{APP}.{model.__name__.lower()}"
            state.models = {key: state.models[key]}
            for operation in MigrationAutodetector(ProjectState(), state).changes()[APP]:
                operation.database_forwards(APP, connection, ProjectState(), state)

    def filled(self, *, indexed: bool = False) -> Any:
        """Return a model whose table holds the data."""
        model = models.item(self.data.dimensions, indexed=indexed)
        if not get_connection().table_exists(model._meta.db_table):
            self.create(model)
        self.drop_rows(model)
        bulk_load(model, self.data.columns(), defer_indexes=indexed)
        self.settle(model)
        return model

    def empty(self, dimensions: int) -> Any:
        model = models.item(dimensions)
        if not get_connection().table_exists(model._meta.db_table):
            self.create(model)
        self.drop_rows(model)
        return model

    def drop_rows(self, model: Any) -> None:
        self.bare.clear(model._meta.db_table)

    def settle(self, model: Any) -> None:
        """Let the planner know the rows."""
        if self.name == "postgresql":
            self.bare.execute(f'VACUUM ANALYZE "{model._meta.db_table}"')

    def query(self, number: int) -> Floats:
        query: Floats = self.data.queries[number % len(self.data.queries)]
        return query

    def ours(self, model: Any, below: int = 200, name: str = "dorm_vector") -> Contestant:
        """Return ten nearest rows, with vectors and distances, through a queryset."""
        rows = model.objects if below == 200 else model.objects.filter(part__lt=below)

        def work(number: int) -> list[int]:
            ranked = rows.annotate(distance=CosineDistance("embedding", self.query(number))).order_by("distance")
            return [row.pk for row in ranked[:COUNT]]

        return Contestant(name, work, recall=self.judge(below))

    def theirs(self, table: str, below: int = 200, name: str = "bare driver") -> Contestant:
        def work(number: int) -> list[int]:
            return [row[0] for row in self.bare.nearest(table, self.query(number), COUNT, below)]

        return Contestant(name, work, recall=self.judge(below))

    def judge(self, below: int = 200) -> Any:
        return lambda number, found: self.data.recall(self.query(number), found, below)
