"""Rebuild an index: an operation of migrations, and functions."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

from dorm.db.connection import get_async_connection, get_connection
from dorm.migrations.operations import AddIndex, Operation, RemoveIndex
from dorm.migrations.state import ProjectState
from dorm.transaction import aatomic

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..engines.connections import in_transaction
from ..engines.from_threads import in_thread
from ..engines.limits.exempt import exempt
from ..engines.uncancelled import finished
from ..indexes.build_progress import BuildReport, Progress
from ..indexes.text import TextIndex
from ..indexes.vector import VectorIndex
from ..migration_state import model_of, table_of
from .concurrently import require_free, rules_of, separate_session
from .ddl import build_options
from .tables import state_of


class RebuildIndex(Operation):
    """The migration operation that rebuilds an index, such as one that lost rows on libSQL.

    ``concurrently=True`` rebuilds it without blocking writers where the database can, which is PostgreSQL. Unapplying
    it does nothing.
    """

    def __init__(self, model_name: str, name: str, concurrently: bool = False) -> None:
        self.model_name, self.name, self.concurrently = model_name, name, concurrently

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        work = _Rebuild(app_label, model_of(self.model_name, app_label, to_state), self.name, to_state)
        rules = rules_of(connection) if self.concurrently else None
        if rules is None or getattr(connection, "captured", None) is not None:
            work.run(connection)
        else:
            require_free(f"RebuildIndex({self.name!r}, concurrently=True)", work.table, rules, connection)
            work.run_concurrently(connection, rules)

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        """Leave the index as it is."""

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        options = {"concurrently": True} if self.concurrently else {}
        return "dorm_vector.RebuildIndex", (self.model_name, self.name), options

    def describe(self) -> str:
        return f"Rebuild index {self.name} on {self.model_name}"

    def __repr__(self) -> str:
        return f"RebuildIndex(model_name={self.model_name!r}, name={self.name!r})"


@exempt
def rebuild_index(model: Any, name: str, *, using: str = "default", progress: Progress | None = None) -> None:
    """Rebuild an index of a model by its name.

    This is REINDEX on SQLite, libSQL and PostgreSQL, there CONCURRENTLY outside of a transaction. Elsewhere, and
    if the index is a table of its own, it is dropped and created. If the database has no such index, nothing happens.

    Args:
        model: The model.
        name: The name of the index.
        using: The database alias.
        progress: A function that is called with how much is done and the total, or None if the database does not
            report it: twice a second, in a thread of its own.

    Raises:
        ValueError: The model declares no index of that name.
    """
    connection, work = get_connection(using), _of_model(model, name)
    rules = None if in_transaction(connection) else rules_of(connection)
    dialect = dialect_for(connection)
    with BuildReport(progress, using, dialect, work.table):
        if rules is not None:
            work.run_concurrently(connection, rules)
            return
        with nullcontext() if dialect.loading.ddl_commits else connection.atomic():
            work.run(connection)


@exempt
async def arebuild_index(model: Any, name: str, *, using: str = "default", progress: Progress | None = None) -> None:
    """Do what ``rebuild_index()`` does, over the async connection; ``progress`` is called in the event loop."""
    connection, work = get_async_connection(using), _of_model(model, name)
    rules = None if in_transaction(connection) else rules_of(connection)
    dialect = dialect_for(connection)
    async with BuildReport(progress, using, dialect, work.table):
        if rules is not None:
            # The work runs in its own session in either case.
            await finished(asyncio.to_thread(work.run_concurrently, get_connection(using), rules))
            return
        async with nullcontext() if dialect.loading.ddl_commits else aatomic(using):
            await in_thread(connection, work.run)


def _of_model(model: Any, name: str) -> _Rebuild:
    owner = model._meta.concrete_model
    label, state = owner._meta.app_label, state_of([owner])
    return _Rebuild(label, model_of(owner.__name__, label, state), name, state)


class _Rebuild:
    """One index of a model in a project state, and how to rebuild it."""

    def __init__(self, app_label: str, model: dict[str, Any], name: str, state: ProjectState) -> None:
        self._app_label, self._model, self._name, self._state = app_label, model, name, state
        self.table = table_of(model, app_label)
        declared = {index.get_name(model["name"]): index for index in model["options"].get("indexes") or ()}
        if name not in declared:
            there = f"It has {', '.join(sorted(declared))}." if declared else "It has none."
            raise ValueError(f"{model['name']} has no index named {name!r} to rebuild. {there}")
        self._index = declared[name]

    def run(self, connection: Any) -> None:
        dialect = dialect_for(connection)
        if not self._is_built(dialect):
            return
        if self._is_reindexed(dialect):
            self._reindex(connection, dialect, "")
            return
        for operation in (RemoveIndex(self._model["name"], self._index), AddIndex(self._model["name"], self._index)):
            operation.database_forwards(self._app_label, connection, self._state, self._state)

    def run_concurrently(self, connection: Any, rules: Any) -> None:
        dialect = dialect_for(connection)
        if not self._is_built(dialect):
            return
        with separate_session(connection, rules) as session:
            try:
                self._reindex(session, dialect, dialect.ddl.concurrently)
            except Exception:
                # Any error leaves an invalid index behind.
                session.drop_invalid(f"{self._name}_ccnew")
                raise

    def _is_built(self, dialect: Dialect) -> bool:
        return not isinstance(self._index, VectorIndex) or self._index.is_built_by(dialect)

    def _is_reindexed(self, dialect: Dialect) -> bool:
        if not dialect.ddl.reindex or getattr(self._index, "kind", None) in dialect.companions:
            return False
        return not (isinstance(self._index, TextIndex) and dialect.text_search.outlives_table)

    def _reindex(self, connection: Any, dialect: Dialect, concurrently: str) -> None:
        options = getattr(self._index, "build_options", None) or {}
        with build_options(options, connection, dialect):
            connection.execute_script(dialect.ddl.reindex.format(concurrently=concurrently, name=self._name))
