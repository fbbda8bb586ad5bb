"""The vec0 tables of a SQLite file, for ``dorm inspectdb`` and ``dorm dbcheck``: their columns and shadow tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..engines import dialect_for

# https://github.com/asg017/sqlite-vec/blob/v0.1.9/ARCHITECTURE.md
_SHADOW = re.compile(
    r"_(?:chunks|rowids|info|auxiliary|vector_chunks\d+|metadatachunks\d+|metadatatext\d+|diskann\w*|rescore\w*)"
)
_COLUMN = re.compile(r'\+?\s*["`\[]?(\w+)["`\]]?\s+(\w+)(?:\s*\[\s*(\d+)\s*\])?(.*)', re.DOTALL)
_TYPES = {"int": "INTEGER", "integer": "INTEGER", "float": "REAL", "double": "REAL", "boolean": "BOOLEAN"}
_VECTORS = ("float", "f32")
# These occur in the trigger and in the declaration of a Vec0Index.
_FILLED = re.compile(r'new\."([^"]+)" IS NOT NULL')
_LENGTH = re.compile(r"vector float\[(\d+)\]")


def vec0_tables(connection: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the columns of each vec0 table, in the format of SQLite's table_info.

    They are read from the declaration, because table_info names no types and requires sqlite-vec.
    """
    query = dialect_for(connection).vec0_tables
    rows = connection.execute(query) if query else []
    return {str(row["name"]): list(_columns(str(row["sql"]))) for row in rows}


def is_shadow(table: str, tables: dict[str, Any]) -> bool:
    """Return whether the table is a shadow table of sqlite-vec, which holds part of a vec0 table."""
    return any(table.startswith(name) and _SHADOW.fullmatch(table, len(name)) for name in tables)


def indexed_dimensions(connection: Any) -> dict[str, dict[str, int]]:
    """Return the dimensions of each column with a Vec0Index, by table and column; a BLOB declares none."""
    found: dict[str, dict[str, int]] = {}
    query = dialect_for(connection).vec0_sources
    for row in connection.execute(query) if query else []:
        column, length = _FILLED.search(str(row["trigger"])), _LENGTH.search(str(row["declaration"]))
        if column and length:
            found.setdefault(str(row["table"]), {})[column[1]] = int(length[1])
    return found


class WithoutVec0:
    """A connection that reports no columns for vec0 tables, for djanorm's inspection."""

    def __init__(self, connection: Any, tables: dict[str, Any]) -> None:
        self._connection, self._tables = connection, tables

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def get_table_columns(self, table: str) -> list[dict[str, Any]]:
        return [] if table in self._tables else list(self._connection.get_table_columns(table))


def _columns(sql: str) -> Iterator[dict[str, Any]]:
    declared = [found for part in _parts(sql.partition("(")[2].rpartition(")")[0]) if (found := _COLUMN.match(part))]
    if not any("primary" in found[4].lower() for found in declared):
        yield {"name": "rowid", "type": "INTEGER", "notnull": 1, "pk": 1}
    for name, kind, length, rest in (found.groups() for found in declared):
        is_key = "primary" in rest.lower()
        yield {"name": name, "type": _type(kind.lower(), length), "notnull": int(is_key), "pk": int(is_key)}


def _parts(arguments: str) -> list[str]:
    """Return the declarations of columns; an option has an equals sign after its name."""
    parts = [part.strip() for part in arguments.split(",")]
    return [part for part in parts if not re.match(r"\w+\s*=", part)]


def _type(kind: str, length: str | None) -> str:
    if length is None:
        return _TYPES.get(kind, "TEXT")
    return f"float[{length}]" if kind in _VECTORS else "BLOB"
