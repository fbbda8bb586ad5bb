"""Write the rows of a model to a Parquet file, and load them from one, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engines.limits.exempt import exempt
from ..exceptions import required
from ..frames.reading import FrameQuery
from ..indexes.build_progress import Progress
from ..introspection import rows_of
from ..models.querysets import upgraded
from .batches import achunks, chunks
from .load import BATCH_SIZE, abulk_load, bulk_load

if TYPE_CHECKING:
    import pyarrow as pa

Target = str | os.PathLike[str] | Any
"""A path, or an open binary file."""


@exempt
def export_parquet(
    source: Any, target: Target, *, batch_size: int = BATCH_SIZE, progress: Progress | None = None
) -> int:
    """Write the rows of a model or a queryset to a Parquet file, and return how many there are.

    A file at a path is replaced once all rows are written.

    Args:
        source: A model, or a queryset: its fields, annotations and order are those of the file.
        target: A path, or a binary file that is open for writing.
        batch_size: The number of rows to hold in memory at a time; each is a row group of the file.
        progress: A function that is called with the number of rows done, from 0, and None.

    Raises:
        TypeError: A value does not fit the type of its column.
    """
    export = _Export(source)
    query = export.query
    rows = query.connection.execute_streaming(*query.statement(), batch_size)
    if progress is not None:
        progress(0, None)
    with export.writing(target) as write, closing(_closable(rows)) as stream:
        for _start, batch in chunks(stream, batch_size):
            write(batch, progress)
    return export.done


@exempt
async def aexport_parquet(
    source: Any, target: Target, *, batch_size: int = BATCH_SIZE, progress: Progress | None = None
) -> int:
    """Do what ``export_parquet`` does, on an async connection."""
    export = _Export(source, is_async=True)
    query = export.query
    rows = query.connection.execute_streaming(*query.statement(), batch_size)
    if progress is not None:
        progress(0, None)
    with export.writing(target) as write:
        async with aclosing(rows) as stream:
            async for _start, batch in achunks(stream, batch_size):
                write(batch, progress)
    return export.done


def import_parquet(
    model: Any,
    source: Target,
    *,
    using: str | None = None,
    batch_size: int = BATCH_SIZE,
    on_conflict: str | None = None,
    defer_indexes: bool = False,
    progress: Progress | None = None,
) -> int:
    """Load the rows of a Parquet file, all or none, and return how many were written.

    The columns of the file are fields of the model, as ``export_parquet`` names them. The other arguments are those of
    ``bulk_load``.

    Args:
        model: The model to load.
        source: A path, or a binary file that is open for reading.
        using: The database alias; by default, the one that the router chooses for writes.
        batch_size: The number of rows to hold in memory at a time.
        on_conflict: What to do with a row whose primary key exists: None, "ignore" or "update".
        defer_indexes: Whether to drop the model's vector indexes before the load and rebuild them after it.
        progress: A function that is called with the number of rows done, and None.
    """
    with _opened(source, batch_size) as reader:
        return bulk_load(
            model,
            reader,
            using=using,
            batch_size=batch_size,
            on_conflict=on_conflict,
            defer_indexes=defer_indexes,
            progress=progress,
        )


async def aimport_parquet(
    model: Any,
    source: Target,
    *,
    using: str | None = None,
    batch_size: int = BATCH_SIZE,
    on_conflict: str | None = None,
    defer_indexes: bool = False,
    progress: Progress | None = None,
) -> int:
    """Do what ``import_parquet`` does, on an async connection."""
    with _opened(source, batch_size) as reader:
        return await abulk_load(
            model,
            reader,
            using=using,
            batch_size=batch_size,
            on_conflict=on_conflict,
            defer_indexes=defer_indexes,
            progress=progress,
        )


class _Export:
    """The batches of a Parquet file; the first one decides the types that no field declares."""

    def __init__(self, source: Any, *, is_async: bool = False) -> None:
        with required("arrow"):
            import pyarrow.parquet  # noqa: F401  # before the rows are read
        self.query = FrameQuery(upgraded(rows_of(source)), is_async=is_async)
        self.done = 0
        self._writer: Any = None

    @contextmanager
    def writing(self, target: Target) -> Iterator[Callable[[list[Any], Progress | None], None]]:
        """Return what writes a batch of rows; at the end, the file has its name."""
        with _replaced(target) as file:
            try:
                yield lambda rows, progress: self._write(file, rows, progress)
                if self._writer is None:
                    self._write(file, [], None)
            finally:
                if self._writer is not None:
                    self._writer.close()

    def _write(self, file: Any, rows: list[Any], progress: Progress | None) -> None:
        from pyarrow import parquet

        schema = None if self._writer is None else self._writer.schema
        table = self.query.table(self.query.columns(rows), schema)
        if self._writer is None:
            self._writer = parquet.ParquetWriter(file, table.schema)
        self._writer.write_table(table)
        self.done += len(rows)
        if progress is not None:
            progress(self.done, None)


@contextmanager
def _replaced(target: Target) -> Iterator[Any]:
    """Return a file to write; one at a path replaces the old one only when it is whole."""
    if hasattr(target, "write"):
        yield target
        return
    path = Path(target)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _opened(source: Target, batch_size: int) -> Iterator[pa.RecordBatchReader]:
    with required("arrow"):
        import pyarrow as pa
        from pyarrow import parquet
    with parquet.ParquetFile(source) as file:
        yield pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(batch_size))


def _closable(rows: Any) -> Any:
    """Return the rows as a generator, which can be closed before its end."""
    return rows if hasattr(rows, "close") else (row for row in rows)
