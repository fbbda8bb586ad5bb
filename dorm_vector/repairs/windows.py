"""A repair of djanorm's window functions."""

from __future__ import annotations

import copy
from typing import Any

from dorm import functions
from dorm.expressions import Value

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..expressions.compiled import CompiledSQL
from ..expressions.scope import current_connection, current_query
from ..patching.registry import repair


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
