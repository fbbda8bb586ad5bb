"""Saves under an optimistic lock: embed the rows, and leave deferred columns unchanged."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..introspection import vector_fields
from ..patching.registry import hook
from ..steps import run
from .on_save import filled


@hook("dorm.contrib.concurrency", "with_optimistic_lock")
def embeddings_under_a_lock(
    original: Any, instance: Any, *, version_field: str = "version", update_fields: Collection[str] | None = None
) -> None:
    """Embed the instance, and leave its deferred columns unchanged."""
    if not vector_fields(type(instance)):
        return original(instance, version_field=version_field, update_fields=update_fields)  # type: ignore[no-any-return]  # None
    names = list(update_fields) if update_fields is not None else _held(instance)
    made = run(filled([instance], names))
    return original(instance, version_field=version_field, update_fields=list(dict.fromkeys([*names, *made])))  # type: ignore[no-any-return]  # None


def _held(instance: Any) -> list[str]:
    return [
        field.name
        for field in instance._meta.fields
        if field.column
        and field.attname in instance.__dict__
        and not field.primary_key
        and not hasattr(field, "expression")
    ]
