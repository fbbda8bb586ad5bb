"""Repairs of djanorm: a name inside an expression must be a field or an annotation."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from dorm import aggregates, functions
from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import CombinedExpression, F, Q
from dorm.lookups import parse_lookup_key
from dorm.query import SQLQuery, _validate_identifier

from ..dialects.shared.operands import SQL
from ..expressions.scope import compiling, current_connection, current_query
from ..patching.registry import repair
from .known_paths import known_path
from .offline import UNKNOWN, Connection, model, refuses, rows

_NAME = "known_names_in_expressions"

_HOSTILE = 'x" || "y'

_WINDOW = functions.Window(functions.RowNumber(), order_by=UNKNOWN)


@repair(
    "dorm.functions",
    "_compile_expr",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: functions.Upper(F(_HOSTILE)).as_sql()),
)
@repair(
    "dorm.expressions",
    "_compile_operand",
    name=_NAME,
    is_fixed=lambda: refuses((F(_HOSTILE) + 1).as_sql),
)
@repair(
    "dorm.query",
    "_compile_expr",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: SQLQuery(model()).as_update({"title": F(UNKNOWN)}, Connection())),
)
def known_names_in_expressions(
    original: Any, expression: Any, table_alias: str | None = None, *arguments: Any, **context: Any
) -> SQL:
    """Reject expressions on unknown fields, also in models without vectors.

    Symptom: ``update(title=Upper(F(name)))``, ``annotate(n=Count(name))``, ``When(**{name: 1})``, the ``filter`` of an
    aggregate and the names in ``Window()`` and ``SearchVector()`` reach the SQL unchanged, quotes included. For a
    field with a ``db_column``, they look for a column with the field's name. Cause: only ``filter()`` looks names up.
    djanorm 4.3 to 4.5.
    """
    if type(expression) is F:
        query = current_query()
        if query is not None and table_alias:
            return _reference(query, expression.name, table_alias)
        _require_known(query, expression.name)
    sql, params = original(expression, table_alias, *arguments, **context)
    return sql, list(params)


def _reference(query: Any, name: str, table_alias: str) -> SQL:
    connection = current_connection(query)
    if name in query.annotations and name not in query.model._meta._field_cache:
        sql, params = query.annotations[name].as_sql(table_alias, model=query.model, connection=connection, query=query)
        return sql, list(params)
    column = query._resolve_column(known_path(query, name.split("__")), connection)
    return (column if "." in column else f'"{table_alias}".{column}'), []


def _require_known(query: Any, path: str) -> None:
    """Raise for a name that is not in the query, or, without a query, for one that is not an identifier."""
    for name in path.split("__") if query is None else ():
        _validate_identifier(name)
    if query is not None:
        known_path(query, path.split("__"))


# Conditions


@repair(
    "dorm.functions",
    "_compile_condition",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: functions.When(Q(**{_HOSTILE: 1}), then=F("title")).as_sql()),
)
def _known_condition(
    original: Any, condition: Any, table_alias: str | None = None, *arguments: Any, **context: Any
) -> SQL:
    query = current_query()
    if isinstance(condition, Q) and query is not None and table_alias == (query._self_alias or query.get_table()):
        # djanorm qualifies columns only if related rows are selected, and another table may still be joined.
        qualifying = copy.copy(query)
        qualifying.select_related_fields = query.select_related_fields or ["pk"]
        sql, params = qualifying._compile_q(condition, current_connection(query))
        return sql, list(params)
    for name in _names_in(condition):
        _require_known(query, "__".join(parse_lookup_key(name)[0]))
    sql, params = original(condition, table_alias, *arguments, **context)
    return sql, list(params)


def _names_in(condition: Any) -> Iterator[str]:
    for child in getattr(condition, "children", ()):
        if isinstance(child, Q):
            yield from _names_in(child)
        elif isinstance(child, tuple):
            yield child[0]


# Aggregates, window functions and text search


def _query_of(context: dict[str, Any]) -> Any:
    """Return the query that an expression is compiled for, else a query of its model, else None."""
    query, found = context.get("query") or current_query(), context.get("model")
    if query is not None and found in (None, query.model):
        return query
    return SQLQuery(found) if found is not None else None


def _column(query: Any, name: str) -> str:
    """Return the column of a field, and other valid names unchanged; raise FieldDoesNotExist."""
    if query is None:
        _require_known(None, name)
        return name
    known_path(query, [name] if name in query.annotations else name.split("__"))
    field = None if name in query.annotations or "__" in name else query._resolve_field([name])
    return str(field.column) if field is not None and field.column else name


_OF_AGGREGATES = partial(
    repair,
    attribute="as_sql",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: aggregates.StringAgg(UNKNOWN).as_sql("probe", model=model())),
)


@_OF_AGGREGATES("dorm.aggregates:Aggregate")
@_OF_AGGREGATES("dorm.aggregates:StringAgg")
@_OF_AGGREGATES("dorm.aggregates:_OrderedSetAggregate")
def _known_aggregate(original: Any, aggregate: Any, /, table_alias: str | None = None, **context: Any) -> SQL:
    named, query = copy.copy(aggregate), _query_of(context)
    if isinstance(named.expression, str) and named.expression != "*":
        column = _column(query, named.expression)
        # With a query, djanorm looks the column up itself. The columns of a derived table are named after the fields.
        is_own = query is not None and table_alias == (query._self_alias or query.get_table())
        named.expression = column if is_own and context.get("query") is None else named.expression
    if isinstance(getattr(named, "order_by", None), str):
        named.order_by = _columns(query, [named.order_by])[0]
    sql, params = original(named, table_alias, **context)
    return sql, list(params)


def _columns(query: Any, entries: Iterable[str]) -> list[str]:
    return [("-" if entry.startswith("-") else "") + _column(query, entry.removeprefix("-")) for entry in entries]


@repair(
    "dorm.functions:Window",
    "as_sql",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: _WINDOW.as_sql("probe", model=model())),
)
def _known_window(original: Any, window: Any, /, table_alias: str | None = None, **context: Any) -> SQL:
    named, query = copy.copy(window), _query_of(context)
    named.partition_by = _columns(query, window.partition_by)
    named.order_by = [_columns(query, [entry])[0] if isinstance(entry, str) else entry for entry in window.order_by]
    sql, params = original(named, table_alias, **context)
    return sql, list(params)


@repair(
    "dorm.search:SearchVector",
    "as_sql",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: sys.modules["dorm.search"].SearchVector(UNKNOWN).as_sql("probe", model=model())),
)
def _known_text(original: Any, vector: Any, /, table_alias: str | None = None, **context: Any) -> SQL:
    named = copy.copy(vector)
    named.fields = _columns(_query_of(context), vector.fields)
    sql, params = original(named, table_alias, **context)
    return sql, list(params)


_SUM = aggregates.Sum(F(UNKNOWN) + 1)


@repair(
    "dorm.queryset:QuerySet",
    "_build_aggregate_sql",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: rows()._build_aggregate_sql({"total": _SUM}, Connection())),
)
def _known_aggregates(original: Any, queryset: Any, /, expressions: dict[str, Any], connection: Any) -> Any:
    with compiling(connection, queryset._query):
        return original(queryset, expressions, connection)


# The values of an update


@repair(
    "dorm.query:SQLQuery",
    "as_update",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: SQLQuery(model()).as_update({"title": F(UNKNOWN)}, Connection())),
)
def _known_values(original: Any, query: Any, /, values: dict[str, Any], *arguments: Any) -> Any:
    for name in references_in(list(values.values())):
        if "__" in name and name not in query.annotations and query._resolve_field(name.split("__")[:1]) is not None:
            _refuse_path(query, name)
    return original(query, values, *arguments)


def _refuse_path(query: Any, path: str) -> None:
    known_path(query, path.split("__"))
    if hasattr(query._resolve_field(path.split("__")[:1]), "remote_field_to"):
        raise FieldDoesNotExist(
            f"F({path!r}) in update(): a row is updated from its own columns, and this one is across a relation. Give"
            " Subquery(…) of the related rows."
        )


def references_in(value: Any) -> Iterator[str]:
    if type(value) is F:
        yield value.name
    parts = value if isinstance(value, (list, tuple)) else getattr(value, "__dict__", {}).values()
    for part in parts:
        if isinstance(part, (list, tuple, F, CombinedExpression)) or hasattr(part, "as_sql"):
            yield from references_in(part)
