"""Create the tables of models without migrations, for scripts, notebooks and tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from dorm.db.connection import get_async_connection, get_connection
from dorm.migrations.autodetector import MigrationAutodetector
from dorm.migrations.operations import CreateModel
from dorm.migrations.state import ProjectState
from dorm.transaction import aatomic

from ..engines.from_threads import in_thread
from ..engines.limits.exempt import exempt
from ..indexes.build_progress import Progress, in_running_loop
from .declared import with_declared
from .operations import VectorExtension


@exempt
def create_tables(*models: Any, using: str = "default", progress: Progress | None = None) -> None:
    """Enable vectors, and create the tables of these models with their indexes and many-to-many tables.

    You can pass the models in any order. Existing tables are not changed, even if the model has changed since: use
    migrations to change tables.

    Args:
        models: The models.
        using: The database alias.
        progress: A function that is called with the number of tables and indexes that exist, and their total.

    Raises:
        ValueError: A model has a relation to a table that does not exist and is not being created.
    """
    connection, tables = get_connection(using), _tables_of(models)
    _enable_vectors(connection)
    with connection.atomic():
        _create(tables, progress, connection)


@exempt
async def acreate_tables(*models: Any, using: str = "default", progress: Progress | None = None) -> None:
    """Do what ``create_tables()`` does over the async connection, as an in-memory ``sqlite://`` requires.

    ``progress`` is called in the event loop.
    """
    tables, connection = _tables_of(models), get_async_connection(using)
    # djanorm's operations are synchronous.
    await in_thread(connection, _enable_vectors)
    async with aatomic(using):
        await in_thread(connection, partial(_create, tables, in_running_loop(progress)))


def _tables_of(models: tuple[Any, ...]) -> dict[str, Any]:
    """Return the models that own the tables, keyed by table name; a proxy uses the table of its parent."""
    if not models:
        raise ValueError("create_tables() creates the tables of the models that it is given, and got none.")
    found = [_with_table(model) for model in models]
    return {model._meta.db_table: model for model in found}


def _with_table(model: Any) -> Any:
    meta = getattr(model, "_meta", None)
    if meta is None or meta.abstract:
        name = getattr(model, "__name__", repr(model))
        what = "abstract, and has no table" if meta is not None else "no model"
        raise ValueError(f"create_tables({name}): it is {what}. Give models: create_tables(Author, Document).")
    return meta.concrete_model


def _enable_vectors(connection: Any) -> None:
    nothing = ProjectState()
    VectorExtension().database_forwards("", connection, nothing, nothing)


def _create(tables: dict[str, Any], progress: Progress | None, connection: Any) -> None:
    missing = {table: model for table, model in tables.items() if not connection.table_exists(table)}
    for model in missing.values():
        _require_what_it_refers_to(model, missing, connection)
    state = ProjectState()
    ordered = list(_in_order(state_of(list(missing.values()))))
    for done, (label, operation) in enumerate(ordered):
        if progress is not None:
            progress(done, len(ordered))
        before = state.clone()
        operation.state_forwards(label, state)
        operation.database_forwards(label, connection, before, state)
    if progress is not None:
        progress(len(ordered), len(ordered))


def _require_what_it_refers_to(model: Any, missing: dict[str, Any], connection: Any) -> None:
    for field, target in _relations(model):
        table = target._meta.db_table
        if table not in missing and not connection.table_exists(table):
            name, other = model.__name__, target.__name__
            raise ValueError(
                f"create_tables({name}): {name}.{field.name} refers to {other}, and there is no table {table!r}."
                f" Create both: create_tables({other}, {name})."
            )


def _relations(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each field that refers to the table of another model, with that model."""
    for field in model._meta.fields:
        if hasattr(field, "_resolve_related_model") and not getattr(field, "through", None):
            yield field, field._resolve_related_model()


def state_of(models: list[Any]) -> ProjectState:
    """Return the project state that migrations would have for the models, including unmanaged ones."""
    state = ProjectState()
    for model in models:
        meta = model._meta
        options = {
            name: getattr(meta, name) for name in ("db_table", "ordering", "unique_together", "db_table_comment")
        }
        options |= {"indexes": list(meta.indexes), "constraints": list(meta.constraints)}
        entry = {"name": model.__name__, "fields": {field.name: field for field in meta.fields}, "options": options}
        options = with_declared(entry, getattr(meta, "index_together", None))
        if state.get_model(meta.app_label, model.__name__):
            raise ValueError(
                f"create_tables() got two models {meta.app_label}.{model.__name__}, and an app has one of a name."
                " Rename one, or give it a Meta.app_label of its own."
            )
        state.add_model(meta.app_label, model.__name__, entry["fields"], options)
    return state


def _in_order(after: ProjectState) -> Iterator[tuple[str, Any]]:
    """Yield each operation with its app: each table after those that it refers to, then what closes a cycle."""
    changes = MigrationAutodetector(ProjectState(), after).changes()
    found = [(label, operation) for label, operations in sorted(changes.items()) for operation in operations]
    created = [(label, operation) for label, operation in found if isinstance(operation, CreateModel)]
    waiting = {operation.options["db_table"]: (label, operation) for label, operation in created}
    while waiting:
        yield waiting.pop(_next(waiting))
    yield from (pair for pair in found if pair not in created)


def _next(waiting: dict[str, tuple[str, Any]]) -> str:
    """Return a table that refers to no waiting table, or the first one if they refer to each other."""
    for table, (_label, operation) in waiting.items():
        if not any(other != table and other in waiting for other in _referred_to(operation)):
            return table
    return next(iter(waiting))


def _referred_to(operation: Any) -> Iterator[str]:
    for _name, field in operation.fields:
        if hasattr(field, "_resolve_related_model") and not getattr(field, "through", None):
            yield str(field._resolve_related_model()._meta.db_table)


__all__ = ["acreate_tables", "create_tables"]
