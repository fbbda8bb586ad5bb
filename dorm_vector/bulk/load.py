"""Bulk insert at the speed of the driver.

``Dialect.loading.method`` names the writer for the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import aclosing, closing
from typing import Any

from dorm.db.connection import get_async_connection, get_connection

from ..engines import dialect_for
from ..engines.keys import keys_counted
from ..engines.limits.exempt import exempt
from ..indexes.build_progress import Progress
from ..steps import Execute, InTransaction, Step, Steps, arun, run
from ..telemetry.observers import Work, observed
from . import writers
from .batches import Batch, achunks, chunks
from .deferred_indexes import WithoutIndexes
from .sources import Source, source_of

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

    Missing vectors of an EmbeddingField are embedded during the load: the texts of the next batches while one is
    written, one call of the embedder at a time, in a worker thread. No signals are sent, and instances get no primary
    key.

    Args:
        model: The model to load.
        rows: An iterable of instances or dicts, or a mapping from field names to columns: sequences of one length. The
            column of a vector field may be an (n, d) numpy array.
        using: The database alias; by default, the one that the router chooses for writes.
        batch_size: The number of rows to hold in memory at a time, if ``rows`` is an iterable.
        on_conflict: None raises an error, "ignore" keeps the existing row, and "update" overwrites the row with the
            same primary key.
        defer_indexes: Whether to drop the model's vector indexes before the load and rebuild them after it.
        progress: A function that is called with the number of rows done and the total, or None if the total is unknown:
            at once, and after each batch. With ``defer_indexes``, the calls go on while the indexes are built.

    Raises:
        Exception: The error that a save would raise. Its text and ``error.row`` have the position of the row, from 0.
    """
    _check(batch_size, on_conflict)
    source = source_of(model, rows, chunks, batch_size)
    with closing(source), observed("load", model.__name__, lambda: _described(model, batch_size)) as work:
        if progress is not None:
            progress(0, source.total)
        # Read before the transaction starts, because rows that come from a query may need a connection of their own.
        first = run(source.next())
        if first is None:
            return 0
        alias = writers.write_alias(model, using)
        connection = get_connection(alias)
        load = writers.BulkLoad(model, source.fields, dialect_for(connection), on_conflict)
        written: int = run(_loaded(load, alias, source, first, defer_indexes, progress), connection)
        _tell(work, written, load, alias)
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
    source = source_of(model, rows, achunks, batch_size)
    with observed("load", model.__name__, lambda: _described(model, batch_size)) as work:
        async with aclosing(source):
            if progress is not None:
                progress(0, source.total)
            first = await arun(source.next())
            if first is None:
                return 0
            alias = writers.write_alias(model, using)
            connection = get_async_connection(alias)
            load = writers.BulkLoad(model, source.fields, dialect_for(connection), on_conflict)
            written: int = await arun(_loaded(load, alias, source, first, defer_indexes, progress), connection)
            _tell(work, written, load, alias)
    await writers.aforget_cached(model, alias)
    return written


def _loaded(
    load: writers.BulkLoad,
    alias: str,
    source: Source,
    first: Batch,
    defer_indexes: bool,
    progress: Progress | None,
) -> Steps[int]:
    """Write all batches in one transaction, and return how many rows were written."""
    told = None if progress is None else _Told(progress)
    steps: Step = InTransaction(alias, _all_written(load, alias, source, first, told))
    written = yield WithoutIndexes(load, alias, steps, told and told.again) if defer_indexes else steps
    return int(written)


class _Told:
    """The progress of a load, which is repeated while its indexes are built."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: tuple[int, int | None] = 0, None

    def __call__(self, done: int, total: int | None) -> None:
        self._last = done, total
        self._progress(done, total)

    def again(self, _done: int, _total: int | None) -> None:
        self._progress(*self._last)


def _all_written(
    load: writers.BulkLoad, alias: str, source: Source, first: Batch, progress: Progress | None
) -> Steps[int]:
    writer, done, written = writers.writer(load), 0, 0
    batch: Batch | None = first
    yield from writer.open()
    while batch is not None:
        try:
            written += yield InTransaction(alias, writer.write(batch))
        except Exception as error:
            raise (yield from writers.failure(load, batch, error)) from error
        done += len(batch)
        if progress is not None:
            progress(done, source.total)
        batch = yield from source.next()
    yield from writer.close()
    counted = keys_counted(load.model._meta, load.dialect) if load.keys[0] in load.columns else ""
    if counted:
        yield Execute(counted)
    return written


def _described(model: Any, batch_size: int) -> dict[str, Any]:
    return {
        "db.operation.name": "load",
        "db.collection.name": model._meta.db_table,
        "dorm.vector.batch_size": batch_size,
    }


def _tell(work: Work | None, written: int, load: writers.BulkLoad, alias: str) -> None:
    if work is not None:
        work.rows = written
        work.attributes |= {"db.system.name": load.dialect.name, "db.namespace": alias}


def _check(batch_size: int, on_conflict: str | None) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}: want a whole number from 1.")
    if on_conflict not in (None, "ignore", "update"):
        raise ValueError(f"on_conflict={on_conflict!r}: want None, 'ignore' or 'update'.")
