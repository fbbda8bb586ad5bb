"""Repair of djanorm's filters by a path into a JSON field: numbers and booleans are compared as what they are."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import dorm.query
from dorm import lookups

from ...dialects.shared.operands import SQL
from ...engines import dialect_of_vendor
from ...patching.registry import repair

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPARED = ("exact", "gt", "gte", "lt", "lte", "in", "range")


class _Path(str):
    """djanorm's SQL of a path, which remembers the JSON column and the keys."""

    __slots__ = ("column", "keys")
    column: str
    keys: Sequence[str]

    def __new__(cls, sql: str, column: str = "", keys: Sequence[str] = ()) -> Self:
        path = str.__new__(cls, sql)
        path.column, path.keys = column, keys
        return path


def _compares_numbers(module: Any) -> bool:
    column = dorm.query._json_extract_sql('"meta"', ["n"], "postgresql")
    sql, _params = module.build_lookup_sql(column, "exact", 8, vendor="postgresql")
    return str(sql) != "\"meta\" #>> '{n}' = %s"


@repair("dorm.query", "_json_extract_sql", name="json_paths", is_fixed=partial(_compares_numbers, dorm.query))
def _remembered(original: Any, column: str, keys: Sequence[str], vendor: str | None) -> str:
    sql: str = original(column, keys, vendor)
    return _Path(sql, column, keys) if keys else sql


@repair("dorm.lookups", "build_lookup_sql", name="json_paths", is_fixed=partial(_compares_numbers, lookups))
@repair("dorm.query", "build_lookup_sql", is_fixed=partial(_compares_numbers, dorm.query))
def json_paths(original: Any, col: str, lookup: str, value: Any, vendor: str = "sqlite") -> SQL:
    """Compare numbers, booleans and texts under a path of a JSON field as what they are.

    Symptom: ``filter(meta__n=8)`` fails on PostgreSQL with ``operator does not exist: text = smallint``,
    ``filter(meta__done=True)`` finds nothing on MySQL, and text or null passes ``meta__n__gt=8`` or ``meta__n__lt=8``
    on the others; ``filter(meta__n=None)`` misses null on MySQL and MariaDB; ``filter(meta__n="8")`` finds the number 8
    on PostgreSQL and MariaDB, where ``meta__n__in=["8"]`` misses the text. Cause: djanorm reads the path as text on
    PostgreSQL, and whatever it leads to elsewhere. djanorm 4.3 to 4.5.
    """
    if isinstance(col, _Path) and lookup == "isnull":
        col = dialect_of_vendor(vendor).json.value_at(col, col.column, col.keys)
    is_text = ""
    if isinstance(col, _Path) and lookup in _COMPARED:
        values = _several(lookup, value)
        if values and all(isinstance(each, str) for each in values):
            rules = dialect_of_vendor(vendor).json
            is_text = rules.is_text_at(col.column, col.keys)
            col = rules.text_at(col, col.column, col.keys)
        else:
            col, values = _typed(col, values, vendor)
        if lookup == "range":
            # MySQL has no BETWEEN of JSON.
            between = f"{col} >= %s AND {col} <= %s"
            return f"({between} AND {is_text})" if is_text else f"({between})", values
        value = values if lookup == "in" else values[0]
    sql, params = original(col, lookup, value, vendor=vendor)
    return f"({sql} AND {is_text})" if is_text else sql, params


@repair("dorm.query:SQLQuery", "_compile_leaf", name="json_paths", is_fixed=partial(_compares_numbers, dorm.query))
def _nothing_there(original: Any, query: Any, parts: Any, lookup: str, value: Any, connection: Any) -> SQL:
    if value is None and lookup == "exact":
        # djanorm writes this without build_lookup_sql().
        lookup, value = "isnull", True
    sql, params = original(query, parts, lookup, value, connection)
    return sql, params


def _several(lookup: str, value: Any) -> list[Any]:
    """Return the values of a comparison; nothing equals None, which would turn the others into text."""
    if lookup == "in":
        return [each for each in value if each is not None]
    return list(value) if lookup == "range" else [value]


def _typed(path: _Path, values: list[Any], vendor: str) -> tuple[str, list[Any]]:
    if values and all(isinstance(value, bool) for value in values):
        return dialect_of_vendor(vendor).json.boolean_at(path.column, path.keys), values
    if not values or not all(_is_number(value) for value in values):
        return path, values
    rules = dialect_of_vendor(vendor).json
    bound = [Decimal(str(value)) for value in values] if rules.binds_decimals else values
    return rules.number_at(path.column, path.keys), bound


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
