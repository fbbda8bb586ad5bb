"""Repairs of djanorm's expressions."""

from __future__ import annotations

import copy
from typing import Any

from dorm import functions
from dorm.aggregates import Aggregate
from dorm.constraints import CheckConstraint
from dorm.expressions import CombinedExpression, Exists, F, Q, Subquery, Value
from dorm.functions import Case, Lower, Upper
from dorm.query import SQLQuery
from dorm.queryset import QuerySet

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..expressions.compiled import CompiledSQL
from ..expressions.scope import current_connection, current_query
from ..models.hooks import _of_an_expression
from ..patching.registry import repair
from ..patching.stand_ins import Statements, model
from .offline import decided_model


def _negates_the_whole() -> bool:
    both = Q(a=1) & Q(b=2)
    return not any(child.negated or child in both.children for child in (~both).children)


@repair("dorm.expressions:Q", "__invert__", is_fixed=_negates_the_whole)
def not_of_several(original: Any, condition: Any) -> Any:
    """Negate conditions joined by ``&`` or ``|`` as a whole with ``~``.

    Symptom: ``~(Q(a=1) & Q(b=2))`` returns the rows of ``Q(a=1) | Q(b=2)``, and so does ``exclude()`` of it. Cause:
    ``~`` also negates each inner condition. djanorm 4.3 to 4.5.
    """
    negated = _copied(condition)
    negated.negated = not condition.negated
    return negated


def _copied(condition: Any) -> Q:
    """Return a deep copy of the condition, so that changes to one do not affect the other."""
    copied = Q(*(_copied(child) if isinstance(child, Q) else child for child in condition.children))
    copied.connector, copied.negated = condition.connector, condition.negated
    return copied


def _combines_with_exists() -> bool:
    found: Any = Exists(None)
    try:
        return all(isinstance(both, Q) for both in (Q(a=1) & found, found | Q(a=1), found & ~found))
    except TypeError:
        return False


@repair("dorm.expressions:Q", "_combine", is_fixed=_combines_with_exists)
def conditions_with_exists(original: Any, condition: Any, other: Any, connector: str) -> Any:
    """Combine ``Exists()`` with conditions and with each other, by ``&`` and ``|``.

    Symptom: ``filter(Q(pages=1) & Exists(…))`` and ``Exists(…) | Q(pages=1)`` raise TypeError. Cause: a Q combines with
    a Q only, and Exists has no operators. djanorm 4.3 to 4.5.
    """
    return original(condition, Q(other) if isinstance(other, (Exists, Subquery)) else other, connector)


@repair("dorm.expressions:Exists", "__and__", name="conditions_with_exists", is_fixed=_combines_with_exists, added=True)
def _exists_and(_original: Any, found: Any, other: Any) -> Any:
    return Q(found) & other


# Every class has an __or__ of its own, for unions of types, so this one is not "added".
@repair("dorm.expressions:Exists", "__or__", name="conditions_with_exists", is_fixed=_combines_with_exists)
def _exists_or(_original: Any, found: Any, other: Any) -> Any:
    return Q(found) | other


def _aggregates_expressions() -> bool:
    lowered: Any = Lower(F("name"))
    sql, _params = Aggregate(lowered).as_sql("item")
    return "LOWER(" in sql


@repair("dorm.aggregates:Aggregate", "as_sql", is_fixed=_aggregates_expressions)
def aggregates_of_expressions(original: Any, aggregate: Any, table_alias: str | None = None, **context: Any) -> SQL:
    """Let an annotation aggregate an expression, such as the length of a text.

    Symptom: ``Author.objects.annotate(longest=Max(Length("name")))`` selects a column of that name. Cause: an aggregate
    treats its argument as a name. djanorm 4.3 to 4.5.
    """
    return _of_an_expression(original, aggregate, table_alias, context)


def _counts_distinct_rows() -> bool:
    query = SQLQuery(model())
    query.distinct_flag, query.selected_fields = True, ["name"]
    sql, _params = query.as_count(Statements("sqlite"))
    return "DISTINCT" in sql


@repair("dorm.query:SQLQuery", "as_count", is_fixed=_counts_distinct_rows)
def counts_of_distinct_rows(original: Any, query: Any, connection: Any) -> SQL:
    """Count distinct rows and slices, in querysets of models without vectors.

    Symptom: ``distinct().count()`` counts every row, and ``[:3].count()`` the rows of the whole queryset. Cause:
    ``count()`` ignores both. djanorm 4.3 to 4.5.
    """
    is_slice = query.limit_val is not None or query.offset_val is not None
    if not (query.distinct_flag or query.distinct_on_fields or is_slice):
        sql, params = original(query, connection)
        return sql, params
    inner = query.clone()
    inner.select_related_fields = []
    if not is_slice:
        # The order does not affect the count, and PostgreSQL sorts distinct rows only by selected columns.
        inner.order_by_fields = []
    sql, params = inner.as_select(connection)
    return f'SELECT COUNT(*) AS "count" FROM ({sql}) AS "counted"', params


