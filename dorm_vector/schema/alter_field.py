"""AlterField and RemoveField for vector columns."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..engines import dialect_for
from ..exceptions import VectorsWouldBeLost
from ..expressions.functions import CASTS
from ..indexes.contents import index_contents
from ..indexes.vector import VectorIndex
from ..migration_state import column_of, indexes_of, model_of, table_of
from ..models.fields import VectorField
from ..patching.on_import import Late
from ..patching.registry import hook
from ..values.elements import Element
from ..values.routines import Routine
from .ddl import build, drop, placed
from .rebuilding import standing_state

_OPERATIONS = "dorm.migrations.operations"

_ROWS = 1_000
"""How many rows are read at once."""

operations: Any = Late(_OPERATIONS)


@hook(f"{_OPERATIONS}:AlterField", "database_forwards")
def alter_vector_field(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Alter a vector column without touching stored vectors, or raise an error.

    Symptom: on SQLite, changing ``dimensions`` silently keeps vectors of the old length and rebuilds the table
    needlessly; on MySQL and MariaDB it does nothing. Cause: on SQLite the column type is BLOB for every length, and
    AlterField supports only PostgreSQL and SQLite. djanorm 4.3 to 4.5.
    """
    old, new = model_of(operation.model_name, app_label, from_state)["fields"].get(operation.name), operation.field
    if isinstance(old, VectorField) and isinstance(new, VectorField):
        if new.dimensions is not None and old.dimensions != new.dimensions:
            _require_no_vectors(operation, app_label, connection, from_state, old, new)
        definition = _column_sql(operation.name, new, connection)
        if old.element is not new.element and Element.BIT in (old.element, new.element):
            _require_no_vectors(operation, app_label, connection, from_state, old, new)
        if _column_sql(operation.name, old, connection) == definition:
            if new.element is Element.HALF is not old.element:
                # The column holds float32 in both forms, and a half is looked up by its rounded numbers.
                _round_stored(model_of(operation.model_name, app_label, from_state), app_label, operation, connection)
            return
        if template := dialect_for(connection).ddl.alter_column:
            table = table_of(model_of(operation.model_name, app_label, to_state), app_label)
            with _indexes_fitted(operation, app_label, connection, from_state, to_state, old, new):
                connection.execute_script(template.format(table=table, definition=definition))
            return
        with _indexes_fitted(operation, app_label, connection, from_state, to_state, old, new):
            _convert(operation, app_label, connection, to_state, old, new)
            original(operation, app_label, connection, from_state, to_state)
        return
    original(operation, app_label, connection, from_state, to_state)


def _convert(operation: Any, app_label: str, connection: Any, state: Any, old: VectorField, new: VectorField) -> None:
    """Give the stored vectors the form of the new column, on a database that keeps their bytes as they are."""
    dialect = dialect_for(connection)
    if not dialect.ddl.converts_values or old.element is new.element or new.element not in CASTS:
        return
    table, column = (
        table_of(model_of(operation.model_name, app_label, state), app_label),
        column_of(operation.name, old),
    )
    value = dialect.routine(CASTS[new.element], old.element).format(left=f'"{column}"')
    connection.execute_write(f'UPDATE "{table}" SET "{column}" = {value} WHERE "{column}" IS NOT NULL')


def _round_stored(model: dict[str, Any], app_label: str, operation: Any, connection: Any) -> None:
    """Round the vectors to halves in the database, or in Python if it has no function that does."""
    dialect, old = dialect_for(connection), model["fields"][operation.name]
    table, column = table_of(model, app_label), column_of(operation.name, old)
    rounding = dialect.routines.get(Routine.TO_HALFVEC)
    if isinstance(rounding, str):
        value = rounding.format(left=f'"{column}"', dimensions=operation.field.dimensions)
        connection.execute_write(f'UPDATE "{table}" SET "{column}" = {value} WHERE "{column}" IS NOT NULL')
        return
    _in_python(table, column, _keys(model), old, operation.field, connection)


def _in_python(table: str, column: str, keys: list[str], old: Any, new: Any, connection: Any) -> None:
    dialect = dialect_for(connection)
    shown, order = dialect.form(old.element).read.format(column=f'"{column}"'), ", ".join(f'"{key}"' for key in keys)
    condition = " AND ".join(f'"{key}" = %s' for key in keys)
    update = f'UPDATE "{table}" SET "{column}" = {dialect.form(Element.HALF).placeholder} WHERE {condition}'
    # The rounded rows stay where they are in this order.
    select = f'SELECT {order}, {shown} AS "stored" FROM "{table}" WHERE "{column}" IS NOT NULL ORDER BY {order}'
    start = 0
    while rows := connection.execute(f"{select} LIMIT {_ROWS} OFFSET {start}"):
        for row in rows:
            vector = new.to_vector(old.from_db_value(row["stored"]))
            connection.execute_write(update, [vector, *(row[key] for key in keys)])
        start += len(rows)


