"""Rows that are saved under an optimistic lock: with the embeddings of their text, and without what was not read."""

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
    """Fill the embeddings of the instance, and leave the columns that were not read as they are stored."""
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
