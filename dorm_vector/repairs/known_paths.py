"""Repairs of djanorm: a name that a query reads, sorts or filters by must be a field or an annotation."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import partial
from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.fields import JSONField
from dorm.query import SQLQuery
from dorm.related_managers import ManyToManyDescriptor, ReverseFKDescriptor, ReverseOneToOneDescriptor

from ..dialects.shared.operands import SQL
from ..expressions.scope import compiling, current_connection, current_query
from ..patching.registry import repair
from ..patching.stand_ins import Statements
from ..query.joins import is_many
from ..query.names import no_such_field
from .offline import UNKNOWN, decided_model, model, refuses

_in_queries = partial(
    repair,
    "dorm.query:SQLQuery",
    name="known_names_in_queries",
    is_fixed=lambda: refuses(lambda: SQLQuery(model())._resolve_column([UNKNOWN])),
)


def known_path(query: Any, parts: list[str]) -> list[str]:
    """Return the path from a query's model to a column, with "pk" resolved; raise FieldDoesNotExist."""
    model, known = query.model, list(parts)
    if len(parts) == 1 and parts[0] in query.annotations:
        return known
    start = 0
    if len(parts) > 1 and parts[0] in query.filtered_relations:
        model, start = _related(model, query.filtered_relations[parts[0]].relation_name), 1
    for position in range(start, len(parts)):
        if model is None:
            break
        known[position] = name = _name_of(model, parts[position])
        if isinstance(model._meta._field_cache.get(name), JSONField):
            break
        model = _step(query, model, name)
    return known


def _name_of(model: Any, name: str) -> str:
    # A composite key is not a column, and djanorm rejects invalid comparisons with it on its own.
    return str(model._meta.pk.name) if name == "pk" and model._meta.pk and model._meta.pk.column else name


