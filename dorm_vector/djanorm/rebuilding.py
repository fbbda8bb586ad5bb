"""Repairs of tables that djanorm alters by building them anew: SQLite's way, and Turso's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..dialects import dialect_for
from ..patching.on_import import Late
from ..text_index import TextIndex
from .repairs import repair

_OPERATIONS = "dorm.migrations.operations"
operations: Any = Late(_OPERATIONS)
# The vendor by which djanorm knows the SQL that each of these speaks.
_SPEAKS = {"libsql": "sqlite"}


class InItsOwnWords:
    """A connection under the vendor name by which djanorm writes the SQL that it understands."""

    def __init__(self, connection: Any) -> None:
        self.real = connection
        self.dialect = connection.vendor
        self.vendor = _SPEAKS[connection.vendor]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@repair(f"{_OPERATIONS}:AlterField", "database_forwards")
def alter_by_rebuilding(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Alter a column on Turso.

    Symptom: AlterField changes nothing there, and the migration is recorded as applied. Cause: it rebuilds the table
    where the vendor is ``sqlite``, and does nothing for others. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, _named(connection), from_state, to_state)


@repair(_OPERATIONS, "_field_to_column_sql", name="alter_by_rebuilding")
def _column(original: Any, name: str, field: Any, connection: Any) -> str:
    # A column is what CreateModel made of it.
    return str(original(name, field, getattr(connection, "real", connection)))


@repair(f"{_OPERATIONS}:CreateModel", "_emit_m2m_junction")
def create_junction(original: Any, operation: Any, table: str, name: str, field: Any, connection: Any) -> None:
    """Create the table of a ManyToManyField on Turso.

    Symptom: CreateModel is a syntax error at AUTO_INCREMENT. Cause: what is neither ``sqlite`` nor ``postgresql`` is
    taken for MySQL. djanorm 4.3 to 4.5.
    """
    original(operation, table, name, field, _named(connection))


@repair("dorm.migrations.executor", "_migration_lock")
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


def standing_state(operation: Any, app_label: str, connection: Any, newer: Any, older: Any) -> Any:
    """Return the state whose model has what its table has, halfway through a migration that is taken back.

    djanorm knows the states before and after the whole migration, and a rebuild by either loses a column or an index.
    """
    state, key = newer.clone(), f"{app_label}.{operation.model_name.lower()}"
    model = state.models[key]
    table = model["options"].get("db_table") or f"{app_label}_{operation.model_name.lower()}"
    columns = {row["name"] for row in connection.get_table_columns(table)}
    fields = older.models[key]["fields"] | model["fields"]
    model["fields"] = {name: field for name, field in fields.items() if _column_of(name, field, connection) in columns}
    if _rebuilds(connection):
        standing = {row["name"] for row in connection.execute(f'PRAGMA index_list("{table}")')}
        standing |= {name for name, owner in companions_found(connection) if owner == table}
        indexes = [*model["options"].get("indexes", ()), *older.models[key]["options"].get("indexes", ())]
        named = {index.get_name(operation.model_name): index for index in reversed(indexes)}
        model["options"]["indexes"] = [
            index for name, index in named.items() if name in standing or is_standing(index, name, connection)
        ]
    return state


def is_standing(index: Any, name: str, connection: Any) -> bool:
    """Tell whether the index is one of texts, and whole."""
    template = dialect_for(connection).text_search.standing
    return isinstance(index, TextIndex) and bool(template) and bool(connection.execute(template.format(name=name)))


def companions_found(connection: Any) -> list[tuple[str, str]]:
    """Return each companion in the database, and the table that it belongs to."""
    dialect = dialect_for(connection)
    rows = connection.execute(dialect.companions_found) if dialect.companions_found else []
    return [(str(row["name"]), str(row["table"])) for row in rows]


def _column_of(name: str, field: Any, connection: Any) -> str:
    # As djanorm writes it, quoted, at the head of the definition; nothing for a ManyToManyField.
    return str(operations._field_to_column_sql(name, field, connection) or '""').split('"')[1]


def _named(connection: Any) -> Any:
    return InItsOwnWords(connection) if connection.vendor in _SPEAKS else connection


def _rebuilds(connection: Any) -> bool:
    return _SPEAKS.get(connection.vendor, connection.vendor) in _SPEAKS.values()
