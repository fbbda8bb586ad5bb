"""Read the distance of a row with a type, where ``row.distance`` is unknown to type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

from ..introspection import field_names


def distance_of(row: object, as_: str = "distance") -> float:
    """Return the distance that a search gave to a row: an instance, a dict of ``values()`` or a named tuple.

    Args:
        row: A row of ``nearest()``, of ``hybrid_search()`` or of any queryset with an annotated distance.
        as_: The name of the distance: that of ``nearest(..., as_=…)``, or ``"vector_distance"`` in a hybrid search.

    Raises:
        ValueError: The row has no distance of that name.
    """
    value = _annotations(row).get(as_)
    if isinstance(value, (Real, Decimal)) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"distance_of({_named(row)}, {as_!r}): {_what_is_there(row, as_)}")


def _annotations(row: Any) -> Mapping[str, Any]:
    """Return what the query computed for a row, by name."""
    if isinstance(row, Mapping):
        return row
    if hasattr(row, "_asdict"):
        named: Mapping[str, Any] = row._asdict()
        return named
    if not hasattr(row, "_meta"):
        return {}
    fields = field_names(type(row))
    return {name: value for name, value in vars(row).items() if name not in fields}


def _named(row: Any) -> str:
    return repr(row) if hasattr(row, "_meta") else type(row).__name__


def _what_is_there(row: Any, name: str) -> str:
    if hasattr(row, "_meta") and name in field_names(type(row)):
        return f"{name!r} is a field of {type(row).__name__}, not a distance. Pass the name: distance_of(row, as_)."
    if name not in _annotations(row):
        return (
            "the row has no such distance. Get it from nearest(), and pass its name if that is another one:"
            ' distance_of(row, "vector_distance").'
        )
    return f"got {_annotations(row)[name]!r}. A missing vector has no distance, and a zero vector no cosine distance."