def _step(query: Any, model: Any, name: str) -> Any:
    """Return the model that a name leads to, or None at a column; raise FieldDoesNotExist for any other name."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        related = _related(model, name)
        if related is None and name != "pk":
            raise no_such_field(model, name, query.annotations if model is query.model else ()) from None
        return related
    return field._resolve_related_model() if hasattr(field, "remote_field_to") else None


def _related(model: Any, name: str) -> Any:
    """Return the model at the other end of a relation, or None if the name is not a relation."""
    relation: Any = model._meta._field_cache.get(name) or getattr(model, name, None)
    if isinstance(relation, (ReverseFKDescriptor, ReverseOneToOneDescriptor)):
        return relation.source_model
    if isinstance(relation, ManyToManyDescriptor):
        return relation.field._resolve_related_model()
    return relation._resolve_related_model() if hasattr(relation, "remote_field_to") else None


def require_paths(query: Any, names: Iterable[str]) -> None:
    for name in names:
        known_path(query, [name] if name in query.annotations else name.split("__"))


@_in_queries("_resolve_column")
def known_names_in_queries(original: Any, query: Any, /, field_parts: list[str], connection: Any = None) -> Any:
    """Reject filters, orders and selections by unknown fields, also in models without vectors.

    Symptom: on SQLite and Turso, ``Author.objects.filter(nickname="nickname").delete()`` deletes every row, and
    ``order_by("nickname")`` does not sort; elsewhere the server raises an error. ``values()`` in a subquery,
    ``through_defaults`` and ``FilteredRelation`` send a name unchanged, quotes included; ``defer()``,
    ``select_related()`` and ``cursor_paginate(after=…)`` ignore an unknown one. Cause: djanorm treats a name that is
    not a field as a column, and SQLite treats an unknown column as a text. djanorm 4.3 to 4.5.
    """
    return original(query, known_path(query, field_parts), connection)


@_in_queries("get_columns")
def _known_columns(original: Any, query: Any, /, table_alias: str | None = None) -> Any:
    if query.selected_fields is None:
        return original(query, table_alias)
    require_paths(query, query.selected_fields)
    return ", ".join(_selected(original, query, name, table_alias) for name in query.selected_fields)


def _selected(original: Any, query: Any, name: str, table_alias: str | None) -> str:
    """Return a column as djanorm selects it, or, if djanorm would use the field name as column, the column under it."""
    if is_many(query.model, name):
        return f'{query._resolve_column([name])} AS "{name}"'
    field = None if "__" in name or name == "pk" else query._resolve_field([name])
    if field is None or field.column == name:
        one = copy.copy(query)
        one.selected_fields = [name]
        return str(original(one, table_alias))
    output = field.column if query.deferred_loading else name
    return (f'"{table_alias}".' if table_alias else "") + f'"{field.column}" AS "{output}"'


@_in_queries("as_select")
def _known_order(original: Any, query: Any, /, connection: Any) -> Any:
    require_paths(query, (entry.removeprefix("-") for entry in query.order_by_fields))
    require_paths(query, query.distinct_on_fields)
    return original(query, connection)


@_in_queries("as_subquery_sql")
def _known_subquery(original: Any, query: Any, /, outer_alias: str | None = None, outer_model: Any = None) -> Any:
    inner = query.clone()
    require_paths(inner, (entry.removeprefix("-") for entry in inner.order_by_fields))
    inner.order_by_fields = [_column_entry(inner, entry) for entry in inner.order_by_fields]
    # djanorm compiles a clone; returning this query compiles its expressions for the query that is sent.
    inner.clone = lambda: inner
    if current_query() is None:
        return original(inner, outer_alias, outer_model)
    with compiling(current_connection(inner), inner):
        return original(inner, outer_alias, outer_model)


def _column_entry(query: Any, entry: str) -> str:
    name = entry.removeprefix("-")
    field = None if name in query.annotations else query._resolve_field([name])
    return ("-" if entry.startswith("-") else "") + (field.column if field is not None and field.column else name)


@_in_queries("_compile_subquery")
def _known_projection(original: Any, query: Any, /, queryset: Any, connection: Any) -> Any:
    inner = queryset._query
    require_paths(inner, inner.selected_fields or ())
    return original(query, queryset, connection)


@_in_queries("_resolve_outer_ref")
def _known_outer_reference(original: Any, query: Any, /, reference: Any) -> Any:
    outer = query._outer_model
    if outer is not None and reference.name != "pk" and reference.name not in outer._meta._field_cache:
        known_path(SQLQuery(outer), [reference.name])
    return original(query, reference)


@_in_queries("_compile_for_update")
def _known_tables(original: Any, query: Any, /, connection: Any) -> Any:
    paths = ("__".join(path.split("__")[: depth + 1]) for path in query.select_related_fields for depth in range(9))
    known = dict.fromkeys([query.get_table(), *(join[2] for join in query.joins), *(f"_sr_{path}" for path in paths)])
    for name in query.for_update_of:
        if name not in known:
            raise ValueError(f"select_for_update(of=…): the query has no table {name!r}. It has {', '.join(known)}.")
    return original(query, connection)


@repair("dorm.queryset:CombinedQuerySet", "_build_sql", name="known_names_in_queries")
def _known_combined_order(original: Any, queryset: Any, /, connection: Any) -> Any:
    query = copy.copy(queryset._query)
    require_paths(query, (entry.removeprefix("-") for entry in query.order_by_fields))
    query.order_by_fields = [_column_entry(query, entry) for entry in query.order_by_fields]
    named = copy.copy(queryset)
    named._query = query
    sql: SQL = original(named, connection)
    return sql


# A field of these names is compared by its own value.
_TRANSFORMS = frozenset({"date", "time", "year", "month", "day", "hour", "minute", "second", "week", "quarter"})


def _reads_the_field() -> bool:
    sql, _params = SQLQuery(decided_model())._compile_leaf(["other"], "day", 1, Statements("sqlite"))
    return '."day" = ' in sql


@repair("dorm.query:SQLQuery", "_compile_leaf", is_fixed=_reads_the_field)
def fields_called_like_lookups(
    original: Any, query: Any, parts: list[str], lookup: str, value: Any, connection: Any
) -> SQL:
    """Compare the fields ``day``, ``year`` and the like of related rows, in filters of models without vectors, too.

    Symptom: ``Line.objects.filter(order__day=day)`` finds nothing on SQLite, and is an error on PostgreSQL. Cause: the
    last name of the path is taken for the lookup, over the key of the relation. djanorm 4.3 to 4.5.
    """
    if lookup in _TRANSFORMS and query._resolve_field([*parts, lookup]) is not None:
        parts, lookup = [*parts, lookup], "exact"
    sql, params = original(query, parts, lookup, value, connection)
    return sql, params
