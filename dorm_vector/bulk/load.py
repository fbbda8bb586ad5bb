"""Load many rows at the speed of the driver.

How rows travel is a fact of the dialect, ``Dialect.load``; what that takes of each driver is in ``djanorm/``.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dorm.db.connection import get_async_connection, get_connection
from dorm.transaction import aatomic, atomic

from ..embeddings.loading import filled_columns, filled_rows
from ..engines import dialect_for
from ..exceptions import at_row
from ..steps import arun, run
from . import deferred_indexes, writers
from .batches import Batch, Columns, Rows, achunks, chunks

Progress = Callable[[int, int | None], object]

BATCH_SIZE = 2_000


def bulk_load(
    model: Any,
    rows: Iterable[Any] | Mapping[str, Any],
    *,
    using: str | None = None,
    batch_size: int = BATCH_SIZE,
    on_conflict: str | None = None,
    defer_indexes: bool = False,
    progress: Progress | None = None,
) -> int:
    """Insert all of the rows or, where one of them fails, none; return how many were written.

    ``rows`` is an iterable of instances or of dicts, of which ``batch_size`` are held at a time, or columns: a mapping
    from field names to sequences of one length, where a vector field takes an (n, d) numpy array. ``on_conflict``:
    None raises, "ignore" keeps the row that is there, "update" overwrites the row with the same primary key.
    ``defer_indexes`` drops the model's vector indexes first and builds them last. ``progress`` is called with the rows
    done and the rows in all (None where nobody knows). No signals are sent, and instances get no primary key. What an
    EmbeddingField lacks is embedded on the way.

    Raises what a save would, with the position of the row, from 0, in its text and as ``error.row``.
    """
    _check(batch_size, on_conflict)
    count = _Count(progress, _total(rows))
    batches = _batches(model, rows, batch_size, count)
    # Before the transaction: where the rows come from a query, it may want a connection of its own.
    first = next(batches, None)
    if first is None:
        return 0
    alias = writers.write_alias(model, using)
    connection = get_connection(alias)
    load = writers.Load(model, count.fields, dialect_for(connection), on_conflict)
    with deferred_indexes.indexes_deferred(load, connection, alias, defer_indexes), atomic(alias):
        way = writers.way(load)
        run(way.open(), connection)
        for batch in _after(first, batches):
            try:
                with atomic(alias):
                    written = run(way.write(batch), connection)
            except Exception as error:
                raise at_row(error, run(writers.find_row(load, batch), connection)) from error
            count.add(len(batch), written)
        run(way.close(), connection)
    writers.forget_cached(model, alias)
    return count.written


async def abulk_load(
    model: Any,
    rows: Iterable[Any] | AsyncIterable[Any] | Mapping[str, Any],
    *,
    using: str | None = None,
    batch_size: int = BATCH_SIZE,
    on_conflict: str | None = None,
    defer_indexes: bool = False,
    progress: Progress | None = None,
) -> int:
    """Do what ``bulk_load`` does; ``rows`` may be an async iterable too."""
    _check(batch_size, on_conflict)
    count = _Count(progress, _total(rows))
    batches = _abatches(model, rows, batch_size, count)
    first = await anext(batches, None)
    if first is None:
        return 0
    alias = writers.write_alias(model, using)
    connection = get_async_connection(alias)
    load = writers.Load(model, count.fields, dialect_for(connection), on_conflict)
    async with deferred_indexes.aindexes_deferred(load, connection, alias, defer_indexes), aatomic(alias):
        way = writers.way(load)
        await arun(way.open(), connection)
        async for batch in _aafter(first, batches):
            try:
                async with aatomic(alias):
                    written = await arun(way.write(batch), connection)
            except Exception as error:
                raise at_row(error, await arun(writers.find_row(load, batch), connection)) from error
            count.add(len(batch), written)
        await arun(way.close(), connection)
    await writers.aforget_cached(model, alias)
    return count.written


@dataclass
class _Count:
    """What is known of a load while it runs."""

    progress: Progress | None
    total: int | None
    done: int = 0
    written: int = 0
    fields: tuple[Any, ...] = ()

    def add(self, rows: int, written: int) -> None:
        self.done += rows
        self.written += written
        if self.progress is not None:
            self.progress(self.done, self.total)


def _batches(model: Any, rows: Any, size: int, count: _Count) -> Iterator[Batch]:
    if isinstance(rows, Mapping):
        yield from _column_batches(model, run(filled_columns(model, rows)), size, count)
        return
    source = None
    for start, items in chunks(rows, size):
        whole = run(filled_rows(model, items))
        source = source or _rows(model, whole[0], count)
        yield source.batch(start, whole)


async def _abatches(model: Any, rows: Any, size: int, count: _Count) -> AsyncIterator[Batch]:
    if isinstance(rows, Mapping):
        for batch in _column_batches(model, await arun(filled_columns(model, rows)), size, count):
            yield batch
        return
    source = None
    async for start, items in achunks(rows, size):
        whole = await arun(filled_rows(model, items))
        source = source or _rows(model, whole[0], count)
        yield source.batch(start, whole)


def _rows(model: Any, first: Any, count: _Count) -> Rows:
    source = Rows(model, first)
    count.fields = tuple(source.fields)
    return source


def _column_batches(model: Any, rows: Mapping[str, Any], size: int, count: _Count) -> Iterator[Batch]:
    source = Columns(model, rows)
    count.fields, count.total = tuple(source.fields), source.total
    yield from source.batches(size)


def _after(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from others


async def _aafter(first: Batch, others: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
    yield first
    async for batch in others:
        yield batch


def _total(rows: Any) -> int | None:
    return len(rows) if hasattr(rows, "__len__") else None


def _check(batch_size: int, on_conflict: str | None) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}: want a whole number from 1.")
    if on_conflict not in (None, "ignore", "update"):
        raise ValueError(f"on_conflict={on_conflict!r}: want None, 'ignore' or 'update'.")
