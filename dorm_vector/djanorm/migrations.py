"""Repairs of djanorm's migration operations and of its autodetector."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..dialects import dialect_for
from ..exceptions import VectorsWouldBeLost
from ..fields import VectorField
from ..index_forms import indexed
from ..indexes import VectorIndex
from ..patching.on_import import Late
from .building import Place, build, columns_of, said_concurrently
from .possible_indexes import require_possible_indexes
from .rebuilding import standing_state
from .repairs import repair

_OPERATIONS = "dorm.migrations.operations"
operations: Any = Late(_OPERATIONS)


@repair(f"{_OPERATIONS}:AddIndex", "database_forwards")
@repair(f"{_OPERATIONS}:RemoveIndex", "database_backwards", name="vector_index_ddl")
def vector_index_ddl(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Build and drop a vector index by the dialect of the connection.

    Symptom: an HnswIndex is a syntax error on every database but PostgreSQL, ignores ``db_column``, and an unnamed one
    is created under one name and dropped under another. Cause: ``Index.create_sql`` is told a vendor, not the
    connection, and dropping never asks the index. djanorm 4.3 to 4.5.
    """
    if not isinstance(operation.index, VectorIndex):
        original(operation, app_label, connection, from_state, to_state)
        return
    require_possible_indexes(_model(operation, app_label, to_state), connection)
    place = _place(operation, app_label, to_state, connection)
    if place.field is None:
        # Taken back from a squashed migration that creates the model, too: the state before knows no such model.
        place = _place(operation, app_label, from_state, connection)
    build(operation.index, place, connection, operation.concurrently)


