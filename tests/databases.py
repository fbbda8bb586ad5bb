"""A configured database for the suite: schema through djanorm's own migration operations."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import dorm
from dorm.db.connection import get_async_connection, get_connection, reset_connections
from dorm.migrations.autodetector import MigrationAutodetector
from dorm.migrations.operations import DeleteModel
from dorm.migrations.state import ProjectState
from dorm.models import _model_registry

from backends import Running
from dorm_vector import VectorExtension
from dorm_vector.dialects.base import Dialect
from dorm_vector.engines import dialect_for
from dorm_vector.engines.postgresql.citus import is_met, met
from dorm_vector.steps import run
from tests.helpers.clusters.citus_tables import distribute
from tests.models import MODELS

SPEAKS = {"citus": "postgresql"}
"""What is said of the tests on one database is true on the other."""


@dataclass(frozen=True)
class Database:
    """One database of one server, with the suite's tables in it."""

    running: Running
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        return SPEAKS.get(self.running.name, self.running.name)

    @property
    def connection(self) -> Any:
        return get_connection()

    @property
    def async_connection(self) -> Any:
        return get_async_connection()

    @property
    def dialect(self) -> Dialect:
        if self.running.name in SPEAKS and not is_met(self.connection):
            run(met(self.connection), self.connection)
        return dialect_for(self.connection)

    def use(self) -> None:
        """Make this the default database of the process."""
        reset_connections()
        dorm.configure(DATABASES={"default": self.settings}, INSTALLED_APPS=[])

    def clear(self) -> None:
        is_spread = bool(self.dialect.planning.shard_count)
        # On a cluster, each commit of a change on several servers takes two rounds.
        with self.connection.atomic() if is_spread else nullcontext():
            if is_spread:  # Citus refuses to change a reference table after shards that refer to it, all at once.
                self.connection.execute_script("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")
            for model in reversed(MODELS):
                self.connection.execute_write(f'DELETE FROM "{model._meta.db_table}"')


def create_tables(connection: Any, models: tuple[Any, ...] = MODELS) -> None:
    """Enable vectors and create the models' tables, as ``dorm migrate`` does."""
    before, after = ProjectState(), state_of(models)
    VectorExtension().database_forwards("tests", connection, before, before)
    with connection.atomic():
        for operations in MigrationAutodetector(ProjectState(), after).changes().values():
            for operation in _in_order(operations, models):
                operation.database_forwards("tests", connection, before, after)
    if dialect_for(connection).planning.shard_count:
        distribute(connection, models, after)


def drop_table(database: Database, model: Any) -> None:
    """Drop the model's table and its indexes, as a migration that deletes the model does."""
    state, nothing = state_of((model,)), ProjectState()
    DeleteModel(model.__name__).database_forwards("tests", database.connection, state, nothing)


def state_of(models: tuple[Any, ...]) -> ProjectState:
    # djanorm knows one model of a name, and another test may have one of the same.
    with patch.dict(_model_registry, {model.__name__: model for model in models}):
        state, everything = ProjectState(), ProjectState.from_apps()
    # Nor is a table's name enough, which two tests may have chosen.
    named = {(model.__name__, model._meta.db_table) for model in models}
    found = everything.models.items()
    state.models = {key: model for key, model in found if (model["name"], model["options"]["db_table"]) in named}
    return state


def _in_order(operations: list[Any], models: tuple[Any, ...]) -> list[Any]:
    # A table after those it refers to; djanorm's order is that of a set.
    position = {model.__name__: number for number, model in enumerate(models)}
    return sorted(operations, key=lambda operation: position[operation.name])
