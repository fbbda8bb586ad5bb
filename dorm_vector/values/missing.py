"""What pandas writes where a value is missing."""

from __future__ import annotations

from typing import Any

_MARKS = frozenset({"NAType", "NaTType"})
"""The types of pandas.NA and pandas.NaT, by name, so that pandas need not be installed."""


def is_missing(value: Any) -> bool:
    """Tell whether a value is NaN, ``pandas.NA`` or ``pandas.NaT``."""
    kind = type(value)
    if kind is str or kind is int:
        return False
    return (isinstance(value, float) and value != value) or kind.__name__ in _MARKS  # noqa: PLR0124  # NaN is no NaN


def is_left_out(field: Any, value: Any) -> bool:
    """Tell whether the value stands for NULL in a column of the field; a column of floats may hold NaN."""
    return is_missing(value) and not (isinstance(value, float) and field.get_internal_type() == "FloatField")
