"""Decide which SELECTs PostgreSQL may answer in binary."""

from __future__ import annotations

from typing import Any

from dorm import fields

from ..values.elements import Element

# psycopg reads these the same way in text and in binary; it would return an enum or a citext as bytes.
_ALIKE = frozenset(
    vars(fields)[f"{name}Field"]
    for name in (
        *("Auto", "BigAuto", "SmallAuto", "Integer", "BigInteger", "SmallInteger", "PositiveInteger", "Float"),
        *("Boolean", "Char", "Text", "Email", "URL", "Slug", "UUID", "Date", "DateTime", "Decimal", "JSON"),
    )
)


def reads_binary(query: Any) -> bool:
    """Return whether the query is a sorted slice of columns that psycopg reads the same way in text and in binary."""
    from ..expressions.distances import VectorDistance

    if query.limit_val is None or not query.order_by_fields:
        return False
    projected = [query.annotations[name] for name in query.annotations if query._is_projected(name)]
    if not all(isinstance(expression, VectorDistance) for expression in projected):
        return False
    return all(is_alike(query._resolve_field(name.split("__"))) for name in query._selected_names())


def is_plain(field: Any) -> bool:
    """Return whether a binary cursor returns the column in the format of ``vector_send``."""
    return getattr(field, "element", None) is Element.FLOAT32


def is_alike(field: Any) -> bool:
    if field is not None and hasattr(field, "_resolve_related_model"):
        field = field._resolve_related_model()._meta.pk
    return type(field) in _ALIKE or hasattr(field, "to_vector")
