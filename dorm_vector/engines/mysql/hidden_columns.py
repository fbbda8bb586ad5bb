"""Hide the columns of sign bits, which belong to no model, from ``inspectdb`` and ``dbcheck``."""

from __future__ import annotations

from typing import Any

from ...patching.registry import hook
from .. import dialect_for


@hook("dorm.db.backends.mysql:MySQLDatabaseWrapper", "get_table_columns")
def hide_sign_columns(original: Any, wrapper: Any, table_name: str) -> list[dict[str, Any]]:
    """Leave out the columns that belong to an HnswIndex with ``precision="bit"``.

    Symptom: ``inspectdb`` writes a field for them, and ``dbcheck`` reports them as missing in the model. Cause: both
    compare every column of the table, also those that are invisible to SELECT.
    """
    columns: list[dict[str, Any]] = original(wrapper, table_name)
    ours = _ours(wrapper, table_name)
    return [column for column in columns if column["name"] not in ours]


@hook("dorm.inspect", "introspect_tables", name="hide_sign_columns")
def _hide_in_inspection(original: Any, connection: Any) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = original(connection)
    for table in tables if dialect_for(connection).sign_column is not None else ():
        ours = _ours(connection, table["name"])
        table["columns"] = [column for column in table["columns"] if column["name"] not in ours]
    return tables


def _ours(wrapper: Any, table: str) -> set[str]:
    rules = dialect_for(wrapper).sign_column
    return {row["name"] for row in wrapper.execute(rules.found, [table])} if rules is not None else set()
