"""Repairs of djanorm's migrations and introspection on MySQL and MariaDB."""

from __future__ import annotations

import re
import sys
from typing import Any

from dorm.fields import TextField
from dorm.indexes import Index

from ..engines.one_database import only_on
from ..indexes.vector import VectorIndex
from ..migration_state import model_of, table_of
from ..patching.on_import import Late
from ..patching.registry import repair
from ..patching.stand_ins import Statements, state
from .relations.mysql import index_dropped

_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


def _says_of_which_table() -> bool:
    connection, before = Statements("mysql"), state()
    index = Index(["name"], name="item_name")
    operations.RemoveIndex("Item", index).database_forwards("app", connection, before, before)
    return '"item_name" ON "app_item"' in "".join(connection)


@repair(f"{_OPERATIONS}:RemoveIndex", "database_forwards", name="drop_index_on_table", is_fixed=_says_of_which_table)
@repair(f"{_OPERATIONS}:AddIndex", "database_backwards", is_fixed=_says_of_which_table)
@only_on("mysql")
def drop_index_on_table(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Drop an index on MySQL or MariaDB.

    Symptom: RemoveIndex, and unapplying AddIndex, raise a syntax error. Cause: ``DROP INDEX`` requires ``ON table``
    there. djanorm 4.3 to 4.5.
    """
    if isinstance(operation.index, VectorIndex):
        original(operation, app_label, connection, from_state, to_state)
        return
    table = table_of(model_of(operation.model_name, app_label, from_state), app_label)
    index_dropped(operation.index.get_name(operation.model_name), table, connection)


def _writes_text_defaults() -> bool:
    sql = operations._field_to_column_sql("name", TextField(default="a"), Statements("mysql"))
    return "DEFAULT ('a')" in sql


@repair(_OPERATIONS, "_field_to_column_sql", is_fixed=_writes_text_defaults)
@only_on("mysql")
def text_default(original: Any, name: str, field: Any, connection: Any) -> str:
    """Write the DEFAULT of a text column in MySQL's syntax.

    Symptom: a table with a ``TextField(default="")`` cannot be created on MySQL. Cause: MySQL accepts the default of a
    TEXT column only in parentheses, and djanorm writes none. djanorm 4.3 to 4.5.
    """
    sql = str(original(name, field, connection))
    return _DEFAULT.sub(r" DEFAULT (\1)", sql, count=1) if field.db_type(connection) in ("TEXT", "LONGTEXT") else sql


_DEFAULT = re.compile(r" DEFAULT ('(?:[^']|'')*')")


def _asks_no_sqlite_master() -> bool:
    connection = Statements("mysql")
    sys.modules["dorm.inspect"].introspect_tables(connection)
    return "sqlite_master" not in "".join(connection)


@repair("dorm.inspect", "introspect_tables", is_fixed=_asks_no_sqlite_master)
@only_on("mysql")
def introspect_mysql_tables(_original: Any, connection: Any) -> list[dict[str, Any]]:
    """Support MySQL and MariaDB in ``dorm inspectdb`` and ``dorm diff``.

    Symptom: both fail with ``not enough arguments for format string``. Cause: djanorm queries ``sqlite_master`` on
    every database except PostgreSQL. djanorm 4.3 to 4.5.
    """
    tables = [row["name"] for row in connection.execute(_TABLES)]
    return [_described(connection, name) for name in tables if name != "dorm_migrations"]


_TABLES = (
    "SELECT table_name AS name FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
)

_COLUMNS = (
    "SELECT column_name AS name, data_type AS plain, column_type AS type, is_nullable AS nullable, column_key AS keyed"
    " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position"
)

_FOREIGN_KEYS = (
    "SELECT column_name AS name, referenced_table_name AS target FROM information_schema.key_column_usage"
    " WHERE table_schema = DATABASE() AND table_name = %s AND referenced_table_name IS NOT NULL"
)

# Types by the names that djanorm's introspection knows.
_TYPES = {
    "bigint": "integer",
    "double": "real",
    "float": "real",
    "int": "integer",
    "longtext": "text",
    "smallint": "integer",
    "tinyint": "boolean",
}


def _described(connection: Any, table: str) -> dict[str, Any]:
    foreign_keys = {row["name"]: row["target"] for row in connection.execute(_FOREIGN_KEYS, [table])}
    columns = [_column(row) for row in connection.execute(_COLUMNS, [table])]
    return {"name": table, "columns": columns, "fks": foreign_keys, "vendor": connection.vendor}


def _column(row: dict[str, Any]) -> dict[str, Any]:
    """Return the column in the format of SQLite's table_info, which djanorm reads."""
    kind = _TYPES.get(row["plain"], row["type"])
    return {"name": row["name"], "type": kind, "notnull": row["nullable"] == "NO", "pk": row["keyed"] == "PRI"}
