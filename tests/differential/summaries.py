"""Aggregates in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.helpers.oracle import float32


def summarise(function: str, values: Sequence[Any]) -> Any:
    found = [value for value in values if value is not None]
    if function == "Count":
        return len(found)
    if not found:
        return None
    if function in ("Min", "Max"):
        return min(found) if function == "Min" else max(found)
    if isinstance(found[0], list):
        total = [sum(parts) for parts in zip(*map(float32, found), strict=True)]
        return total if function == "Sum" else [part / len(found) for part in total]
    return sum(found) if function == "Sum" else sum(found) / len(found)
