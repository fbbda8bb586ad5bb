"""Repairs of the SQL that djanorm writes for MySQL and MariaDB."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import dorm.query
from dorm import lookups
from dorm.fields import BigAutoField
from dorm.query import SQLQuery

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..engines.one_database import only_on
from ..engines.statement import searches_in, with_searches
from ..patching.registry import repair
from ..patching.stand_ins import Statements, model


def _writes_no_on_conflict() -> bool:
    field = SimpleNamespace(column="name", primary_key=False)
    sql, _params = SQLQuery(model()).as_bulk_insert([field], [["a"]], Statements("mysql"), ignore_conflicts=True)
    return "ON CONFLICT" not in sql


def _copies_what_it_found() -> bool:
    query = SQLQuery(model())
    query.joins = [("INNER", "author", "item_author", '"item_author"."id" = "item"."author_id"')]
    sql, _params = query.as_delete(Statements("mysql"))
    return 'IN (SELECT "item"' not in sql


def _escapes_the_escape(module: Any) -> bool:
    sql, _params = module.build_lookup_sql('"name"', "contains", "a", vendor="mysql")
    return r"ESCAPE '\'" not in sql


def _refers_by_the_same_type() -> bool:
    return BigAutoField().rel_db_type(Statements("mysql")) == "BIGINT"


@repair("dorm.query:SQLQuery", "as_bulk_insert", is_fixed=_writes_no_on_conflict)
@only_on("mysql")
def on_duplicate_key(
    original: Any, query: Any, fields: list[Any], rows: list[Any], connection: Any, **options: Any
) -> Any:
    """Write the conflict clause in the syntax of MySQL and MariaDB.

    Symptom: ``bulk_create(ignore_conflicts=True)``, ``update_conflicts=True`` and ``upsert()`` raise a syntax error.
    Cause: djanorm writes ON CONFLICT for every database. djanorm 4.3 to 4.5.
    """
    sql, params = original(query, fields, rows, connection, **options)
    insert, conflict, action = sql.partition(" ON CONFLICT")
    if not conflict:
        return sql, params
    return insert + _on_duplicate_key(fields, action, connection), params


def _on_duplicate_key(fields: list[Any], action: str, connection: Any) -> str:
    values = action.partition(" DO UPDATE SET ")[2]
    if not values:
        # INSERT IGNORE would also suppress all other errors. A generated key cannot be set, not even to itself.
        column = next((field.column for field in fields if not field.primary_key), fields[0].column)
        return f' ON DUPLICATE KEY UPDATE "{column}" = "{column}"'
    dialect = dialect_for(connection)
    new = re.sub(r'EXCLUDED\.("\w+")', lambda found: dialect.loading.inserted_value.format(column=found[1]), values)
    return f"{dialect.loading.inserted_row} ON DUPLICATE KEY UPDATE {new}"


@repair("dorm.query:SQLQuery", "as_delete", is_fixed=_copies_what_it_found)
@only_on("mysql")
def rows_of_the_same_table(original: Any, query: Any, connection: Any) -> Any:
    """Update or delete rows that are found across a relation, or by a subquery on their own table.

    Symptom: ``Document.objects.filter(author__name=…).update(…)`` fails with ``You can't specify target table``.
    Cause: MySQL reads from a table that it changes only through a materialized derived table. djanorm 4.3 to 4.5.
    """
    return _with_rows_copied(query, lambda some: original(some, connection))


@repair("dorm.query:SQLQuery", "as_update", name="rows_of_the_same_table", is_fixed=_copies_what_it_found)
@only_on("mysql")
def _rows_of_the_same_table(original: Any, query: Any, update_kwargs: dict[str, Any], connection: Any) -> Any:
    return _with_rows_copied(query, lambda some: original(some, update_kwargs, connection))


def _with_rows_copied(query: Any, compiled: Callable[[Any], SQL]) -> SQL:
    sql, params = compiled(query)
    table, key = query.get_table(), query.model._meta.pk.column
    everything = query.clone()
    everything.where_nodes, everything.joins = [], []
    statement, _params = compiled(everything)
    found = sql[len(statement) :]
    if f'"{table}"' not in found.replace(f'"{table}".', ""):
        return sql, params
    across = f' WHERE "{key}" IN ('
    rows = (
        found[len(across) : -1]
        if found.startswith(f'{across}SELECT "{table}"')
        else f'SELECT "{table}"."{key}" FROM "{table}"{found}'
    )
    # DISTINCT keeps the server from merging the inner query into the outer one.
    rows = rows.replace("SELECT", "SELECT DISTINCT", 1)
    return with_searches(f'{statement}{across}SELECT * FROM ({rows}) AS "chosen")', searches_in(sql)), params


def _locks_rows() -> bool:
    query = SQLQuery(model())
    query.for_update_flag = True
    return "FOR UPDATE" in query._compile_for_update(Statements("mysql"))


@repair("dorm.query:SQLQuery", "_compile_for_update", is_fixed=_locks_rows)
@only_on("mysql")
def row_locks(original: Any, query: Any, connection: Any) -> str:
    """Lock the rows that ``select_for_update()`` reads on MySQL and MariaDB.

    Symptom: two transactions that read a row with ``select_for_update()``, change and save it both read the old values,
    and the first change is lost. Cause: FOR UPDATE is written for PostgreSQL only. djanorm 4.3 to 4.5.
    """
    return " FOR UPDATE"


@repair("dorm.lookups", "build_lookup_sql", name="like_escape", is_fixed=partial(_escapes_the_escape, lookups))
@repair("dorm.query", "build_lookup_sql", is_fixed=partial(_escapes_the_escape, dorm.query))
@only_on("mysql")
def like_escape(original: Any, col: str, lookup: str, value: Any, vendor: str) -> Any:
    r"""Write LIKE's escape character in the syntax of MySQL and MariaDB.

    Symptom: ``contains``, ``startswith``, ``endswith`` and their variants raise a syntax error. Cause: in
    ``ESCAPE '\'``, the backslash escapes the quote there. djanorm 4.3 to 4.5.
    """
    sql, params = original(col, lookup, value, vendor=vendor)
    return sql.replace(r"ESCAPE '\'", r"ESCAPE '\\'"), params


@repair("dorm.fields:BigAutoField", "rel_db_type", name="foreign_key_type", is_fixed=_refers_by_the_same_type)
@only_on("mysql")
def foreign_key_type(original: Any, field: Any, connection: Any) -> str:
    """Give a foreign key the type of the key that it refers to.

    Symptom: a table with a foreign key to a model without an explicit primary key cannot be created. Cause: the key is
    BIGINT, and the column that refers to it is INTEGER. djanorm 4.3 to 4.5.
    """
    return "BIGINT"


@repair("dorm.fields:SmallAutoField", "rel_db_type", name="foreign_key_type", is_fixed=_refers_by_the_same_type)
@only_on("mysql")
def _small_foreign_key(original: Any, field: Any, connection: Any) -> str:
    return "SMALLINT"
