"""Repairs of djanorm's models: generated columns, keys and prefetched relations."""

from __future__ import annotations

import copy
from typing import Any

from dorm.fields import GeneratedField

from ..patching.registry import repair


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


@repair("dorm.fields:RelatedField", "get_db_prep_value", name="keys_of_relations")
def keys_of_relations(original: Any, field: Any, value: Any) -> Any:
    """Write and read a foreign key as the key that it refers to.

    Symptom: a foreign key to a model with a ``UUIDField`` as its key cannot be saved or filtered by on SQLite, Turso
    and libSQL, and is read as text there and on MySQL and MariaDB, so that prefetches find nothing.
    Cause: the value goes to the driver as it is, and comes as the driver gives it. djanorm 4.3 to 4.5.
    """
    key = original(field, value)
    return key if key is None or hasattr(key, "as_sql") else _key_of(field).get_db_prep_value(key)


@repair("dorm.fields:RelatedField", "from_db_value", name="keys_of_relations")
def _read_key(original: Any, field: Any, value: Any) -> Any:
    key = original(field, value)
    return key if key is None else _key_of(field).from_db_value(key)


def _key_of(field: Any) -> Any:
    return field._resolve_related_model()._meta.pk


@repair("dorm.related_managers:ReverseFKManager", "get_queryset", name="prefetched_relations")
@repair("dorm.related_managers:ManyRelatedManager", "get_queryset", name="prefetched_relations")
def prefetched_relations(original: Any, manager: Any) -> Any:
    """Keep a relation what it is after ``prefetch_related()``.

    Symptom: ``author.documents.all().nearest(…)``, and every other filter, count, order or index into it, asks the
    documents of all authors once they were prefetched. Cause: the prefetched rows are put into a queryset of the whole
    table. djanorm 4.3 to 4.5.
    """
    prefetched = original(manager)
    if prefetched._result_cache is None:
        return prefetched
    relation = original(_without_prefetches(manager))
    relation._result_cache = prefetched._result_cache
    return relation


@repair("dorm.related_managers:ReverseFKManager", "aget_queryset", name="prefetched_relations")
@repair("dorm.related_managers:ManyRelatedManager", "aget_queryset", name="prefetched_relations")
async def _aprefetched_relations(original: Any, manager: Any) -> Any:
    return manager.get_queryset()


def _without_prefetches(manager: Any) -> Any:
    bare = copy.copy(manager)
    bare.instance = object.__new__(type(manager.instance))
    bare.instance.__dict__ = {
        name: value for name, value in vars(manager.instance).items() if not name.startswith("_prefetch_")
    }
    return bare
