"""Repairs of djanorm's expressions."""

from __future__ import annotations

import copy
from typing import Any

from dorm.expressions import F, Q

from ..dialects.shared.operands import SQL
from ..patching.registry import repair


def _is_mended() -> bool:
    return not any(child.negated for child in (~(Q(a=1) & Q(b=2))).children)


@repair("dorm.expressions:Q", "__invert__", mended=_is_mended)
def not_of_several(original: Any, condition: Any) -> Any:
    """Let ``~`` of conditions joined by ``&`` or ``|`` be their negation.

    Symptom: ``~(Q(a=1) & Q(b=2))`` finds what ``Q(a=1) | Q(b=2)`` does, and so does ``exclude()`` of it. Cause: ``~``
    negates each condition inside, too. djanorm 4.3 to 4.5.
    """
    negated = Q(*condition.children)
    negated.connector, negated.negated = condition.connector, not condition.negated
    return negated


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