def _keys(model: dict[str, Any]) -> list[str]:
    fields = model["fields"]
    name = next(name for name, field in fields.items() if field.primary_key)
    names = getattr(fields[name], "field_names", [name])
    return [column_of(each, fields[each]) for each in names]


@contextmanager
def _indexes_fitted(
    operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any, old: VectorField, new: VectorField
) -> Iterator[None]:
    """Drop the indexes whose definition differs for the new column, and rebuild them after the block."""
    dialect = dialect_for(connection)
    before, after = (model_of(operation.model_name, app_label, state) for state in (from_state, to_state))
    kept = indexes_of(after, VectorIndex)
    fitted = [
        index
        for index in indexes_of(before, VectorIndex)
        if index.fields == [operation.name] and index in kept
        if index_contents(index, old, dialect) != index_contents(index, new, dialect)
        or (index.holds_signs(dialect) and old.dimensions != new.dimensions)
    ]
    for index in fitted:
        drop(index, placed(index, before, app_label, connection), connection)
    yield
    for index in fitted:
        build(index, placed(index, after, app_label, connection), connection)


@hook(f"{_OPERATIONS}:AlterField", "database_backwards")
def alter_vector_field_back(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Revert a change of a vector column when the migration is unapplied.

    Symptom: the column keeps its new dimensions, although the migration is recorded as unapplied. Cause:
    ``AlterField.database_backwards`` is empty. djanorm 4.3 to 4.5.
    """
    old = model_of(operation.model_name, app_label, to_state)["fields"].get(operation.name)
    if not isinstance(old, VectorField):
        original(operation, app_label, connection, from_state, to_state)
        return
    back = operations.AlterField(operation.model_name, operation.name, old)
    before = standing_state(back, app_label, connection, from_state, to_state)
    after = before.clone()
    back.state_forwards(app_label, after)
    back.database_forwards(app_label, connection, before, after)


@hook(f"{_OPERATIONS}:RemoveField", "database_forwards")
def remove_vector_field(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Drop the column of a vector field by its ``db_column``.

    Symptom: ``no such column``. Cause: ``RemoveField`` uses the field name as the column name. djanorm 4.3 to 4.5.
    """
    field = model_of(operation.model_name, app_label, from_state)["fields"].get(operation.name)
    if isinstance(field, VectorField) and field.db_column:
        operation = operations.RemoveField(operation.model_name, field.db_column)
    original(operation, app_label, connection, from_state, to_state)


@hook(_OPERATIONS, "_field_to_column_sql")
def vector_default(original: Any, name: str, field: Any, connection: Any) -> str:
    """Write the DEFAULT of a vector column in the syntax of the database.

    Symptom: ``VectorField(default=[…])`` causes a syntax error in CREATE TABLE. Cause: djanorm formats the bound value
    into the statement. djanorm 4.3 to 4.5.
    """
    if not isinstance(field, VectorField) or not isinstance(field.default, (list, str)):
        return str(original(name, field, connection))
    bare = copy.copy(field)
    bare.default = bare.get_default
    literal = dialect_for(connection).literal(field.to_vector(field.default))
    return f"{original(name, bare, connection)} DEFAULT {literal}"


def _column_sql(name: str, field: Any, connection: Any) -> str:
    return str(operations._field_to_column_sql(name, field, connection))


def _require_no_vectors(
    operation: Any, app_label: str, connection: Any, state: Any, old: VectorField, new: VectorField
) -> None:
    model = model_of(operation.model_name, app_label, state)
    table, column = table_of(model, app_label), column_of(operation.name, old)
    if not connection.execute(f'SELECT 1 AS "found" FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1'):
        return
    kind = "" if old.element is new.element else f" of type {new.element.value}"
    size = "length" if new.element is Element.BIT else "dimensions"
    raise VectorsWouldBeLost(
        f"{operation.model_name}.{operation.name} holds vectors of {old.dimensions or 'any'} dimensions; the migration"
        f" requires {new.dimensions}{kind}. Nothing was changed."
        f" Either add a second field, {type(new).__name__}({size}={new.dimensions}, null=True),"
        " embed into it, and remove this one in a later migration; or clear the vectors first:"
        f" {operation.model_name}.objects.update({operation.name}=None)."
    )
