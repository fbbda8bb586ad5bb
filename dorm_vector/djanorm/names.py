"""The columns that names of fields stand for, in a query of a model with vectors."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.related_managers import ManyToManyDescriptor


def qualified(query: Any, sql: str, parts: list[str]) -> str:
    """Return a column with its table: a relation that is joined later may have one of the same name.

    Raises FieldDoesNotExist for a name that is no field's: SQLite and Turso take it for a text, and find what they can.
    """
    own, alias = f'"{parts[-1]}"', query._alias()
    if sql in (own, f'"{alias}".{own}') and query._resolve_field(parts) is None:
        refuse(query, "__".join(parts))
    is_bare = sql.startswith('"') and sql.endswith('"') and "." not in sql
    return f'"{alias}".{sql}' if is_bare else sql


def refuse(query: Any, name: str) -> None:
    if name in query.annotations:
        raise FieldDoesNotExist(
            f"{name!r} is an aggregate, and a filter is asked before there are groups: filter what it aggregates, by"
            " its own filter=Q(…), or the rows that come."
        )
    raise no_such_field(query.model, name, query.annotations)


class NoSuchField(FieldDoesNotExist, ValueError):
    """FieldDoesNotExist, which is caught as a ValueError too: djanorm raises that one for some unknown names."""


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
    return str(inner._resolve_column(parts[position + 1 :] or [key.name], connection))


def _many_to_many(model: Any, parts: list[str]) -> tuple[int, Any, Any] | None:
    """Return where in the path the first such relation is, the model that has it, and its field."""
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
