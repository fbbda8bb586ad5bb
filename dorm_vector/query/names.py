"""Resolve names in a query: annotations, relations and references to the outer query."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import F, Q
from dorm.related_managers import ManyToManyDescriptor

from ..dialects.shared.operands import SQL
from ..expressions.operands import compiled
from ..expressions.scope import current_connection, current_query, scope
from ..introspection import vector_fields
from ..patching.registry import hook


def qualified(query: Any, sql: str, parts: list[str]) -> str:
    """Qualify a column with its table, because a relation joined later may have a column of the same name.

    Raises:
        FieldDoesNotExist: No field has this name; SQLite and Turso would read it as a text literal.
    """
    own, alias = f'"{parts[-1]}"', query._alias()
    if sql in (own, f'"{alias}".{own}') and query._resolve_field(parts) is None:
        refuse(query, "__".join(parts))
    is_bare = sql.startswith('"') and sql.endswith('"') and "." not in sql
    return f'"{alias}".{sql}' if is_bare else sql


def refuse(query: Any, name: str) -> None:
    if name in query.annotations:
        raise FieldDoesNotExist(
            f"{name!r} is an aggregate, and a filter runs before rows are grouped: filter what it aggregates, by"
            " its own filter=Q(…), or the rows that come."
        )
    raise no_such_field(query.model, name, query.annotations)


class NoSuchField(FieldDoesNotExist, ValueError):
    """A FieldDoesNotExist that is also a ValueError, which djanorm raises for some unknown names."""


def no_such_field(model: Any, name: Any, annotations: Iterable[str] = ()) -> NoSuchField:
    names = [*(field.name for field in model._meta.get_fields()), *annotations]
    return NoSuchField(f"{model.__name__} has no field {name!r}. It has {', '.join(names)}.")


def across_many(query: Any, parts: list[str], connection: Any) -> str | None:
    """Return the column at the end of a path over a many-to-many relation, which djanorm joins like a foreign key."""
    found = _many_to_many(query.model, parts)
    if found is None:
        return None
    position, owner, field = found
    alias = query._alias()
    if position:
        key = query._resolve_column([*parts[:position], owner._meta.pk.name], connection)
        alias = key.split('"')[1]
    inner = copy.copy(query)
    inner.model, inner._self_alias = field._resolve_related_model(), f"{alias}_{field.name}"
    key = inner.model._meta.pk
    _join(query, field, alias, owner._meta.pk.column, inner._self_alias, key.column)
    column = str(inner._resolve_column(parts[position + 1 :] or [key.name], connection))
    # A value is bound as the field at the end is, not as the key that the relation was joined by.
    query._last_resolved_leaf_field = inner._last_resolved_leaf_field
    return column


def keep_rows(query: Any) -> None:
    """Turn INNER JOINs that follow an optional relation into LEFT OUTER; they would drop rows without it."""
    optional: set[str] = set()
    for position, (kind, table, alias, condition) in enumerate(query.joins):
        if kind == "INNER" and condition.rpartition(" = ")[2].split('"')[1] not in optional:
            continue
        optional.add(alias)
        query.joins[position] = ("LEFT OUTER", table, alias, condition)


def _many_to_many(model: Any, parts: list[str]) -> tuple[int, Any, Any] | None:
    """Return the position of the first many-to-many relation in the path, the model that has it, and its field."""
    for position, name in enumerate(parts):
        relation = vars(model).get(name) or getattr(model, name, None)
        if isinstance(relation, ManyToManyDescriptor):
            return position, model, relation.field
        field = model._meta._field_cache.get(name, relation)
        following = getattr(field, "source_model", None)
        model = field._resolve_related_model() if hasattr(field, "_resolve_related_model") else following
        if model is None:
            return None
    return None


def _join(query: Any, field: Any, alias: str, key: str, target: str, target_key: str) -> None:
    source_column, target_column = field._get_through_columns()
    between = f"{target}_j"
    joins = (
        (field._get_through_table(), between, f'"{between}"."{source_column}" = "{alias}"."{key}"'),
        (
            field._resolve_related_model()._meta.db_table,
            target,
            f'"{target}"."{target_key}" = "{between}"."{target_column}"',
        ),
    )
    for table, name, condition in joins:
        if not any(join[2] == name for join in query.joins):
            query.joins.append(("LEFT OUTER", table, name, condition))


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
