"""Repairs of djanorm's writes in models whose primary key has several columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from dorm.expressions import Q
from dorm.fields import CompositePrimaryKey
from dorm.queryset import QuerySet
from dorm.transaction import aatomic, atomic

from ...patching.registry import repair
from ...patching.stand_ins import Statements, model
from ..offline import Sent

_AT_ONCE = 100
"""The maximum number of keys in one statement."""


class _Counting(Statements):
    def execute_write(self, sql: str, params: Any = None) -> Any:
        self.append(sql)
        return 1


class _Probed(QuerySet[Any]):
    """A queryset that sends its statements to a list, and reads nothing."""

    def values_list(self, *_names: str, **_options: Any) -> Any:
        raise Sent

    def _get_connection(self) -> Any:
        return _Counting("sqlite")

    def _invalidate_cache_after_bulk_write(self) -> None:
        """Do nothing, because nothing is cached."""


def _deletes_by_all_columns() -> bool:
    key = CompositePrimaryKey("hall", "number")
    queryset: Any = object.__new__(_Probed)
    queryset.__init__(model(pk=key, app_label="probe"), "default")
    try:
        return bool(queryset.delete()[0] == 1)
    except Sent:
        return False


_deletes = partial(repair, "dorm.queryset:QuerySet", name="deletes_by_composite_key", is_fixed=_deletes_by_all_columns)


@_deletes("delete")
def deletes_by_composite_key(original: Any, queryset: Any, /) -> tuple[int, dict[str, int]]:
    """Delete the rows of a model with a CompositePrimaryKey.

    Symptom: ``OrderLine.objects.all().delete()``, or that of a filter or a slice, raises "no such column: pk" on SQLite
    and Turso, or a TypeError. Cause: djanorm first reads the column of the key, which has several.
    djanorm 4.3 to 4.5.
    """
    if not _is_composite(queryset):
        counts: tuple[int, dict[str, int]] = original(queryset)
        return counts
    connection = queryset._get_connection()
    whole = _whole(queryset, connection)
    if whole is not None:
        count = connection.execute_write(*whole)
    else:
        keys, count = list(queryset.values_list(*_names(queryset))), 0
        with atomic(using=queryset._db):
            for query in _by_keys(queryset, keys):
                count += connection.execute_write(*query.as_delete(connection))
    queryset._invalidate_cache_after_bulk_write()
    return _counted(queryset, count)


@_deletes("adelete")
async def _async_deletes(original: Any, queryset: Any, /) -> tuple[int, dict[str, int]]:
    if not _is_composite(queryset):
        counts: tuple[int, dict[str, int]] = await original(queryset)
        return counts
    connection = queryset._get_async_connection()
    whole = _whole(queryset, connection)
    if whole is not None:
        count = await connection.execute_write(*whole)
    else:
        keys, count = [key async for key in queryset.values_list(*_names(queryset))], 0
        async with aatomic(using=queryset._db):
            for query in _by_keys(queryset, keys):
                count += await connection.execute_write(*query.as_delete(connection))
    await queryset._ainvalidate_cache_after_bulk_write()
    return _counted(queryset, count)


@_deletes("delete_batched")
def _in_batches(original: Any, queryset: Any, /, batch_size: int = 1000) -> int:
    if not _is_composite(queryset) or batch_size < 1:
        deleted: int = original(queryset, batch_size)
        return deleted
    deleted, count = 0, batch_size
    while count == batch_size:
        count, _counts = queryset[:batch_size].delete()
        deleted += count
    return deleted


def _is_composite(queryset: Any) -> bool:
    return isinstance(queryset.model._meta.pk, CompositePrimaryKey)


def _whole(queryset: Any, connection: Any) -> Any:
    """Return the DELETE of a queryset, or None if it is a slice or joins tables, whose rows are deleted by key."""
    query = queryset._query.clone()
    if query.limit_val is not None or query.offset_val is not None:
        return None
    statement = query.as_delete(connection)
    return None if query.joins else statement


def _names(queryset: Any) -> list[str]:
    meta = queryset.model._meta
    return [meta.get_field(name).attname for name in meta.pk.field_names]


def _by_keys(queryset: Any, keys: list[Any]) -> Iterator[Any]:
    names, rows = _names(queryset), QuerySet(queryset.model, queryset._db)
    # A join returns a row once for each match.
    keys = list(dict.fromkeys(keys))
    for first in range(0, len(keys), _AT_ONCE):
        either = Q(*(Q(**dict(zip(names, key, strict=True))) for key in keys[first : first + _AT_ONCE]))
        either.connector = Q.OR
        yield rows.filter(either)._query


def _counted(queryset: Any, count: int) -> tuple[int, dict[str, int]]:
    return count, {f"{queryset.model._meta.app_label}.{queryset.model.__name__}": count}


# Inserts


class _Keyless:
    """A connection whose INSERT of many rows reads no generated key."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute_bulk_insert(self, sql: str, params: Any = None, **_key: Any) -> Any:
        self._connection.execute_write(sql, params)
        return []


class _AsyncKeyless(_Keyless):
    async def execute_bulk_insert(self, sql: str, params: Any = None, **_key: Any) -> Any:
        await self._connection.execute_write(sql, params)
        return []


