"""Repairs of djanorm's queries over a many-to-many relation, in models without vectors."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from dorm.aggregates import Count
from dorm.query import SQLQuery
from dorm.queryset import QuerySet, ValuesListQuerySet

from ...dialects.shared.operands import SQL
from ...patching.registry import repair
from ...patching.stand_ins import Statements
from ...query.joins import across_many, is_many
from ..known_references import references_in
from ..offline import Offline, model, related_model


def _joins_the_relation() -> bool:
    query = SQLQuery(related_model())
    return "None" not in query._resolve_column(["others"]) and bool(query.joins)


_over_many = partial(repair, "dorm.query:SQLQuery", name="paths_over_many", is_fixed=_joins_the_relation)


@_over_many("_resolve_column")
def paths_over_many(original: Any, query: Any, /, field_parts: list[str], connection: Any = None) -> str:
    """Follow many-to-many relations in filters, orders, selections and annotations of models without vectors.

    Symptom: ``Ticket.objects.filter(tags=tag)`` and ``tags__in=[tag]`` return no row on SQLite and Turso, and
    ``filter(tags__name="urgent")`` raises an error that names the column "None"; PostgreSQL, MySQL and MariaDB raise it
    for both. Cause: djanorm joins a many-to-many field like a foreign key, by a column that it does not have.
    djanorm 4.3 to 4.5.
    """
    sql: str | None = None
    if not hasattr(query, "is_by_distance"):
        # Bind the value with the field at the end of its own path, not with that of the previous filter.
        query._last_resolved_leaf_field = None
        sql = across_many(query, field_parts, connection)
    if sql is None:
        sql = original(query, field_parts, connection)
    return sql


@_over_many("_compile_nodes")
def _qualified(original: Any, query: Any, /, nodes: list[Any], connection: Any) -> SQL:
    was_joined = bool(query.joins) or hasattr(query, "is_by_distance")
    sql, params = original(query, nodes, connection)
    if query.joins and not was_joined:
        # djanorm qualifies a column only after the first join, and the joined table may have one of the same name.
        sql, params = original(query, nodes, connection)
    return sql, params


@_over_many("as_select")
def _joined_first(original: Any, query: Any, /, connection: Any) -> SQL:
    if not hasattr(query, "is_by_distance"):
        query = _by_columns(query)
        for name in [*(query.selected_fields or ()), *(entry.removeprefix("-") for entry in query.order_by_fields)]:
            if name is not None and name not in query.annotations and ("__" in name or is_many(query.model, name)):
                query._resolve_column(name.split("__"), connection)
    sql, params = original(query, connection)
    return sql, params


def _by_columns(query: Any) -> Any:
    """Return the query with many-to-many relations in its order replaced by the keys of their rows."""
    entries = [
        f"{entry}__pk" if is_many(query.model, entry.removeprefix("-")) else entry for entry in query.order_by_fields
    ]
    if entries != query.order_by_fields:
        query = copy.copy(query)
        query.order_by_fields = entries
    return query


def _aggregates_joined_rows() -> bool:
    queryset: Any = Offline(related_model())
    return " JOIN " in queryset._build_aggregate_sql({"n": Count("others")}, Statements("sqlite"))[0]


@repair("dorm.queryset:QuerySet", "_build_aggregate_sql", is_fixed=_aggregates_joined_rows)
def aggregates_over_relations(
    original: Any, queryset: Any, /, aggregates: dict[str, Any], connection: Any
) -> tuple[str, list[Any], list[str]]:
    """Join the relations that ``aggregate()`` of a model without vectors filters by or counts.

    Symptom: ``Ticket.objects.filter(tags=tag).aggregate(n=Count("pk"))`` and ``aggregate(n=Count("tags"))`` raise "no
    such column", and so do foreign keys in both places. Cause: the statement has no joins. djanorm 4.3 to 4.5.
    """
    if not hasattr(queryset._query, "is_by_distance") and _is_joined(queryset._query.clone(), aggregates, connection):
        from ...models.querysets import upgraded

        queryset = upgraded(queryset)
        return queryset._build_aggregate_sql(aggregates, connection)  # type: ignore[no-any-return]  # djanorm's
    sql, params, names = original(queryset, aggregates, connection)
    return sql, params, names


def _is_joined(query: Any, aggregates: dict[str, Any], connection: Any) -> bool:
    # djanorm takes the name in F() for that of a column.
    if any(references_in(list(aggregates.values()))):
        return True
    names = [getattr(aggregate, "expression", None) for aggregate in aggregates.values()]
    if any(isinstance(name, str) and ("__" in name or is_many(query.model, name)) for name in names):
        return True
    query._compile_nodes(query.where_nodes, connection)
    return bool(query.joins)


def _selects_annotations() -> bool:
    annotated: Any = QuerySet(model())
    queryset = annotated.annotate(n=Count("pk")).values("n")
    sql, _params = queryset._query.as_select(Statements("sqlite"))
    return '"n"' in sql and '"probe"."n"' not in sql


@repair("dorm.queryset:QuerySet", "values", is_fixed=_selects_annotations)
@repair("dorm.queryset:QuerySet", "values_list", name="values_of_annotations", is_fixed=_selects_annotations)
def values_of_annotations(original: Any, queryset: Any, /, *names: str, **options: Any) -> Any:
    """Let ``values()`` and ``values_list()`` of a model without vectors read an annotation.

    Symptom: ``Author.objects.annotate(n=Count("books")).values("name", "n")`` raises "no such column: author.n". Cause:
    djanorm selects the name of the annotation as a column of the table. djanorm 4.3 to 4.5.
    """
    if type(queryset) in (QuerySet, ValuesListQuerySet) and any(name in queryset._query.annotations for name in names):
        from ...models.querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(*names, **options)
    return original(queryset, *names, **options)
