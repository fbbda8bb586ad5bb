"""Read the rows of a queryset: as instances that are built directly, and otherwise as djanorm reads them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from dorm.queryset import QuerySet

from ..expressions.outputs import decoded, decoders
from ..search import watching
from ..telemetry.observers import is_observed
from .instances import builds_instances, instance_builder


def read(queryset: Any, by_djanorm: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Return the rows of a queryset; ``by_djanorm`` is the method of the next class."""
    query = queryset._query
    found = {} if query.is_values() else decoders(query)
    # Another class before djanorm's may make tuples of the rows.
    if not found and _is(by_djanorm, QuerySet._iterator) and builds_instances(queryset):
        if query.search is None or not is_observed():
            return _instances(queryset, is_timed=query.search is not None)
        return watching.observed_rows(queryset, _instances(queryset, is_timed=False))
    rows, hidden = by_djanorm(), _hidden(query)
    rows = _decoded(rows, found, hidden, queryset._get_connection()) if found or hidden else rows
    return rows if query.search is None else watching.watched(queryset, rows)


def aread(queryset: Any, by_djanorm: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    query = queryset._query
    found = {} if query.is_values() else decoders(query)
    if not found and _is(by_djanorm, QuerySet._aiterator) and builds_instances(queryset):
        if query.search is None or not is_observed():
            return _ainstances(queryset, is_timed=query.search is not None)
        return watching.aobserved_rows(queryset, _ainstances(queryset, is_timed=False))
    rows, hidden = by_djanorm(), _hidden(query)
    rows = _adecoded(rows, found, hidden, queryset._get_connection()) if found or hidden else rows
    return rows if query.search is None else watching.awatched(queryset, rows)


def _is(method: Any, function: Any) -> bool:
    return method.__func__ is function


def _instances(queryset: Any, *, is_timed: bool) -> Iterator[Any]:
    connection = queryset._get_connection()
    started = time.perf_counter()
    rows = connection.execute(*queryset._iter_setup()[0].as_select(connection))
    if is_timed:
        watching.tell_slow(queryset, started)
    if rows:
        yield from map(instance_builder(queryset, rows[0], connection), rows)


async def _ainstances(queryset: Any, *, is_timed: bool) -> AsyncIterator[Any]:
    connection = queryset._get_async_connection()
    started = time.perf_counter()
    rows = await connection.execute(*queryset._iter_setup()[0].as_select(connection))
    if is_timed:
        await watching.atell_slow(queryset, started)
    if rows:
        for instance in map(instance_builder(queryset, rows[0], connection), rows):
            yield instance


def _hidden(query: Any) -> set[str]:
    """Return the names of alias() that distinct rows arrive with only because they are sorted by them."""
    hides = query.distinct_flag and not query.is_values()
    return query.alias_only_names & {*query.annotations} if hides else set()


async def _adecoded(
    rows: AsyncIterator[Any], found: dict[str, Any], hidden: set[str], connection: Any
) -> AsyncIterator[Any]:
    async for instance in rows:
        _decode_row(instance, found, hidden, connection)
        yield instance


def _decoded(rows: Iterator[Any], found: dict[str, Any], hidden: set[str], connection: Any) -> Iterator[Any]:
    for instance in rows:
        _decode_row(instance, found, hidden, connection)
        yield instance


def _decode_row(instance: Any, found: dict[str, Any], hidden: set[str], connection: Any) -> None:
    decoded(instance.__dict__, found, connection)
    for name in hidden:
        instance.__dict__.pop(name, None)
