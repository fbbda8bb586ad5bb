"""Proxy models: other classes for the rows of a table, which is searched the same by each."""

from __future__ import annotations

from typing import Any

from ..patching.registry import hook


@hook("dorm.models:Options", "contribute_to_class")
def indexes_of_proxies(original: Any, options: Any, cls: Any, name: str) -> None:
    """Give a proxy the indexes of its table: they say which metric a search measures, and what answers it."""
    original(options, cls, name)
    if not options.proxy or options.concrete_model is cls:
        return
    parent = options.concrete_model
    if options.meta is not None and vars(options.meta).get("indexes"):
        raise ValueError(
            f"{cls.__name__}.Meta.indexes: a proxy has no table, so that nothing would build them."
            f" Declare them in {parent.__name__}.Meta."
        )
    options.indexes = list(parent._meta.indexes)
