"""Build and drop text indexes in migrations."""

from __future__ import annotations

from typing import Any

from ..dialects.shared.unsupported import Unsupported
from ..engines import _rebuilds, dialect_for
from ..indexes.text import TextIndex
from ..migration_state import column_of, indexes_of, model_of, table_of
from ..patching.registry import hook
from .ddl import said_concurrently
from .rebuilding import is_standing
from .requirements.extensions import enable_extension, warn_of_other_form

_OPERATIONS = "dorm.migrations.operations"


def add(operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
    """Build the text index of an operation with the dialect of the connection."""
    # Unapplying a squashed migration that also creates the model: the earlier state does not have the model.
    model = model_of(operation.model_name, app_label, to_state, from_state)
    _build(operation.index, model, app_label, connection, concurrently=operation.concurrently)


def remove(operation: Any, app_label: str, connection: Any, from_state: Any, _to_state: Any) -> None:
    """Drop the text index of an operation."""
    model = model_of(operation.model_name, app_label, from_state)
    _drop(operation.index, model, app_label, connection, concurrently=operation.concurrently)


@hook(f"{_OPERATIONS}:AlterField", "database_forwards")
def keep_text_indexes(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Rebuild the text indexes of a table after the table was rebuilt.

    Symptom: on SQLite, libSQL and Turso, an AlterField of any field drops the model's TextIndex, or drops the triggers
    that keep it in sync. Cause: the table is dropped, with its triggers and indexes. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, connection, from_state, to_state)
    if not _rebuilds(connection) or getattr(connection, "captured", None) is not None:
        return
    model = model_of(operation.model_name, app_label, to_state)
    for index in indexes_of(model, TextIndex):
        if not is_standing(index, index.get_name(model["name"]), connection):
            _drop(index, model, app_label, connection)
            _build(index, model, app_label, connection)


@hook(f"{_OPERATIONS}:DeleteModel", "database_forwards")
def drop_text_indexes(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Drop the text indexes of a dropped table on databases where a text index is a table.

    Symptom: on SQLite and libSQL, the table of a TextIndex remains after its model is deleted. Cause: djanorm drops
    only the model's table, and the database drops only what belongs to it. djanorm 4.3 to 4.5.
    """
    # First, because a table that refers to itself is locked by its own triggers as its rows are deleted.
    _drop_orphans(operation.name, app_label, connection, from_state)
    original(operation, app_label, connection, from_state, to_state)


@hook(f"{_OPERATIONS}:CreateModel", "database_backwards", name="drop_text_indexes")
def _drop_text_indexes_back(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    # First, because a table that refers to itself is locked by its own triggers as its rows are deleted.
    _drop_orphans(operation.name, app_label, connection, from_state)
    original(operation, app_label, connection, from_state, to_state)


def _drop_orphans(name: str, app_label: str, connection: Any, state: Any) -> None:
    if not dialect_for(connection).text_search.outlives_table:
        return
    model = model_of(name, app_label, state)
    for index in indexes_of(model, TextIndex):
        _drop(index, model, app_label, connection)


def _build(
    index: TextIndex, model: dict[str, Any], app_label: str, connection: Any, *, concurrently: bool = False
) -> None:
    fields = model["fields"]
    if fields:
        index.check(model["name"], fields)
    columns = [column_of(name, fields.get(name)) for name in index.fields]
    keys = [column_of(name, field) for name, field in fields.items() if getattr(field, "primary_key", False)]
    key = keys[0] if keys else "id"
    dialect, name = dialect_for(connection), index.get_name(model["name"])
    _prepare(index, name, columns, connection)
    for statement in index.create(dialect, name, table_of(model, app_label), columns, key):
        connection.execute_script(said_concurrently(statement, dialect) if concurrently else statement)


def _drop(
    index: TextIndex, model: dict[str, Any], app_label: str, connection: Any, *, concurrently: bool = False
) -> None:
    dialect, name = dialect_for(connection), index.get_name(model["name"])
    for statement in index.drop(dialect, name, table_of(model, app_label)):
        connection.execute_script(said_concurrently(statement, dialect) if concurrently else statement)


def _prepare(index: TextIndex, name: str, columns: list[str], connection: Any) -> None:
    """Enable the extension that the index needs, or warn that the index is built without it."""
    dialect = dialect_for(connection)
    if index.ranking == "bm25" and isinstance(dialect.bm25, Unsupported):
        warn_of_other_form(name, dialect, dialect.bm25)
    search = index.search(dialect)
    if search.extension is not None:
        minimum = search.several_since if len(columns) > 1 else ""
        enable_extension(search.extension, name, connection, minimum, "an index of several fields")
