"""Repairs of djanorm's migration operations."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm.expressions import Q

from ..engines import _SPEAKS, _rebuilds
from ..patching.registry import repair
from ..schema.rebuilding import _alters, _numbers_rows_as_sqlite, _turns_cascades_off
from ..schema.renaming import _is_ours, _rename, _renames_in_indexes
from ..schema.vector_indexes import _keeps_its_options

_OPERATIONS = "dorm.migrations.operations"


@repair(f"{_OPERATIONS}:CreateModel", "state_forwards", is_fixed=_keeps_its_options)
def separate_model_state(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Keep the operation's own options out of the project state.

    Symptom: after applying in one process, an unapplied and reapplied CreateModel builds indexes of later migrations.
    Cause: the state holds the operation's own ``options``, and AddIndex appends to them. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, after)
    model = after.models[f"{app_label}.{operation.name.lower()}"]
    model["options"] = {
        key: list(value) if isinstance(value, list) else value for key, value in model["options"].items()
    }


class InItsOwnWords:
    """A connection under the vendor name by which djanorm writes the SQL that it understands."""

    def __init__(self, connection: Any) -> None:
        self.real = connection
        self.dialect = connection.vendor
        self.vendor = _SPEAKS[connection.vendor]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@repair(f"{_OPERATIONS}:AlterField", "database_forwards", is_fixed=_alters)
def alter_by_rebuilding(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Alter a column on Turso.

    Symptom: AlterField changes nothing there, and the migration is recorded as applied. Cause: it rebuilds the table
    where the vendor is ``sqlite``, and does nothing for others. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, _named(connection), from_state, to_state)


@repair(_OPERATIONS, "_field_to_column_sql", name="alter_by_rebuilding", is_fixed=_alters)
def _column(original: Any, name: str, field: Any, connection: Any) -> str:
    # A column is what CreateModel made of it.
    return str(original(name, field, getattr(connection, "real", connection)))


@repair(f"{_OPERATIONS}:CreateModel", "_emit_m2m_junction", is_fixed=_numbers_rows_as_sqlite)
def create_junction(original: Any, operation: Any, table: str, name: str, field: Any, connection: Any) -> None:
    """Create the table of a ManyToManyField on Turso.

    Symptom: CreateModel is a syntax error at AUTO_INCREMENT. Cause: what is neither ``sqlite`` nor ``postgresql`` is
    taken for MySQL. djanorm 4.3 to 4.5.
    """
    original(operation, table, name, field, _named(connection))


@repair("dorm.migrations.executor", "_migration_lock", is_fixed=_turns_cascades_off)
def keep_what_refers(original: Any, connection: Any) -> Any:
    """Keep the rows of other tables when a migration rebuilds the one that they refer to.

    Symptom: on SQLite an AlterField of a model deletes every row that refers to it by a cascading foreign key. Cause:
    DROP TABLE deletes the rows first, and that cascades whether or not constraints are deferred; only
    ``foreign_keys = OFF``, before the transaction, stops it. djanorm 4.3 to 4.5.
    """
    return _without_cascades(original, connection)


@contextmanager
def _without_cascades(lock: Any, connection: Any) -> Iterator[None]:
    with lock(connection):
        if not _rebuilds(connection):
            yield
            return
        connection.execute("PRAGMA foreign_keys = OFF")
        try:
            yield
        finally:
            connection.execute("PRAGMA foreign_keys = ON")


def _named(connection: Any) -> Any:
    return InItsOwnWords(connection) if connection.vendor in _SPEAKS else connection


_OPERATION = "dorm.migrations.operations:RenameField"


@repair(_OPERATION, "state_forwards", is_fixed=_renames_in_indexes)
def rename_indexed_fields(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Let an index know its columns by their new names after one is renamed.

    Symptom: the next ``makemigrations`` drops the index and builds it again, and that migration cannot be taken back:
    it names a field that is no more. Cause: the state keeps the old name in ``Meta.indexes``. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, after)
    _rename(operation, app_label, after, lambda index: not _is_ours(index))


def _renamed(index: Any, operation: Any) -> Any:
    """Return the index under the name that it has in the database, which may be made of the names of its fields."""
    if operation.old_name not in _names(index):
        return index
    new = copy.copy(index)
    new._name = index.get_name(operation.model_name)
    for attribute in ("fields", "include", "partition_by", "metadata"):
        if hasattr(index, attribute):
            names = getattr(index, attribute)
            setattr(new, attribute, type(names)(_name(name, operation) for name in names))
    if index.condition is not None:
        new.condition = _condition(index.condition, operation)
    return new


def _name(name: str, operation: Any) -> str:
    """Return the new name of a field; ``-name`` descends, and ``name__gt`` compares."""
    bare, lookup, rest = name.removeprefix("-").partition("__")
    sign = "-" if name.startswith("-") else ""
    return f"{sign}{operation.new_name if bare == operation.old_name else bare}{lookup}{rest}"


def _names(index: Any) -> set[str]:
    names = {*index.fields, *index.include, *getattr(index, "filters", ()), *_named_in(index.condition)}
    return {str(name).removeprefix("-").partition("__")[0] for name in names}


def _named_in(condition: Any) -> Iterator[str]:
    for child in getattr(condition, "children", ()):
        if isinstance(child, Q):
            yield from _named_in(child)
        else:
            yield child[0]


def _condition(condition: Q, operation: Any) -> Q:
    new = copy.copy(condition)
    new.children = [
        _condition(child, operation) if isinstance(child, Q) else (_name(child[0], operation), child[1])
        for child in condition.children
    ]
    return new
