"""Repair of djanorm's INSERT of rows that have no column but a generated key."""

from __future__ import annotations

from functools import partial
from typing import Any

from dorm.query import SQLQuery

from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...patching.registry import repair
from ...patching.stand_ins import Statements, model


def _writes_a_key() -> bool:
    sql, _params = SQLQuery(model()).as_insert([], [], Statements("sqlite"))
    return "()" not in sql


_of_keys = partial(repair, "dorm.query:SQLQuery", name="rows_of_generated_keys", is_fixed=_writes_a_key)


@_of_keys("as_insert")
def rows_of_generated_keys(original: Any, query: Any, /, fields: list[Any], values: list[Any], connection: Any) -> SQL:
    """Insert a row of a model that has no column but its generated key.

    Symptom: ``Sequence.objects.create()`` and ``bulk_create([Sequence()])`` raise a syntax error on every database but
    MySQL and MariaDB. Cause: the INSERT names no column. djanorm 4.3 to 4.5.
    """
    sql, params = original(query, fields, values, connection)
    return (sql if fields else _with_key(query, sql, 1, connection)), params


@_of_keys("as_bulk_insert")
def _many(
    original: Any, query: Any, /, fields: list[Any], rows_values: list[list[Any]], connection: Any, **options: Any
) -> SQL:
    sql, params = original(query, fields, rows_values, connection, **options)
    return (sql if fields else _with_key(query, sql, len(rows_values), connection)), params


def _with_key(query: Any, sql: str, rows: int, connection: Any) -> str:
    """Return the INSERT with the key as its column; not every database takes DEFAULT VALUES, or several rows of it."""
    tail = sql.removeprefix(f'INSERT INTO "{query.get_table()}" () VALUES ' + ", ".join(["()"] * rows))
    row = f"({dialect_for(connection).loading.generated_key})"
    values = ", ".join([row] * rows)
    return f'INSERT INTO "{query.get_table()}" ("{query.model._meta.pk.column}") VALUES {values}{tail}'
