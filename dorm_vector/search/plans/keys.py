"""Let one search find keys, and another return the rows that have them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def found_keys(query: Any, count: int) -> Any:
    """Return the query of at most ``count`` keys of the rows of a search."""
    found = query.clone()
    found.search, found.offset_val, found.limit_val = None, None, count
    found.ctes, found.for_update_flag = [], False
    found.selected_fields, found.deferred_loading = ["pk"], False
    return found


def among(keys: Any) -> tuple[list[str], str, Any]:
    """Return the condition that a query of keys selects the row."""
    # These are the attributes that djanorm reads from the queryset of an "in" lookup.
    return ["pk"], "in", SimpleNamespace(_query=keys, model=keys.model)
