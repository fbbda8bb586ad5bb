"""What ``F("name")`` means inside an expression: an annotation, or the column of a field."""

from __future__ import annotations

from typing import Any

from dorm.expressions import F, Q

from ..dialects.base import SQL
from ..operands import compiled
from .compiling import current_connection, current_query, scope
from .models import vector_fields
from .names import refuse
from .repairs import repair


@repair("dorm.query", "_compile_expr", name="references")
@repair("dorm.functions", "_compile_expr", name="references")
@repair("dorm.expressions", "_compile_operand", name="references")
def references(original: Any, expression: Any, table_alias: str | None = None, *args: Any, **context: Any) -> SQL:
    """Let ``F()`` name an annotation, a field with a ``db_column``, or a field of a relation, in a model with vectors.

    Symptom: ``update(pages=F("pages") + 1)`` of a field with a ``db_column`` writes 1 on SQLite, and fails elsewhere;
    so does ``annotate(score=F("distance") * 2)`` of a distance that was annotated before.
    Cause: the name is taken for the column's. djanorm 4.3 to 4.5.
    """
    if type(expression) is F and table_alias and _means_more(expression.name):
        operand = compiled(expression, scope(table_alias))
        return operand.sql, list(operand.params)
    sql, params = original(expression, table_alias, *args, **context)
    return sql, params


@repair("dorm.functions", "_compile_condition", name="conditions_of_cases")
def conditions_of_cases(
    original: Any, condition: Any, table_alias: str | None = None, *args: Any, **context: Any
) -> SQL:
    """Let ``When()`` and the ``filter`` of an aggregate ask what ``filter()`` may, in a model with vectors.

    Symptom: ``Case(When(distance__lt=1, then=…))`` of an annotated distance, or of a field with a ``db_column``, is
    ``no such column``. Cause: the conditions are compiled by another function than those of WHERE. djanorm 4.3 to 4.5.
    """
    query = current_query()
    if isinstance(condition, Q) and hasattr(query, "is_by_distance") and table_alias == query._alias():
        sql, params = query._compile_q(condition, current_connection(query))
        return sql, params
    sql, params = original(condition, table_alias, *args, **context)
    return sql, params


def _means_more(name: str) -> bool:
    query = current_query()
    # One is of a model with vectors, or of one that is ranked by those of another.
    if query is None or not (hasattr(query, "is_by_distance") or vector_fields(query.model)):
        return False
    if name not in query.annotations and query._resolve_field(name.split("__")) is None:
        refuse(query, name)
    return True