@repair(f"{_OPERATIONS}:RemoveIndex", "database_forwards", name="vector_index_ddl")
@repair(f"{_OPERATIONS}:AddIndex", "database_backwards", name="vector_index_ddl")
def _drop_vector_index(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    if not isinstance(operation.index, VectorIndex):
        original(operation, app_label, connection, from_state, to_state)
        return
    drop(operation.index, _place(operation, app_label, from_state, connection), connection, operation.concurrently)


@repair(f"{_OPERATIONS}:AlterField", "database_forwards")
def alter_vector_field(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Change a vector column without touching stored vectors, or refuse.

    Symptom: other ``dimensions`` on SQLite silently keep vectors of the old length, and rebuild the table for nothing;
    on MySQL and MariaDB nothing happens at all. Cause: the column type is BLOB for every length on SQLite, and only
    PostgreSQL and SQLite are written for. djanorm 4.3 to 4.5.
    """
    old, new = _field(operation, app_label, from_state), operation.field
    if isinstance(old, VectorField) and isinstance(new, VectorField):
        if old.dimensions != new.dimensions:
            _require_no_vectors(operation, app_label, connection, from_state, old, new)
        definition = _column_sql(operation.name, new, connection)
        if _column_sql(operation.name, old, connection) == definition:
            return
        if dialect_for(connection).alter_column:
            table = _table(operation, app_label, to_state)
            connection.execute_script(dialect_for(connection).alter_column.format(table=table, definition=definition))
            return
        with _indexes_fitted(operation, app_label, connection, from_state, to_state, old, new):
            original(operation, app_label, connection, from_state, to_state)
        return
    original(operation, app_label, connection, from_state, to_state)


@contextmanager
def _indexes_fitted(
    operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any, old: VectorField, new: VectorField
) -> Iterator[None]:
    """Take away the indexes that say something else about the new column, and build them anew."""
    dialect, kept = dialect_for(connection), vector_indexes(operation, app_label, to_state)
    fitted = [
        index
        for index in vector_indexes(operation, app_label, from_state)
        if index.fields == [operation.name] and index in kept
        if indexed(index, old, dialect) != indexed(index, new, dialect)
    ]
    for index in fitted:
        drop(index, placed(operation, index, app_label, from_state, connection), connection)
    yield
    for index in fitted:
        build(index, placed(operation, index, app_label, to_state, connection), connection)


@repair(f"{_OPERATIONS}:AlterField", "database_backwards")
def alter_vector_field_back(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Take back a change of a vector column when the migration is unapplied.

    Symptom: after going back the column keeps its new dimensions, and the migration is recorded as unapplied. Cause:
    ``AlterField.database_backwards`` is empty. djanorm 4.3 to 4.5.
    """
    old = _field(operation, app_label, to_state)
    if not isinstance(old, VectorField):
        original(operation, app_label, connection, from_state, to_state)
        return
    back = operations.AlterField(operation.model_name, operation.name, old)
    before = standing_state(back, app_label, connection, from_state, to_state)
    after = before.clone()
    back.state_forwards(app_label, after)
    back.database_forwards(app_label, connection, before, after)


@repair(f"{_OPERATIONS}:RemoveField", "database_forwards")
def remove_vector_field(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Drop the column of a vector field by its ``db_column``.

    Symptom: ``no such column``. Cause: ``RemoveField`` takes the field's name for the column's. djanorm 4.3 to 4.5.
    """
    field = _field(operation, app_label, from_state)
    if isinstance(field, VectorField) and field.db_column:
        operation = operations.RemoveField(operation.model_name, field.db_column)
    original(operation, app_label, connection, from_state, to_state)


@repair(f"{_OPERATIONS}:CreateModel", "state_forwards")
def separate_model_state(original: Any, operation: Any, app_label: str, state: Any) -> None:
    """Keep the operation's own options out of the project state.

    Symptom: after applying in one process, an unapplied and reapplied CreateModel builds indexes of later migrations.
    Cause: the state holds the operation's own ``options``, and AddIndex appends to them. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, state)
    model = state.models[f"{app_label}.{operation.name.lower()}"]
    model["options"] = {
        key: list(value) if isinstance(value, list) else value for key, value in model["options"].items()
    }


@repair(_OPERATIONS, "_field_to_column_sql")
def vector_default(original: Any, name: str, field: Any, connection: Any) -> str:
    """Write the DEFAULT of a vector column as the database wants it.

    Symptom: ``VectorField(default=[…])`` is a syntax error in CREATE TABLE. Cause: djanorm formats the bound value into
    the statement. djanorm 4.3 to 4.5.
    """
    if not isinstance(field, VectorField) or not isinstance(field.default, (list, str)):
        return str(original(name, field, connection))
    bare = copy.copy(field)
    bare.default = bare.get_default
    literal = dialect_for(connection).literal(field.to_vector(field.default))
    return f"{original(name, bare, connection)} DEFAULT {literal}"


@repair("dorm.migrations.autodetector:MigrationAutodetector", "changes")
def changed_indexes(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Notice an index whose parameters changed, and drop indexes before the columns they stand on.

    Symptom: ``HnswIndex(m=16)`` to ``m=32`` is "No changes detected"; removing a field with its index cannot be
    unapplied. Cause: indexes are compared by name, and fields are removed first. djanorm 4.3 to 4.5.
    """
    changes: dict[str, list[Any]] = original(detector, app_label)
    for key in detector.from_state.models.keys() & detector.to_state.models.keys():
        label = key.rpartition(".")[0]
        if app_label in (None, label):
            changes.setdefault(label, []).extend(_rebuilt(detector, key))
    return {label: _indexes_first(found) for label, found in changes.items() if found}


def _rebuilt(detector: Any, key: str) -> Iterator[Any]:
    before, after = detector.from_state.models[key], detector.to_state.models[key]
    old = {index.get_name(before["name"]): index for index in before["options"].get("indexes") or []}
    for index in after["options"].get("indexes") or []:
        known = old.get(index.get_name(after["name"]))
        if known is not None and not _is_same_index(known, index):
            yield operations.RemoveIndex(after["name"], known)
            yield operations.AddIndex(after["name"], index)


def _is_same_index(known: Any, index: Any) -> bool:
    # djanorm's own comparison, which a contrib.pgvector index has, passes over the parameters.
    if not isinstance(index, VectorIndex) or isinstance(known, VectorIndex):
        return bool(known == index)
    # What it leaves out is pgvector's default, which is ours.
    defaults = type(index)(index.fields).with_options
    return bool(known == index) and defaults | getattr(known, "with_options", {}) == index.with_options


def _indexes_first(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda operation: not isinstance(operation, operations.RemoveIndex))


def _model(operation: Any, app_label: str, state: Any) -> dict[str, Any]:
    found: dict[str, Any] = state.models.get(f"{app_label}.{operation.model_name.lower()}", {})
    return found


def _table(operation: Any, app_label: str, state: Any) -> str:
    options = _model(operation, app_label, state).get("options", {})
    return str(options.get("db_table") or f"{app_label}_{operation.model_name.lower()}")


def _field(operation: Any, app_label: str, state: Any) -> Any:
    return _model(operation, app_label, state).get("fields", {}).get(operation.name)


def _place(operation: Any, app_label: str, state: Any, connection: Any) -> Place:
    return placed(operation, operation.index, app_label, state, connection)


def placed(operation: Any, index: VectorIndex, app_label: str, state: Any, connection: Any) -> Place:
    """Return where the index of the operation's model stands."""
    (name,) = index.fields
    fields = _model(operation, app_label, state).get("fields", {})
    field = fields.get(name)
    columns = columns_of(fields, connection) if index.kind in dialect_for(connection).companions else None
    column = getattr(field, "column", None) or getattr(field, "db_column", None) or name
    if field is not None:
        # In a migration it belongs to no model, and errors are to name it.
        field = copy.copy(field)
        field.model, field.name = None, f"{operation.model_name}.{name}"
    table = _table(operation, app_label, state)
    return Place(index.get_name(operation.model_name), table, column, field, columns)


def vector_indexes(operation: Any, app_label: str, state: Any) -> list[VectorIndex]:
    declared = _model(operation, app_label, state).get("options", {}).get("indexes") or []
    return [index for index in declared if isinstance(index, VectorIndex)]


def drop(index: VectorIndex, place: Place, connection: Any, concurrently: bool = False) -> None:
    dialect = dialect_for(connection)
    for statement in dialect.drop_index(index.kind, place.name, place.table):
        connection.execute_script(said_concurrently(statement, dialect) if concurrently else statement)


def _column_sql(name: str, field: Any, connection: Any) -> str:
    return str(operations._field_to_column_sql(name, field, connection))


def _require_no_vectors(
    operation: Any, app_label: str, connection: Any, state: Any, old: VectorField, new: VectorField
) -> None:
    table, column = _table(operation, app_label, state), old.column or old.db_column or operation.name
    if not connection.execute(f'SELECT 1 AS "found" FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1'):
        return
    raise VectorsWouldBeLost(
        f"{operation.model_name}.{operation.name} holds vectors of {old.dimensions} dimensions; the migration wants"
        f" {new.dimensions}. Nothing was changed."
        f" Either add a VectorField(dimensions={new.dimensions}, null=True) beside it,"
        " embed into it, and remove this one in a later migration; or let go of the vectors first:"
        f" {operation.model_name}.objects.update({operation.name}=None)."
    )
