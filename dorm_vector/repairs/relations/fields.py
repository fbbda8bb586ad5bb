"""Create models, and add, remove and rename fields: relations by their columns, on every database."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from dorm.fields import CharField, ForeignKey
from dorm.indexes import Index

from ...engines import _rebuilds
from ...migration_state import column_of, model_of, table_of
from ...patching.registry import repair
from ...patching.stand_ins import state as stand_in
from ...schema.renaming import _names
from ..migrations import _named
from .columns import NotedStatements
from .constraints import buildable_constraint, constraint_fields, rename_sql
from .junctions import create_junctions, drop_junctions, rename_junction
from .mysql import foreign_keys_dropped
from .rebuild import definition_of, rebuild, with_column
from .state import is_many_to_many, is_relation

_OPERATIONS = "dorm.migrations.operations"


def _removes_by_column() -> bool:
    from dorm.migrations.operations import RemoveField
    from dorm.migrations.state import ProjectState

    state, statements = ProjectState(), NotedStatements("postgresql")
    state.add_model("app", "Ticket", {"customer": ForeignKey("Customer")})
    RemoveField("Ticket", "customer").database_forwards("app", statements, state, state)
    return '"customer_id"' in "".join(statements)


@repair(f"{_OPERATIONS}:CreateModel", "database_forwards", name="fields_by_column", is_fixed=_removes_by_column)
def _create_model(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    model = {"name": operation.name, "fields": dict(operation.fields), "options": operation.options}
    made = copy.copy(operation)
    made.fields = [(name, with_column(name, field)) for name, field in operation.fields if not is_many_to_many(field)]
    declared = operation.options.get("constraints") or ()
    constraints = [buildable_constraint(constraint, model, connection) for constraint in declared]
    made.options = {**operation.options, "constraints": constraints}
    original(made, app_label, _named(connection), before, after)
    create_junctions(model, app_label, connection, before, after, *model["fields"])


@repair(f"{_OPERATIONS}:CreateModel", "database_backwards", name="fields_by_column", is_fixed=_removes_by_column)
def _drop_model(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    model = model_of(operation.name, app_label, before)
    drop_junctions(model, app_label, connection, *model["fields"])
    original(operation, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:AddField", "database_forwards", name="fields_by_column", is_fixed=_removes_by_column)
def _add_field(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    _add(operation.model_name, operation.name, operation.field, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:RemoveField", "database_backwards", name="fields_by_column", is_fixed=_removes_by_column)
def _add_field_again(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    field = model_of(operation.model_name, app_label, after)["fields"].get(operation.name)
    if field is not None:
        _add(operation.model_name, operation.name, field, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:RemoveField", "database_forwards", is_fixed=_removes_by_column)
def fields_by_column(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Create, add and remove relations by their columns and tables, in both directions.

    Symptom: a ManyToManyField cannot be added or removed, a foreign key cannot be removed, a OneToOneField cannot be
    added on SQLite, and constraints raise a syntax error on Turso. Cause: a field is treated as a column of the same
    name, and SQLite's ALTER TABLE as PostgreSQL's. djanorm 4.3 to 4.5.
    """
    _remove(operation.model_name, operation.name, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:AddField", "database_backwards", name="fields_by_column", is_fixed=_removes_by_column)
def _remove_field_again(
    original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any
) -> None:
    _remove(operation.model_name, operation.name, app_label, connection, before, after)


def _add(name: str, field_name: str, field: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    model = model_of(name, app_label, after, before)
    if is_many_to_many(field):
        create_junctions(model, app_label, connection, before, after, field_name)
        return
    definition = definition_of(field_name, field, connection)
    if _rebuilds(connection) and _needs_a_new_table(definition):
        rebuild(_named(connection), app_label, model_of(name, app_label, before), model)
        return
    connection.execute_script(f'ALTER TABLE "{table_of(model, app_label)}" ADD COLUMN {definition}')


def _needs_a_new_table(definition: str) -> bool:
    """Return whether SQLite rejects the column in ALTER TABLE."""
    is_a_key = re.search(r" UNIQUE| PRIMARY KEY", definition) is not None
    has_default, refers = " DEFAULT " in definition, " REFERENCES " in definition
    return is_a_key or (has_default == refers and " NOT NULL" in definition)


def _remove(name: str, field_name: str, app_label: str, connection: Any, before: Any, after: Any) -> None:
    model = model_of(name, app_label, before)
    field = model["fields"].get(field_name)
    if field is None:
        # The state has no such field: the name is that of a column, left by another kind of operation.
        connection.execute_script(f'ALTER TABLE "{table_of(model, app_label)}" DROP COLUMN "{field_name}"')
        return
    if is_many_to_many(field):
        drop_junctions(model, app_label, connection, field_name)
        return
    table, column = table_of(model, app_label), column_of(field_name, field)
    if _rebuilds(connection):
        if is_relation(field) or field.unique or _is_checked(field_name, model):
            rebuild(_named(connection), app_label, model, model_of(name, app_label, after))
            return
    elif is_relation(field):
        foreign_keys_dropped(table, column, connection)
    connection.execute_script(f'ALTER TABLE "{table}" DROP COLUMN "{column}"')


def _is_checked(name: str, model: dict[str, Any]) -> bool:
    return any(name in constraint_fields(constraint) for constraint in model["options"].get("constraints") or ())


def _renames_by_column() -> bool:
    from dorm.migrations.operations import RenameField
    from dorm.migrations.state import ProjectState

    state, statements = ProjectState(), NotedStatements("postgresql")
    state.add_model("app", "Ticket", {"customer": ForeignKey("Customer")})
    RenameField("Ticket", "customer", "client").database_forwards("app", statements, state, state)
    return '"customer_id"' in "".join(statements)


@repair(f"{_OPERATIONS}:RenameField", "database_forwards", is_fixed=_renames_by_column)
def rename_columns(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Rename the column of a relation, and the table of a many-to-many field.

    Symptom: RenameField on a foreign key, or on a field with a ``db_column``, fails. Cause: field names are used as
    columns. djanorm 4.3 to 4.5.
    """
    _rename(operation.model_name, operation.old_name, operation.new_name, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:RenameField", "database_backwards", name="rename_columns", is_fixed=_renames_by_column)
def _rename_columns_back(
    original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any
) -> None:
    _rename(operation.model_name, operation.new_name, operation.old_name, app_label, connection, before, after)


def _rename(name: str, old: str, new: str, app_label: str, connection: Any, *states: Any) -> None:
    model = model_of(name, app_label, *states)
    found = model_of(name, app_label, *(state for state in states if old in model_of(name, app_label, state)["fields"]))
    field = found["fields"].get(old)
    if field is not None and is_many_to_many(field):
        if not field.through:
            rename_junction(model, app_label, connection, old, new)
        return
    column, renamed = column_of(old, field), column_of(new, field)
    if column != renamed:
        after, change = model_of(name, app_label, *reversed(states)), f'RENAME COLUMN "{column}" TO "{renamed}"'
        connection.execute_script(rename_sql(change, old, found, after, app_label, connection))


def _removes_indexes_too() -> bool:
    from dorm.migrations.operations import RemoveField

    after = stand_in(fields={"name": CharField(max_length=9)}, indexes=[Index(["name"])])
    RemoveField("Item", "name").state_forwards("app", after)
    return not after.models["app.item"]["options"]["indexes"]


_of_removed = partial(repair, name="indexes_of_removed_fields", is_fixed=_removes_indexes_too)


@_of_removed(f"{_OPERATIONS}:RemoveField", "state_forwards")
def _forget_indexes(original: Any, operation: Any, app_label: str, after: Any) -> None:
    for removed, _added in _parts_over(operation, model_of(operation.model_name, app_label, after)):
        removed.state_forwards(app_label, after)
    original(operation, app_label, after)


@_of_removed(f"{_OPERATIONS}:RemoveField", "database_forwards")
def indexes_of_removed_fields(
    original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any
) -> None:
    """Remove the indexes and constraints over a removed field with it, and build them again when it comes back.

    Symptom: after a RemoveField that somebody wrote by hand, SQLite, Turso and libSQL refuse to drop the column, an
    index over several columns stays on MySQL and MariaDB, and later migrations fail with KeyError. Cause: the state
    keeps an index whose field is gone, and only PostgreSQL drops it with the column. djanorm 4.3 to 4.5.
    """
    for removed, _added in _parts_over(operation, model_of(operation.model_name, app_label, before)):
        removed.database_forwards(app_label, connection, before, before)
    original(operation, app_label, connection, before, after)


@_of_removed(f"{_OPERATIONS}:RemoveField", "database_backwards")
def _build_indexes_again(
    original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any
) -> None:
    original(operation, app_label, connection, before, after)
    for _removed, added in _parts_over(operation, model_of(operation.model_name, app_label, after)):
        added.database_forwards(app_label, connection, after, after)


def _parts_over(operation: Any, model: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the operations that remove and add each index and constraint that uses the field."""
    from dorm.migrations import operations

    field, name = {operation.name, f"{operation.name}_id"}, operation.model_name
    for index in model["options"].get("indexes") or ():
        if field & _names(index):
            yield operations.RemoveIndex(name, index), operations.AddIndex(name, index)
    for constraint in model["options"].get("constraints") or ():
        if field & constraint_fields(constraint):
            yield operations.RemoveConstraint(name, constraint), operations.AddConstraint(name, constraint)
