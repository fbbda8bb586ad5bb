"""What the database itself says that it holds, whichever database it is."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from dorm.db.connection import _create_sync_connection

_POSTGRESQL = """
SELECT i.relname AS name, x.indisunique AS is_unique, a.attname AS column
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k(number, place) ON true
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE t.relname = '{table}' ORDER BY i.relname, k.place
"""
_MYSQL = """
SELECT index_name AS name, non_unique = 0 AS is_unique, column_name AS "column" FROM information_schema.statistics
WHERE table_schema = DATABASE() AND table_name = '{table}' ORDER BY index_name, seq_in_index
"""


def indexes_of(database: dict[str, Any], table: str) -> dict[str, tuple[list[str | None], bool]]:
    """Return the columns of each index of a table, and whether it is unique.

    The connection is closed again: Turso lets in one process at a time.
    """
    found: dict[str, tuple[list[str | None], bool]] = {}
    for name, is_unique, column in _rows(database, table):
        found.setdefault(name, ([], bool(is_unique)))[0].append(column)
    return found


def _rows(database: dict[str, Any], table: str) -> list[tuple[str, Any, str | None]]:
    connection: Any = _create_sync_connection("catalogue", database)
    with closing(connection):
        if connection.vendor in ("postgresql", "mysql"):
            query = _POSTGRESQL if connection.vendor == "postgresql" else _MYSQL
            rows = connection.execute(query.format(table=table))
            return [(row["name"], row["is_unique"], row["column"]) for row in rows]
        return [
            (index["name"], index["unique"], column["name"])
            for index in connection.execute(f'PRAGMA index_list("{table}")')
            for column in connection.execute(f'PRAGMA index_info("{index["name"]}")')
        ]


def tables_of(database: dict[str, Any]) -> set[str]:
    """Return the names of the tables."""
    connection: Any = _create_sync_connection("catalogue", database)
    queries = {
        "postgresql": "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
        "mysql": "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()",
    }
    with closing(connection):
        query = queries.get(connection.vendor, "SELECT name FROM sqlite_master WHERE type = 'table'")
        return {row["name"] for row in connection.execute(query)}


def rows_of(database: dict[str, Any], query: str) -> list[dict[str, Any]]:
    """Return the rows of a query of the database's catalogue."""
    connection: Any = _create_sync_connection("catalogue", database)
    with closing(connection):
        return [dict(row) for row in connection.execute(query)]
