"""Comparisons in WHERE."""

from __future__ import annotations

from typing import Any

from dorm.expressions import F, OuterRef

_COMPARISONS = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "IN"}


def _operator(lookup: str) -> str:
    if lookup not in _COMPARISONS:
        raise NotImplementedError(
            f"an expression cannot stand behind {lookup!r}. It can behind {', '.join(_COMPARISONS)}."
        )
    return _COMPARISONS[lookup]


def _is_expression(value: Any) -> bool:
    return isinstance(value, (F, OuterRef)) or hasattr(value, "as_sql")
