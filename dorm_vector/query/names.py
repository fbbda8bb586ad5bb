"""The errors for names that are no field of a query's model, and the columns of those that are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dorm.exceptions import FieldDoesNotExist


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
