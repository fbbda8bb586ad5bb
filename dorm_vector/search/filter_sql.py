"""Compile the filter of a query, once for each shape of plain conditions.

A plain condition compares a number or a text column of the model itself with a value of exactly the column's type. The
value is one parameter then, and nothing else of the SQL depends on it. Any other condition is compiled each time.
"""

from __future__ import annotations

from operator import is_
from typing import Any, NamedTuple

from dorm import fields
from dorm.expressions import Q
from dorm.lookups import parse_lookup_key

from ..engines import dialect_for
from ..expressions.scope import compiling
from .spec import SearchCondition

_KNOWN, _COLUMNS = "dorm_vector_filters", "dorm_vector_plain_columns"
_MOST = 256
"""The maximum number of cached filters per model."""

_INTEGERS = dict.fromkeys(
    (
        *(fields.AutoField, fields.BigAutoField, fields.SmallAutoField, fields.IntegerField, fields.SmallIntegerField),
        *(fields.BigIntegerField, fields.PositiveIntegerField, fields.PositiveSmallIntegerField),
        fields.PositiveBigIntegerField,
    ),
    int,
)
_TYPES: dict[type, type] = {**_INTEGERS, fields.FloatField: float, fields.CharField: str, fields.TextField: str}
"""The fields that bind values of these types as they are."""
_ORDERED = frozenset(("exact", "gt", "gte", "lt", "lte"))


class Filter(NamedTuple):
    """A compiled filter: its SQL, the tables that it joins, and its parameters."""

    sql: str
    joins: tuple[Any, ...]
    params: list[Any]


def filter_of(query: Any, connection: Any) -> Filter:
    """Return the compiled filter of a query, from the cache if only its values are new."""
    values: list[Any] = []
    shape = plain_shape(query, values)
    if shape is None:
        return compiled(query, connection)
    key = (dialect_for(connection), query._alias(), shape)
    known = vars(query.model._meta).setdefault(_KNOWN, {})
    sql = known.get(key)
    if sql is not None:
        return taken(sql, query, connection, values)
    found = compiled(query, connection)
    if not found.joins and len(found.params) == len(values) and all(map(is_, found.params, values)):
        if len(known) >= _MOST:
            known.clear()
        known[key] = found.sql
    return found


def taken(sql: str, _query: Any, _connection: Any, values: list[Any]) -> Filter:
    """Return a remembered filter with the values of a query."""
    return Filter(sql, (), values)


def compiled(query: Any, connection: Any) -> Filter:
    # A copy is compiled, because the joins of WHERE must come after those of the SELECT list.
    copied = query.clone()
    with compiling(connection, copied):
        sql, params = copied._compile_nodes(copied.where_nodes, connection)
    return Filter(sql, tuple(copied.joins), params)


def plain_shape(query: Any, values: list[Any]) -> tuple[Any, ...] | None:
    """Return the filter without its values, which are collected; None if any condition is not a plain one."""
    shapes = [_node(node, query, values) for node in query.where_nodes]
    return None if None in shapes else tuple(shapes)


def _node(node: Any, query: Any, values: list[Any]) -> Any:
    kind = type(node)
    if kind is tuple:
        parts, lookup, value = node
        return _leaf(parts[0], lookup, value, query, values) if len(parts) == 1 else None
    if kind is not Q and kind is not SearchCondition:
        return None
    shapes = [_child(child, query, values) for child in node.children]
    return None if None in shapes else (node.connector, node.negated, *shapes)


def _child(child: Any, query: Any, values: list[Any]) -> Any:
    if type(child) is not tuple or len(child) != 2:
        return _node(child, query, values) if isinstance(child, Q) else None
    parts, lookup = parse_lookup_key(child[0])
    return _leaf(parts[0], lookup, child[1], query, values) if len(parts) == 1 else None


def _leaf(name: str, lookup: str, value: Any, query: Any, values: list[Any]) -> Any:
    columns = vars(query.model._meta).setdefault(_COLUMNS, {})
    if name not in columns:
        columns[name] = _column(query.model._meta, name)
    wanted = columns[name]
    if wanted is None or name in query.annotations:
        return None
    if lookup == "isnull":
        return (name, value) if type(value) is bool else None
    if type(value) is not wanted or lookup not in _ORDERED:
        return None
    values.append(value)
    return name, lookup


def _column(meta: Any, name: str) -> type | None:
    """Return the type of the values that the column of this name is compared with; ``object`` if with none."""
    field = meta._field_cache.get(name)
    # Columns of other names are compiled by repairs, which can be switched off.
    if field is None or getattr(field, "column", None) not in (name, field.attname):
        return None
    if hasattr(field, "to_vector"):
        return object
    if type(field) in (fields.ForeignKey, fields.OneToOneField):
        return _INTEGERS.get(type(field._resolve_related_model()._meta.pk))
    return _TYPES.get(type(field))
