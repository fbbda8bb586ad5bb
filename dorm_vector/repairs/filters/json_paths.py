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


def _compares_numbers(module: Any) -> bool:
    sql, _params = module.build_lookup_sql("\"meta\" #>> '{n}'", "exact", 8, vendor="postgresql")
    return str(sql) != "\"meta\" #>> '{n}' = %s"


@repair("dorm.lookups", "build_lookup_sql", name="json_paths", is_fixed=partial(_compares_numbers, lookups))
@repair("dorm.query", "build_lookup_sql", is_fixed=partial(_compares_numbers, dorm.query))
def json_paths(original: Any, col: str, lookup: str, value: Any, vendor: str = "sqlite") -> SQL:
    """Compare numbers and booleans under a path of a JSON field as numbers and booleans.

    Symptom: ``filter(meta__n=8)`` fails on PostgreSQL with ``operator does not exist: text = smallint``,
    ``filter(meta__done=True)`` finds nothing on MySQL, and text or null passes ``meta__n__gt=8`` or ``meta__n__lt=8``
    on the others. Cause: djanorm reads the path as text on PostgreSQL, and whatever it leads to elsewhere. djanorm 4.3
    to 4.5.
    """
    paths = _PATHS.get(vendor, _SQLITE)
    found = paths.written.fullmatch(col) if lookup in _COMPARED else None
    if found is not None:
        several = lookup in ("in", "range")
        values = list(value) if several else [value]
        col, values = _typed(paths, col, found, values)
        if lookup == "range":
            # MySQL has no BETWEEN of JSON.
            return f"({col} >= %s AND {col} <= %s)", values
        value = values if several else values[0]
    compared: SQL = original(col, lookup, value, vendor=vendor)
    return compared


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
