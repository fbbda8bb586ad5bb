"""Hooks on djanorm's queries of every model: references to annotations and relations, and slices inside IN."""

from __future__ import annotations

from typing import Any

from dorm.expressions import F, OuterRef, Q

from ..dialects.shared.operands import SQL
from ..expressions.operands import compiled
from ..expressions.scope import compiling, current_connection, current_query, field_across, scope
from ..introspection import vector_fields
from ..patching.registry import hook
from .names import refuse


@hook("dorm.query:SQLQuery", "_compile_subquery")
def slices_in_order(original: Any, query: Any, queryset: Any, connection: Any) -> SQL:
    """Make ``field__in=`` a slice of a search match the rows of that slice, in a query of any model.

    Symptom: ``Author.objects.filter(pk__in=documents.order_by(distance)[:10].values("author"))`` matches any
    ten rows; on MySQL and MariaDB it is an error. Cause: djanorm keeps the LIMIT without its ORDER BY. It also reads
    an annotation that ``values()`` selects as a column. djanorm 4.3 to 4.5.
    """
    inner = queryset._query
    if hasattr(inner, "as_members") and inner.is_derived() and not hasattr(query, "as_members"):
        with compiling(connection, query):
            sql, params = inner.as_members(query.model._meta.db_table, query.model)
            return sql, params
    sql, params = original(query, queryset, connection)
    return sql, params


@hook("dorm.query:SQLQuery", "_compile_leaf")
def vectors_of_relations(original: Any, query: Any, parts: list[str], lookup: str, value: Any, connection: Any) -> SQL:
    """Compare vectors of related rows in the database's own way, in filters of models without vectors, too."""
    if len(parts) > 1 and lookup != "isnull" and value is not None and not hasattr(query, "is_by_distance"):
        field = query._resolve_field(list(parts)) or field_across(query.model, list(parts))
        if hasattr(field, "to_vector") and not (isinstance(value, (F, OuterRef)) or hasattr(value, "_query")):
            from .where import equal_vectors  # late: most models without vectors are not filtered by any

            return equal_vectors((query._resolve_column(list(parts), connection), []), field, lookup, value, connection)
    sql, params = original(query, parts, lookup, value, connection)
    return sql, params


@hook("dorm.query", "_compile_expr", name="references")
@hook("dorm.functions", "_compile_expr", name="references")
@hook("dorm.expressions", "_compile_operand", name="references")
def references(original: Any, expression: Any, table_alias: str | None = None, *args: Any, **context: Any) -> SQL:
    """Let ``F()`` name an annotation, a field with a ``db_column``, or a field of a relation, in a model with vectors.

    Symptom: ``update(pages=F("pages") + 1)`` of a field with a ``db_column`` writes 1 on SQLite, and fails elsewhere;
    so does ``annotate(score=F("distance") * 2)`` of a distance that was annotated before.
    Cause: djanorm uses the name as the column name. djanorm 4.3 to 4.5.
    """
    if type(expression) is F and table_alias and _means_more(expression.name):
        operand = compiled(expression, scope(table_alias))
        return operand.sql, list(operand.params)
    sql, params = original(expression, table_alias, *args, **context)
    return sql, params


@hook("dorm.functions", "_compile_condition", name="conditions_of_cases")
def conditions_of_cases(
    original: Any, condition: Any, table_alias: str | None = None, *args: Any, **context: Any
) -> SQL:
    """Let ``When()`` and the ``filter`` of an aggregate use the conditions of ``filter()``, in a model with vectors.

    Symptom: ``Case(When(distance__lt=1, then=…))`` of an annotated distance, or of a field with a ``db_column``, raises
    ``no such column``. Cause: djanorm compiles these conditions with another function than those of WHERE. djanorm 4.3
    to 4.5.
    """
    query = current_query()
    if isinstance(condition, Q) and hasattr(query, "is_by_distance") and table_alias == query._alias():
        sql, params = query._compile_q(condition, current_connection(query))
        return sql, params
    sql, params = original(condition, table_alias, *args, **context)
    return sql, params


def _means_more(name: str) -> bool:
    query = current_query()
    # These are queries of a model with vectors, or of one that is ranked by the vectors of another model.
    if query is None or not (hasattr(query, "is_by_distance") or vector_fields(query.model)):
        return False
    if name not in query.annotations and query._resolve_field(name.split("__")) is None:
        refuse(query, name)
    return True
