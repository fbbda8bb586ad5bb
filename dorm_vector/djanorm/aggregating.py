"""Aggregates over vectors, whichever queryset they are asked of."""

from __future__ import annotations

import copy
from typing import Any

from dorm.aggregates import Aggregate
from dorm.expressions import F
from dorm.queryset import QuerySet

from ..dialects.base import SQL
from .compiling import Names
from .repairs import repair


def over_vectors(queryset: Any, expressions: dict[str, Any]) -> dict[str, Any]:
    """Return the expressions with djanorm's Avg and Sum over vectors as ours."""
    if not any(isinstance(expression, Aggregate) for expression in expressions.values()):
        return expressions
    from ..aggregates import of_vectors

    names = Names(queryset._query, queryset.model)
    return {name: of_vectors(expression, names) for name, expression in expressions.items()}


def _aggregates_vectors(queryset: Any, expressions: dict[str, Any]) -> bool:
    from ..aggregates import VectorAggregate

    return any(isinstance(expression, VectorAggregate) for expression in over_vectors(queryset, expressions).values())


@repair("dorm.queryset:QuerySet", "annotate", name="vector_aggregates")
@repair("dorm.queryset:QuerySet", "alias", name="vector_aggregates")
@repair("dorm.queryset:QuerySet", "aggregate", name="vector_aggregates")
@repair("dorm.queryset:QuerySet", "aaggregate", name="vector_aggregates")
def vector_aggregates(original: Any, queryset: Any, **expressions: Any) -> Any:
    """Let Avg and Sum over a vector of a related model give a vector.

    Symptom: ``Author.objects.annotate(center=Avg("documents__embedding"))`` is 0.0 on SQLite, and text on PostgreSQL.
    Cause: djanorm's aggregates and a plain QuerySet know nothing of vectors. djanorm 4.3 to 4.5.
    """
    if type(queryset) is not QuerySet or not _aggregates_vectors(queryset, expressions):
        return original(queryset, **expressions)
    from .querysets import upgraded

    return getattr(upgraded(queryset), original.__name__)(**expressions)


_ARGUMENT = "_aggregated"


@repair("dorm.aggregates:Aggregate", "as_sql")
def aggregates_of_expressions(original: Any, aggregate: Any, table_alias: str | None = None, **context: Any) -> SQL:
    """Let an annotation aggregate an expression, such as a distance across a relation.

    Symptom: ``Author.objects.annotate(nearest=Min(L2Distance("documents__embedding", …)))`` asks for a column of that
    name. Cause: an aggregate takes what it is given for a name. djanorm 4.3 to 4.5.
    """
    expression = aggregate.expression
    if isinstance(expression, str) or not (isinstance(expression, F) or hasattr(expression, "as_sql")):
        return _compiled(original, aggregate, table_alias, context)
    named = copy.copy(aggregate)
    if isinstance(expression, F):
        named.expression = expression.name
        return _compiled(original, named, table_alias, context)
    argument, argument_params = expression.as_sql(table_alias, **context)
    # djanorm writes the aggregate around a column, which then makes room for the expression.
    named.expression = _ARGUMENT
    sql, params = original(named, table_alias, **{**context, "query": None})
    column = f'"{table_alias}"."{_ARGUMENT}"' if table_alias else f'"{_ARGUMENT}"'
    before, _, after = sql.partition(column)
    first = before.count("%s")
    return f"{before}{argument}{after}", [*params[:first], *argument_params, *params[first:]]


def _compiled(original: Any, aggregate: Any, table_alias: str | None, context: dict[str, Any]) -> SQL:
    sql, params = original(aggregate, table_alias, **context)
    return sql, params
