"""Repairs of djanorm's deletes in models whose primary key has several columns."""

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
