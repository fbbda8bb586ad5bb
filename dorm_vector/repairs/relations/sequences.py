"""Move PostgreSQL's sequences past explicit keys."""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

from dorm.fields import AutoField

from ...engines import dialect_for
from ...engines.keys import keys_counted
from ...patching.registry import repair
from ...patching.stand_ins import Statements, Unwritten, finished

_LOADED: ContextVar[set[Any] | None] = ContextVar("dorm_vector_loaded", default=None)


def _probe_model() -> Any:
    key = AutoField(primary_key=True)
    key.name = key.attname = key.column = "id"  # type: ignore[assignment]
    meta = SimpleNamespace(pk=key, concrete_fields=[key], fields=[key], db_table="item", _insert_template_cache={})
    return type("Item", (), {"_meta": meta})


class _Inserting(Statements):
    def execute_insert(self, sql: str, params: Any = None, pk_col: str = "id") -> Any:
        self.append(sql)


class _InsertingLater(_Inserting):
    async def execute(self, sql: str, params: Any = None) -> Any:
        self.append(sql)

    async def execute_insert(self, sql: str, params: Any = None, pk_col: str = "id") -> Any:
        self.append(sql)


def _counts_on() -> bool:
    from dorm.models import Model

    later, now = _InsertingLater("postgresql"), _Inserting("postgresql")
    instance: Any = _probe_model()()
    instance.id = 7
    Model._do_insert(instance, now, instance._meta)
    finished(Model._ado_insert(instance, later, instance._meta))
    return len(now) == len(later) > 1


@repair("dorm.models:Model", "_do_insert", is_fixed=_counts_on)
def sequences_of_keys(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> None:
    """Move PostgreSQL's sequence past an explicit key.

    Symptom: after inserts with explicit keys, ``create()`` fails with a duplicate key. Cause: a sequence advances only
    for the keys that it generates. djanorm 4.3 to 4.5.
    """
    is_given = _has_key(instance, meta)
    original(instance, connection, meta, *rest)
    if is_given and (sql := counted_past(meta, connection)):
        connection.execute(sql)


@repair("dorm.models:Model", "_ado_insert", name="sequences_of_keys", is_fixed=_counts_on)
async def _after_async_insert(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> None:
    is_given = _has_key(instance, meta)
    await original(instance, connection, meta, *rest)
    if is_given and (sql := counted_past(meta, connection)):
        await connection.execute(sql)


def _has_key(instance: Any, meta: Any) -> bool:
    return isinstance(meta.pk, AutoField) and instance.__dict__.get(meta.pk.attname) is not None


def counted_past(meta: Any, connection: Any) -> str:
    """Return the statement that moves the table's sequence past its keys; empty if there is none to move."""
    return keys_counted(meta, dialect_for(connection))


def _counts_on_in_bulk() -> bool:
    from dorm.queryset import QuerySet

    model, connection = _probe_model(), Statements("postgresql")
    rows: Any = SimpleNamespace(model=model, _get_connection=lambda: connection)
    item = model()
    item.id = 7
    QuerySet.bulk_create(rows, Unwritten([item]))
    return bool(connection)


@repair("dorm.queryset:QuerySet", "bulk_create", is_fixed=_counts_on_in_bulk)
def sequences_of_bulk_keys(original: Any, queryset: Any, objects: Any, *rest: Any, **options: Any) -> Any:
    """Move PostgreSQL's sequence past the explicit keys of a ``bulk_create()``.

    Symptom: after inserts with explicit keys, ``create()`` fails with a duplicate key. Cause: a sequence advances only
    for the keys that it generates. djanorm 4.3 to 4.5.
    """
    is_given = any(_has_key(item, queryset.model._meta) for item in objects)
    created = original(queryset, objects, *rest, **options)
    connection = queryset._get_connection() if is_given else None
    if connection is not None and (sql := counted_past(queryset.model._meta, connection)):
        connection.execute(sql)
    return created


@repair("dorm.queryset:QuerySet", "abulk_create", name="sequences_of_bulk_keys", is_fixed=_counts_on_in_bulk)
async def _after_async_bulk(original: Any, queryset: Any, objects: Any, *rest: Any, **options: Any) -> Any:
    is_given = any(_has_key(item, queryset.model._meta) for item in objects)
    created = await original(queryset, objects, *rest, **options)
    connection = queryset._get_async_connection() if is_given else None
    if connection is not None and (sql := counted_past(queryset.model._meta, connection)):
        await connection.execute(sql)
    return created


def _counts_on_in_fixtures() -> bool:
    from dorm import serialize

    seen: set[Any] = set()
    model = _probe_model()
    token = _LOADED.set(seen)
    try:
        serialize._build_insert_record(model, {"pk": 7, "fields": {}})
    finally:
        _LOADED.reset(token)
    return bool(seen)


@repair("dorm.serialize", "load", is_fixed=_counts_on_in_fixtures)
def sequences_of_fixtures(original: Any, text: str, *, using: str = "default") -> int:
    """Move PostgreSQL's sequences past the keys of a fixture.

    Symptom: after ``dorm loaddata``, ``create()`` fails with a duplicate key. Cause: a sequence advances only for the
    keys that it generates. djanorm 4.3 to 4.5.
    """
    from dorm.db.connection import get_connection
    from dorm.transaction import atomic

    loaded: set[Any] = set()
    token = _LOADED.set(loaded)
    try:
        with atomic(using=using):
            rows = int(original(text, using=using))
            connection = get_connection(using)
            for model in loaded:
                if sql := counted_past(model._meta, connection):
                    connection.execute(sql)
    finally:
        _LOADED.reset(token)
    return rows


@repair("dorm.serialize", "_build_insert_record", name="sequences_of_fixtures", is_fixed=_counts_on_in_fixtures)
def _note_model(original: Any, model: Any, record: Any) -> Any:
    loaded = _LOADED.get()
    if loaded is not None and record.get("pk") is not None:
        loaded.add(model)
    return original(model, record)
