"""Repairs of djanorm's INSERT: rows that have no column but a generated key, and moments that are set on each save."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from dorm.fields import DateTimeField
from dorm.query import SQLQuery

from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...patching.registry import repair
from ...patching.stand_ins import Statements, Unwritten, model, plain_field


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


def _sets_moments() -> bool:
    from dorm.queryset import QuerySet

    item_model = model(fields=[plain_field("at", DateTimeField(auto_now=True))])
    connection = Statements("sqlite")
    rows: Any = SimpleNamespace(model=item_model, _db="default", _get_connection=lambda: connection)
    item = SimpleNamespace(at=None, pk=None, _meta=item_model._meta, _state=SimpleNamespace(db=None, adding=True))
    QuerySet.bulk_create(rows, Unwritten([item]))
    return item.at is not None


@repair("dorm.queryset:QuerySet", "bulk_create", is_fixed=_sets_moments)
@repair("dorm.queryset:QuerySet", "abulk_create", name="moments_in_bulk", is_fixed=_sets_moments)
def moments_in_bulk(original: Any, queryset: Any, /, objs: Any, *rest: Any, **options: Any) -> Any:
    """Set the fields with ``auto_now`` and ``auto_now_add`` of rows that ``bulk_create()`` writes, as ``save()`` does.

    Symptom: ``bulk_create()`` of a model with ``DateTimeField(auto_now=True)`` raises "NOT NULL constraint failed",
    stores NULL where the column allows it, or the old time of an instance that was read. Cause: only ``save()`` asks
    the field for the current time. djanorm 4.3 to 4.5.
    """
    objs = objs if isinstance(objs, list) else list(objs)
    for field in queryset.model._meta.fields:
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            for item in objs:
                if field.auto_now or vars(item).get(field.attname) is None:
                    field.pre_save(item, add=True)
    return original(queryset, objs, *rest, **options)
