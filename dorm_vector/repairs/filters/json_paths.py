"""Repair of djanorm's filters by a path into a JSON field: numbers and booleans are compared as what they are."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import dorm.query
from dorm import lookups

from ...dialects.shared.operands import SQL
from ...patching.registry import repair

_COMPARED = ("exact", "gt", "gte", "lt", "lte", "in", "range")
_AS_TEXT = re.compile(r"(?P<column>.+) #>> (?P<path>'\{\w+(?:,\w+)*\}')")
_EXTRACTED = re.compile(r"json_extract\((?P<column>.+), (?P<path>'\$\.[\w.]+')\)")


class _Paths(NamedTuple):
    """How djanorm writes a path, and the number or the boolean that it leads to, NULL if it leads to neither."""

    written: re.Pattern[str]
    number: str
    boolean: str


# A json column has no jsonb_typeof().
_TYPE = "jsonb_typeof(({column} #> {path})::jsonb)"
_POSTGRESQL = _Paths(
    _AS_TEXT,
    f"CASE WHEN {_TYPE} = 'number' THEN ({{column}} #>> {{path}})::numeric END",
    f"CASE WHEN {_TYPE} = 'boolean' THEN ({{column}} #>> {{path}})::boolean END",
)
_VALUE = "json_extract({column}, {path})"
_MYSQL = _Paths(
    _EXTRACTED,
    f"CASE WHEN JSON_TYPE({_VALUE}) IN ('INTEGER', 'UNSIGNED INTEGER', 'DECIMAL', 'DOUBLE') THEN {_VALUE} END",
    f"CASE WHEN JSON_TYPE({_VALUE}) = 'BOOLEAN' THEN JSON_UNQUOTE({_VALUE}) = 'true' END",
)
_SQLITE = _Paths(
    _EXTRACTED,
    f"CASE WHEN json_type({{column}}, {{path}}) IN ('integer', 'real') THEN {_VALUE} END",
    f"CASE WHEN json_type({{column}}, {{path}}) IN ('true', 'false') THEN {_VALUE} END",
)
_PATHS = {"postgresql": _POSTGRESQL, "mysql": _MYSQL}
# The others extract JSON's null as NULL.
_NOT_NULL = {"mysql": f"CASE WHEN JSON_TYPE({_VALUE}) <> 'NULL' THEN {_VALUE} END"}


def _compares_numbers(module: Any) -> bool:
    sql, _params = module.build_lookup_sql("\"meta\" #>> '{n}'", "exact", 8, vendor="postgresql")
    return str(sql) != "\"meta\" #>> '{n}' = %s"


@repair("dorm.lookups", "build_lookup_sql", name="json_paths", is_fixed=partial(_compares_numbers, lookups))
@repair("dorm.query", "build_lookup_sql", is_fixed=partial(_compares_numbers, dorm.query))
def json_paths(original: Any, col: str, lookup: str, value: Any, vendor: str = "sqlite") -> SQL:
    """Compare numbers and booleans under a path of a JSON field as numbers and booleans.

    Symptom: ``filter(meta__n=8)`` fails on PostgreSQL with ``operator does not exist: text = smallint``,
    ``filter(meta__done=True)`` finds nothing on MySQL, and text or null passes ``meta__n__gt=8`` or ``meta__n__lt=8``
    on the others; ``filter(meta__n=None)`` misses null on MySQL and MariaDB. Cause: djanorm reads the path as text on
    PostgreSQL, and whatever it leads to elsewhere. djanorm 4.3 to 4.5.
    """
    paths = _PATHS.get(vendor, _SQLITE)
    found = paths.written.fullmatch(col)
    if found is not None and lookup == "isnull" and vendor in _NOT_NULL:
        col = _NOT_NULL[vendor].format(**found.groupdict())
    if found is not None and lookup in _COMPARED:
        values = _several(lookup, value)
        col, values = _typed(paths, col, found, values)
        if lookup == "range":
            # MySQL has no BETWEEN of JSON.
            return f"({col} >= %s AND {col} <= %s)", values
        value = values if lookup == "in" else values[0]
    compared: SQL = original(col, lookup, value, vendor=vendor)
    return compared


@repair("dorm.query:SQLQuery", "_compile_leaf", name="json_paths", is_fixed=partial(_compares_numbers, dorm.query))
def _nothing_there(original: Any, query: Any, parts: Any, lookup: str, value: Any, connection: Any) -> SQL:
    sql, params = original(query, parts, lookup, value, connection)
    if value is None and lookup == "exact":
        # djanorm writes this without build_lookup_sql().
        found = _EXTRACTED.fullmatch(sql.removesuffix(" IS NULL"))
        if found is not None and connection.vendor in _NOT_NULL:
            return f"{_NOT_NULL[connection.vendor].format(**found.groupdict())} IS NULL", params
    return sql, params


def _several(lookup: str, value: Any) -> list[Any]:
    """Return the values of a comparison; nothing equals None, and beside it the others would be compared as text."""
    if lookup == "in":
        return [each for each in value if each is not None]
    return list(value) if lookup == "range" else [value]


def _typed(paths: _Paths, col: str, found: re.Match[str], values: list[Any]) -> tuple[str, list[Any]]:
    if values and all(isinstance(value, bool) for value in values):
        return paths.boolean.format(**found.groupdict()), values
    if not values or not all(_is_number(value) for value in values):
        return col, values
    number = paths.number.format(**found.groupdict())
    # As JSON writes it: a float64 parameter cannot be compared with every number of JSON.
    return number, [Decimal(str(value)) for value in values] if paths is _POSTGRESQL else values


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
