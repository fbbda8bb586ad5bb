"""Bulk insert at the speed of the driver.

``Dialect.loading.method`` names the writer for the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from typing import Any

from dorm.db.connection import get_async_connection, get_connection

from ..embeddings.loading import filled_columns, filled_rows
from ..embeddings.on_save import embedding_fields
from ..engines import dialect_for
from ..engines.keys import keys_counted
from ..engines.limits.exempt import exempt
from ..exceptions import at_row
from ..steps import Execute, Step, Steps, arun, run
from . import writers
from .batches import Batch, ColumnSource, RowSource, achunks, chunks
from .deferred_indexes import WithoutIndexes
from .steps import InTransaction, Next
from .tenants import columns_of_active_tenant, of_active_tenant

Progress = Callable[[int, int | None], object]

BATCH_SIZE = 2_000


@exempt
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
    """Insert all of the rows, or none if one of them fails, and return how many were written.

    Missing vectors of an EmbeddingField are embedded during the load. No signals are sent, and instances get no
    primary key.

    Args:
        model: The model to load.
        rows: An iterable of instances or dicts, or a mapping from field names to columns: sequences of one length. The
            column of a vector field may be an (n, d) numpy array.
        using: The database alias; by default, the one that the router chooses for writes.
        batch_size: The number of rows to hold in memory at a time, if ``rows`` is an iterable.
        on_conflict: None raises an error, "ignore" keeps the existing row, and "update" overwrites the row with the
            same primary key.
        defer_indexes: Whether to drop the model's vector indexes before the load and rebuild them after it.
        progress: A function that is called with the number of rows done and the total, or None if the total is unknown.

    Raises:
        Exception: The error that a save would raise. Its text and ``error.row`` have the position of the row, from 0.
    """
    _check(batch_size, on_conflict)
    source = _source(model, rows, chunks, batch_size)
    # Read before the transaction starts, because rows that come from a query may need a connection of their own.
    first = run(source.next())
    if first is None:
        return 0
    alias = writers.write_alias(model, using)
    connection = get_connection(alias)
    load = writers.BulkLoad(model, source.fields, dialect_for(connection), on_conflict)
    written: int = run(_loaded(load, alias, source, first, defer_indexes, progress), connection)
    writers.forget_cached(model, alias)
    return written


@exempt
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
    """Do what ``bulk_load`` does; ``rows`` may also be an async iterable."""
    _check(batch_size, on_conflict)
    source = _source(model, rows, achunks, batch_size)
    first = await arun(source.next())
    if first is None:
        return 0
    alias = writers.write_alias(model, using)
    connection = get_async_connection(alias)
    load = writers.BulkLoad(model, source.fields, dialect_for(connection), on_conflict)
    written: int = await arun(_loaded(load, alias, source, first, defer_indexes, progress), connection)
    await writers.aforget_cached(model, alias)
    return written


def _loaded(
    load: writers.BulkLoad,
    alias: str,
    source: _Rows | _Columns,
    first: Batch,
    defer_indexes: bool,
    progress: Progress | None,
) -> Steps[int]:
    """Write all batches in one transaction, and return how many rows were written."""
    steps: Step = InTransaction(alias, _all_written(load, alias, source, first, progress))
    written = yield WithoutIndexes(load, alias, steps) if defer_indexes else steps
    return int(written)


def _all_written(
    load: writers.BulkLoad, alias: str, source: _Rows | _Columns, first: Batch, progress: Progress | None
) -> Steps[int]:
    writer, done, written = writers.writer(load), 0, 0
    batch: Batch | None = first
    yield from writer.open()
    while batch is not None:
        try:
            written += yield InTransaction(alias, writer.write(batch))
        except Exception as error:
            row = yield from writers.find_row(load, batch)
            raise at_row(error, row) from error
        done += len(batch)
        if progress is not None:
            progress(done, source.total)
        batch = yield from source.next()
    yield from writer.close()
    counted = keys_counted(load.model._meta, load.dialect) if load.keys[0] in load.columns else ""
    if counted:
        yield Execute(counted)
    return written


class _Rows:
    """Batches of instances or dicts; ``fields`` is known after the first batch is read."""

    fields: tuple[Any, ...] = ()

    def __init__(self, model: Any, rows: Any, chunked: Callable[[Any, int], Any], size: int) -> None:
        self._model, self._chunks = model, chunked(rows, size)
        self._source: RowSource | None = None
        self.total: int | None = len(rows) if hasattr(rows, "__len__") else None

    def next(self) -> Steps[Batch | None]:
        """Return the next batch, or None at the end."""
        chunk = yield Next(self._chunks)
        if chunk is None:
            return None
        start, items = chunk
        whole = yield from filled_rows(self._model, of_active_tenant(self._model, items))
        if self._source is None:
            self._source = RowSource(self._model, whole[0])
            self.fields = tuple(self._source.fields)
        return self._source.batch(start, whole)


class _Columns:
    """Batches of columns."""

    def __init__(self, model: Any, columns: Mapping[str, Any], size: int) -> None:
        self._model, self._size, self._start = model, size, 0
        self._columns = columns_of_active_tenant(model, columns)
        whole = ColumnSource(model, self._columns)
        self.fields, self.total = tuple(whole.fields), whole.total
        self._batches: Iterator[Batch] | None = None if embedding_fields(model) else whole.batches(size)

    def next(self) -> Steps[Batch | None]:
        """Return the next batch, or None at the end."""
        if self._batches is not None:
            return next(self._batches, None)
        return (yield from self._embedded())

    def _embedded(self) -> Steps[Batch | None]:
        """Embed the rows of one batch only, so that the load begins, and reports its progress, at once."""
        start, stop = self._start, min(self._start + self._size, self.total)
        if start == stop:
            return None
        part = {name: column[start:stop] for name, column in self._columns.items()}
        source = ColumnSource(self._model, (yield from filled_columns(self._model, part)))
        self.fields, self._start = tuple(source.fields), stop
        return next(source.batches(self._size, start))


def _source(model: Any, rows: Any, chunked: Callable[[Any, int], Any], size: int) -> _Rows | _Columns:
    return _Columns(model, rows, size) if isinstance(rows, Mapping) else _Rows(model, rows, chunked, size)


def _check(batch_size: int, on_conflict: str | None) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}: want a whole number from 1.")
    if on_conflict not in (None, "ignore", "update"):
        raise ValueError(f"on_conflict={on_conflict!r}: want None, 'ignore' or 'update'.")
