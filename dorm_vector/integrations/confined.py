"""Find the values that a queryset's filters fix, so that a store writes rows that the queryset contains."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from dorm.expressions import Q
from dorm.fields import ForeignKey
from dorm.lookups import parse_lookup_key

from ..steps import Fetch, Steps


def is_confined(queryset: Any) -> bool:
    return bool(queryset._query.where_nodes)


def confined_values(queryset: Any) -> Steps[dict[str, Any]]:
    """Return the values that every row of a queryset has, by attribute: ``filter(collection__name="a")`` names a row.

    Raises ValueError where a condition on a related row does not name one row of its table.
    """
    fields = {name: field for field in queryset.model._meta.concrete_fields for name in (field.name, field.attname)}
    values: dict[str, Any] = {}
    related: dict[str, dict[str, Any]] = {}
    for (first, *rest), value in _equalities(Q(*_as_q(queryset._query.where_nodes))):
        if first in fields and not rest:
            values[fields[first].attname] = getattr(value, "pk", value)
        elif first in fields and isinstance(fields[first], ForeignKey):
            related.setdefault(first, {})["__".join(rest)] = value
    for name, conditions in related.items():
        values[fields[name].attname] = yield from _related_key(queryset, fields[name], conditions)
    return values


def _related_key(queryset: Any, field: Any, conditions: dict[str, Any]) -> Steps[Any]:
    related = field._resolve_related_model()
    found = yield Fetch(related._default_manager.all().using(queryset._db).filter(**conditions)[:2])
    if len(found) != 1:
        said = ", ".join(f"{name}={value!r}" for name, value in conditions.items())
        raise ValueError(
            f"The store writes rows of {queryset.model.__name__} whose {field.name} has {said}, and there"
            f" {'is no such' if not found else 'are several such'} {related.__name__}."
            f" Create one first, or confine the store by the row itself: filter({field.name}=…)."
        )
    return found[0].pk


def _as_q(nodes: list[Any]) -> Iterator[Q]:
    for node in nodes:
        if isinstance(node, Q):
            yield node
        elif isinstance(node, tuple):
            parts, lookup, value = node
            yield Q(**{"__".join([*parts, lookup]): value})


def _equalities(condition: Q) -> Iterator[tuple[list[str], Any]]:
    """Yield the paths that have one value in every row, and that value."""
    if condition.negated or condition.connector != "AND":
        return
    for child in condition.children:
        if isinstance(child, Q):
            yield from _equalities(child)
            continue
        parts, lookup = parse_lookup_key(child[0])
        if lookup == "exact" and (isinstance(child[1], _PLAIN) or hasattr(child[1], "pk")):
            yield parts, child[1]


_PLAIN = (str, int, float, bytes, date, time, Decimal, UUID)
