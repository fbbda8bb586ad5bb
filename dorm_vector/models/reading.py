"""Read the rows of a queryset: as instances that are built directly, and otherwise as djanorm reads them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any

from dorm.queryset import QuerySet

from ..expressions.outputs import decoded, decoders
from .instances import builds_instances, instance_builder
from .queryset_types import Row

if TYPE_CHECKING:
    from ..query.compiler import VectorSQLQuery


class ReadRows(QuerySet[Row]):
    """The iteration of a VectorRows, which has what reads a single row."""

    _query: VectorSQLQuery

    if TYPE_CHECKING:

        def _instance(self, row: Any, connection: Any) -> Any: ...
        def _as_row(self, row: Any, fields: list[str]) -> Any: ...

    def _hidden(self) -> set[str]:
        """Return the names of alias() that distinct rows arrive with only because they are sorted by them."""
        query = self._query
        return query.alias_only_names & {*query.annotations} if query.distinct_flag and not query.is_values() else set()

    def _iterator(self) -> Iterator[Any]:
        query = self._query
        found = {} if query.is_values() else decoders(query)
        if not found and builds_instances(self):
            if query.search is None or not _watching().is_observed():
                return self._instances()
            return _watching().observed_rows(self, self._instances(is_timed=False))
        rows, hidden = super()._iterator(), self._hidden()
        rows = _decoded(rows, found, hidden, self._get_connection()) if found or hidden else rows
        return rows if query.search is None else _watching().watched(self, rows)

    def _instances(self, *, is_timed: bool = True) -> Iterator[Any]:
        connection = self._get_connection()
        started = time.perf_counter()
        rows = connection.execute(*self._iter_setup()[0].as_select(connection))
        if is_timed and self._query.search is not None:
            _watching().tell_slow(self, started)
        if rows:
            yield from map(instance_builder(self, rows[0], connection), rows)

    def _aiterator(self) -> AsyncIterator[Any]:
        query = self._query
        found = {} if query.is_values() else decoders(query)
        if not found and builds_instances(self):
            if query.search is None or not _watching().is_observed():
                return self._ainstances()
            return _watching().aobserved_rows(self, self._ainstances(is_timed=False))
        rows, hidden = super()._aiterator(), self._hidden()
        rows = _adecoded(rows, found, hidden, self._get_connection()) if found or hidden else rows
        return rows if query.search is None else _watching().awatched(self, rows)

    async def _ainstances(self, *, is_timed: bool = True) -> AsyncIterator[Any]:
        connection = self._get_async_connection()
        started = time.perf_counter()
        rows = await connection.execute(*self._iter_setup()[0].as_select(connection))
        if is_timed and self._query.search is not None:
            await _watching().atell_slow(self, started)
        if rows:
            for instance in map(instance_builder(self, rows[0], connection), rows):
                yield instance

    def _iterator_streaming(self, chunk_size: int) -> Iterator[Any]:
        connection = self._get_connection()
        query, fields, as_values, *_ = self._iter_setup()
        sql, params = query.as_select(connection)
        rows = connection.execute_streaming(sql, params, chunk_size)
        try:
            for row in rows:
                yield self._as_row(row, fields) if as_values else self._instance(row, connection)
        finally:
            # Otherwise a row that cannot be decoded would leave the cursor and its transaction open.
            if hasattr(rows, "close"):
                rows.close()

    async def _aiterator_streaming(self, chunk_size: int) -> AsyncIterator[Any]:
        connection = self._get_async_connection()
        query, fields, as_values, *_ = self._iter_setup()
        sql, params = query.as_select(connection)
        async with aclosing(connection.execute_streaming(sql, params, chunk_size)) as rows:
            async for row in rows:
                yield self._as_row(row, fields) if as_values else self._instance(row, connection)


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


# Watching a search imports what compiles one; a process may only declare models.


@cache
def _watching() -> Any:
    from ..search import watching

    return watching
