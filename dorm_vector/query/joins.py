"""Join the relations in a path: many-to-many ones, and optional ones without dropping rows."""

from __future__ import annotations

import copy
from typing import Any

from dorm.related_managers import ManyToManyDescriptor


def across_many(query: Any, parts: list[str], connection: Any) -> str | None:
    """Return the column at the end of a path over a many-to-many relation, which djanorm joins like a foreign key."""
    found = _many_to_many(query.model, parts)
    if found is None:
        return None
    position, owner, field = found
    alias = query._self_alias or query.get_table()
    if position:
        key = query._resolve_column([*parts[:position], owner._meta.pk.name], connection)
        alias = key.split('"')[1]
    inner = copy.copy(query)
    inner.model, inner._self_alias = field._resolve_related_model(), f"{alias}_{field.name}"
    key = inner.model._meta.pk
    _join(query, field, alias, owner._meta.pk.column, inner._self_alias, key.column)
    column: str = inner._resolve_column(parts[position + 1 :] or [key.name], connection)
    # Bind the value with the field at the end of the path, not with the key of the relation.
    query._last_resolved_leaf_field = inner._last_resolved_leaf_field
    return column


def is_many(model: Any, name: str) -> bool:
    """Return whether the name is that of a many-to-many relation, from either side."""
    return isinstance(vars(model).get(name) or getattr(model, name, None), ManyToManyDescriptor)


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