def _takes_a_condition() -> bool:
    constraint: Any = CheckConstraint
    try:
        return bool(constraint(condition=Q(a=1), name="positive").check)
    except TypeError:
        return False


@repair("dorm.constraints:CheckConstraint", "__init__", is_fixed=_takes_a_condition)
def conditions_of_checks(original: Any, constraint: Any, *, condition: Any = None, **options: Any) -> None:
    """Accept ``CheckConstraint(condition=…)``, the name of the argument in Django 5.1 and later.

    Symptom: TypeError. Cause: the argument is still called ``check``. djanorm 4.3 to 4.5.
    """
    if condition is not None and "check" in options:
        raise TypeError("CheckConstraint() takes the condition once: as condition=Q(…), or as check=Q(…).")
    original(constraint, **options if condition is None else {**options, "check": condition})


_KEPT = (F, Value, CombinedExpression, Case)


def _assigns_functions() -> bool:
    rows, connection = QuerySet[Any](decided_model()), Statements("sqlite")
    vars(rows).update(_get_connection=lambda: connection)
    rows.update(decided=Upper("title"))
    return "UPPER" in connection[0]


class _Assigned(Case):
    """An expression that djanorm does not know, as one that it leaves alone."""

    def __init__(self, expression: Any) -> None:
        self.expression = expression

    def as_sql(self, *arguments: Any, **context: Any) -> Any:
        return self.expression.as_sql(*arguments, **context)


@repair("dorm.queryset:QuerySet", "update", is_fixed=_assigns_functions)
def assigned_expressions(original: Any, queryset: Any, /, **values: Any) -> Any:
    """Assign functions and subqueries to boolean, decimal and UUID fields in ``update()``.

    Symptom: ``update(active=Coalesce(F("active"), Value(False)))`` stores True in every row, and in a DecimalField or
    a UUIDField the text ``Coalesce(F(…``, which cannot be read again, or raises an error. Cause: the field converts
    the expression like a value. djanorm 4.3 to 4.5.
    """
    return original(queryset, **_assigned(values))


@repair("dorm.queryset:QuerySet", "aupdate", name="assigned_expressions", is_fixed=_assigns_functions)
async def _assigned_async(original: Any, queryset: Any, /, **values: Any) -> Any:
    return await original(queryset, **_assigned(values))


def _assigned(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _Assigned(value) if hasattr(value, "as_sql") and not isinstance(value, _KEPT) else value
        for name, value in values.items()
    }


# Window functions


def _binds_the_order_of_windows() -> bool:
    ordered: Any = [Value(1)]
    return bool(functions.Window(functions.RowNumber(), order_by=ordered).as_sql()[1])


@repair("dorm.functions:Window", "as_sql", is_fixed=_binds_the_order_of_windows)
def windows_of_expressions(original: Any, window: Any, /, table_alias: str | None = None, **context: Any) -> SQL:
    """Let a window sort by an expression with parameters, such as a distance, and by an annotation.

    Symptom: ``Window(RowNumber(), order_by=[Concat(F("name"), Value("x"))])`` fails with too few parameters, and
    ``order_by="length"`` looks for a column of that name where it is an annotation. Cause: ``Window`` drops the
    parameters of its ORDER BY, and treats its names as columns. djanorm 4.3 to 4.5.
    """
    named, params = copy.copy(window), []
    query = context.get("query") or current_query()
    named.order_by = []
    for entry in window.order_by:
        expression, descending = _sorted_by(entry, query)
        if expression is None:
            named.order_by.append(entry)
            continue
        sql, more = _window_order(expression, descending, table_alias, query)
        named.order_by.append(CompiledSQL(sql))
        params += more
    sql, own = original(named, table_alias, **context)
    return sql, [*own, *params]


def _sorted_by(entry: Any, query: Any) -> tuple[Any, bool]:
    """Return the expression and whether it falls; None for the name of a column."""
    if not isinstance(entry, str):
        return getattr(entry, "expression", entry), bool(getattr(entry, "descending", False))
    name = entry.removeprefix("-")
    is_field = query is None or name in query.model._meta._field_cache
    return (None if is_field else query.annotations.get(name)), entry.startswith("-")


def _window_order(expression: Any, descending: bool, table_alias: str | None, query: Any) -> SQL:
    sql, params = functions._compile_expr(expression, table_alias)
    if query is None or not hasattr(expression, "as_ranking_sql"):
        return f"{sql} DESC" if descending else sql, list(params)
    ordering = dialect_for(current_connection(query)).ordering
    template = ordering.descending if descending else ordering.ascending
    count = template.count("{value}") + template.count("{rank}")
    return template.format(value=sql, rank=sql), list(params) * count