_inserts = partial(repair, "dorm.queryset:QuerySet", name="inserts_by_composite_key", fixed_in="5.0")


@_inserts("bulk_create")
def inserts_by_composite_key(original: Any, queryset: Any, /, objs: Any, *rest: Any, **options: Any) -> Any:
    """Insert many rows of a model with a CompositePrimaryKey.

    Symptom: ``bulk_create()`` and ``upsert()`` raise 'column "None" does not exist' on PostgreSQL, and elsewhere they
    set an attribute ``pk`` that is no key. ``unique_fields=["pk"]`` raises FieldDoesNotExist. Cause: djanorm reads the
    column of the key, which has several. djanorm 4.3 to 4.5.
    """
    if not _is_composite(queryset):
        return original(queryset, objs, *rest, **options)
    connection, writing = queryset._get_connection(), queryset._clone()
    writing._get_connection = lambda: _Keyless(connection)
    return original(writing, objs, *rest, **_of_columns(queryset, options))


@_inserts("abulk_create")
async def _async_inserts(original: Any, queryset: Any, /, objs: Any, *rest: Any, **options: Any) -> Any:
    if not _is_composite(queryset):
        return await original(queryset, objs, *rest, **options)
    connection, writing = queryset._get_async_connection(), queryset._clone()
    writing._get_async_connection = lambda: _AsyncKeyless(connection)
    return await original(writing, objs, *rest, **_of_columns(queryset, options))


@_inserts("upsert")
@_inserts("aupsert")
def _upserts(original: Any, queryset: Any, /, objs: Any, unique_fields: Any, **options: Any) -> Any:
    return original(queryset, objs, _columns_in(queryset, unique_fields), **options)


def _of_columns(queryset: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "unique_fields": _columns_in(queryset, options.get("unique_fields"))}


def _columns_in(queryset: Any, names: Any) -> Any:
    """Return the names with the fields of the key in place of "pk"."""
    if not _is_composite(queryset) or not names:
        return names
    key = queryset.model._meta.pk.field_names
    return [name for given in names for name in (key if given == "pk" else [given])]


# Fixtures


def _loads_columns() -> bool:
    from dorm import serialize

    item = model(pk=CompositePrimaryKey("hall", "number"))
    fields, _values, _many = serialize._build_insert_record(item, {"pk": [1, 2], "fields": {}})
    return not fields


@repair("dorm.serialize", "_build_insert_record", is_fixed=_loads_columns)
def fixtures_of_composite_keys(original: Any, model: Any, record: dict[str, Any]) -> Any:
    """Load fixtures of a model with a CompositePrimaryKey.

    Symptom: ``dorm loaddata`` raises "no column named None". Cause: it inserts the key as a column of its own, next to
    the columns that it consists of. djanorm 4.3 to 4.5.
    """
    is_composite = isinstance(model._meta.pk, CompositePrimaryKey)
    return original(model, {**record, "pk": None} if is_composite else record)


@repair("dorm.db.backends.postgresql:PostgreSQLDatabaseWrapper", "execute_insert", fixed_in="5.0")
def inserts_without_a_key(original: Any, wrapper: Any, sql: str, params: Any = None, pk_col: Any = "id") -> Any:
    """Insert a row of a fixture whose model has a CompositePrimaryKey on PostgreSQL.

    Symptom: ``dorm loaddata`` raises 'column "None" does not exist'. Cause: the INSERT returns the column of the key,
    which has several. djanorm 4.3 to 4.5.
    """
    if pk_col is not None:
        return original(wrapper, sql, params, pk_col=pk_col)
    wrapper.execute_write(sql, params)
    return None


# The first and the last row


def _sorts_by_all_columns() -> bool:
    queryset: Any = object.__new__(_Sorted)
    queryset.__init__(model(pk=CompositePrimaryKey("hall", "number"), app_label="probe", ordering=()), "default")
    return bool(queryset.first() == ["hall", "number"])


class _Sorted(QuerySet[Any]):
    """A queryset whose rows are the names that it is sorted by."""

    def _clone(self) -> Any:
        cloned: Any = object.__new__(type(self))
        cloned.__dict__ = {**vars(self), "_query": self._query.clone()}
        return cloned

    def _iterator(self) -> Iterator[Any]:
        yield self._query.order_by_fields


_ends = partial(repair, "dorm.queryset:QuerySet", name="ends_by_composite_key", is_fixed=_sorts_by_all_columns)


@_ends("first")
@_ends("last")
@_ends("afirst")
@_ends("alast")
def ends_by_composite_key(original: Any, queryset: Any, /) -> Any:
    """Return the ``first()`` and the ``last()`` row of a model with a CompositePrimaryKey.

    Symptom: both raise an AttributeError or "no field 'None'". Cause: djanorm sorts by the column of the key, which has
    several. djanorm 4.3 to 4.5.
    """
    if _is_composite(queryset) and not queryset._query.order_by_fields:
        queryset = queryset._clone()
        queryset._query.order_by_fields = list(queryset.model._meta.pk.field_names)
    return original(queryset)
