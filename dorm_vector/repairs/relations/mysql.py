"""Drop indexes and foreign keys on MySQL and MariaDB, which require an index for every foreign key."""

from __future__ import annotations

from typing import Any

FOREIGN_KEYS = (
    "SELECT constraint_name AS name FROM information_schema.key_column_usage WHERE table_schema = DATABASE()"
    " AND table_name = '{table}' AND column_name = '{column}' AND referenced_table_name IS NOT NULL"
)
_LEADING = (
    "SELECT index_name AS name, column_name AS first FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND table_name = '{table}' AND seq_in_index = 1"
)


def foreign_keys_dropped(table: str, column: str, connection: Any) -> None:
    """Drop the foreign keys of a column, because MySQL cannot drop it before; PostgreSQL drops them with the column."""
    if connection.vendor == "mysql":
        for row in connection.execute(FOREIGN_KEYS.format(table=table, column=column)):
            connection.execute_script(f'ALTER TABLE "{table}" DROP FOREIGN KEY "{row["name"]}"')


def index_dropped(name: str, table: str, connection: Any) -> None:
    """Drop an index; if a foreign key has no other index, create one first, because the server requires it."""
    first = {row["name"]: row["first"] for row in connection.execute(_LEADING.format(table=table))}
    if first and name not in first:
        # It was dropped with its column, or never existed: do nothing, as DROP INDEX IF EXISTS does on PostgreSQL.
        return
    column = first.get(name)
    is_only = list(first.values()).count(column) == 1
    if column and is_only and connection.execute(FOREIGN_KEYS.format(table=table, column=column)):
        connection.execute_script(f'CREATE INDEX "{table[:40]}_{column[:20]}_fk" ON "{table}" ("{column}")')
    connection.execute_script(f'DROP INDEX "{name}" ON "{table}"')
