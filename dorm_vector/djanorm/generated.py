"""Columns that the database computes are read, and never written."""

from __future__ import annotations

from typing import Any

from dorm.fields import GeneratedField

from .repairs import repair


class _Written:
    """A model's ``_meta`` without the columns that the database computes."""

    def __init__(self, meta: Any) -> None:
        self._meta = meta
        self.fields = [field for field in meta.fields if not isinstance(field, GeneratedField)]
        self.concrete_fields = [field for field in meta.concrete_fields if not isinstance(field, GeneratedField)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meta, name)


def _written(meta: Any) -> Any:
    return _Written(meta) if any(isinstance(field, GeneratedField) for field in meta.fields) else meta


@repair("dorm.models:Model", "_do_insert", name="generated_fields")
@repair("dorm.models:Model", "_ado_insert", name="generated_fields")
@repair("dorm.models:Model", "_do_update", name="generated_fields")
@repair("dorm.models:Model", "_ado_update", name="generated_fields")
def generated_fields(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> Any:
    """Leave a GeneratedField out of every INSERT and UPDATE.

    Symptom: a model with a GeneratedField cannot be saved: "cannot insert a non-DEFAULT value into column". Cause:
    ``save()`` and ``bulk_create()`` write NULL to it. djanorm 4.3 to 4.5.
    """
    return original(instance, connection, _written(meta), *rest)


@repair("dorm.query:SQLQuery", "as_bulk_insert", name="generated_fields")
def _without_generated(
    original: Any, query: Any, fields: list[Any], rows: list[list[Any]], *rest: Any, **options: Any
) -> Any:
    kept = [position for position, field in enumerate(fields) if not isinstance(field, GeneratedField)]
    if len(kept) < len(fields):
        fields, rows = [fields[i] for i in kept], [[row[i] for i in kept] for row in rows]
    return original(query, fields, rows, *rest, **options)
