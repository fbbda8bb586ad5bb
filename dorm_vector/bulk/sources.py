"""What a load reads: batches of rows or of columns. The texts of the next batches are embedded meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..embeddings.ahead import EmbeddingWorker
from ..embeddings.loading import Filling
from ..embeddings.on_save import embedding_fields, record_names
from ..steps import Steps
from .batches import Batch, ColumnSource, RowSource
from .frames import Frame, frame_of
from .matrix_columns import HeldRows
from .steps import Next, NextInThread
from .tenants import columns_of_active_tenant, of_active_tenant

_AHEAD = 3
"""Batches whose texts are being embedded, or wait for it, while one is written."""


_CALLS = 8
"""How often a batch calls the embedder, at most."""


@dataclass
class _Begun:
    """A batch that was read."""

    start: int
    filling: Filling
    columns: Mapping[str, Any] = field(default_factory=dict)


class Source:
    """The batches of a load; ``fields`` is known after the first one is read."""

    fields: tuple[Any, ...] = ()
    total: int | None = None

    def __init__(self, model: Any) -> None:
        self._model, self._worker = model, EmbeddingWorker()
        self._begun: deque[_Begun] = deque()
        # Without texts to embed, nothing is read before it is needed.
        self._ahead = _AHEAD if embedding_fields(model) else 1

    def next(self) -> Steps[Batch | None]:
        """Return the next batch, or None at the end."""
        while len(self._begun) < self._ahead:
            begun = yield from self._read()
            if begun is None:
                self._ahead = 0
                break
            self._begun.append(begun)
            yield from begun.filling.begin(self._worker)
        return (yield from self._made(self._begun.popleft())) if self._begun else None

    def close(self) -> None:
        self._worker.close()

    async def aclose(self) -> None:
        await self._worker.aclose()

    def _read(self) -> Steps[_Begun | None]:
        raise NotImplementedError

    def _made(self, begun: _Begun) -> Steps[Batch]:
        raise NotImplementedError


class _Rows(Source):
    """Batches of instances or dicts."""

    def __init__(self, model: Any, rows: Any, chunked: Callable[[Any, int, int], Any], size: int, first: int) -> None:
        super().__init__(model)
        self._chunks = chunked(rows, size, first)
        self._source: RowSource | None = None
        self.total = len(rows) if hasattr(rows, "__len__") else None

    def _read(self) -> Steps[_Begun | None]:
        chunk = yield Next(self._chunks)
        if chunk is None:
            return None
        start, items = chunk
        return _Begun(start, Filling(self._model, of_active_tenant(self._model, items)))

    def _made(self, begun: _Begun) -> Steps[Batch]:
        whole = yield from begun.filling.end()
        if self._source is None:
            self._source = RowSource(self._model, whole[0])
            self.fields = tuple(self._source.fields)
        return self._source.batch(begun.start, whole)


class _Columns(Source):
    """Batches of columns."""

    def __init__(self, model: Any, columns: Mapping[str, Any], size: int, first: int) -> None:
        super().__init__(model)
        self._size, self._first, self._start = size, first, 0
        self._columns = columns_of_active_tenant(model, columns)
        whole = ColumnSource(model, self._columns)
        self.fields, self.total = tuple(whole.fields), whole.total
        self._whole: Iterator[Batch] | None = None if embedding_fields(model) else whole.batches(size)

    def next(self) -> Steps[Batch | None]:
        if self._whole is not None:
            return next(self._whole, None)
        return (yield from super().next())

    def _read(self) -> Steps[_Begun | None]:
        yield from ()
        start = self._start
        stop = min(start + (self._size if start else self._first), self.total or 0)
        if start == stop:
            return None
        self._start = stop
        part = {name: column[start:stop] for name, column in self._columns.items()}
        return _Begun(start, Filling(self._model, _as_rows(part)), part)

    def _made(self, begun: _Begun) -> Steps[Batch]:
        batch, self.fields = yield from _with_embeddings(self._model, begun)
        return batch


class _Frames(Source):
    """Batches of a data frame."""

    def __init__(self, model: Any, frame: Frame) -> None:
        super().__init__(model)
        self._parts, self.total, self._start = frame.parts, frame.total, 0

    def _read(self) -> Steps[_Begun | None]:
        part = yield NextInThread(self._parts)
        if part is None:
            return None
        start, columns = self._start, columns_of_active_tenant(self._model, part)
        self._start += len(next(iter(columns.values())))
        is_embedded = bool(embedding_fields(self._model))
        return _Begun(start, Filling(self._model, _as_rows(columns) if is_embedded else []), columns)

    def _made(self, begun: _Begun) -> Steps[Batch]:
        batch, self.fields = yield from _with_embeddings(self._model, begun)
        return batch


def _as_rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _has_gaps(column: Any) -> bool:
    return column is None or isinstance(column, HeldRows) or (isinstance(column, list) and None in column)


def _with_embeddings(model: Any, begun: _Begun) -> Steps[tuple[Batch, tuple[Any, ...]]]:
    """Return the columns as they were given, and those that were made, as one batch; and its fields."""
    rows = yield from begun.filling.end()
    names = [name for each in embedding_fields(model) for name in (each.attname, *record_names(each))]
    made = {name: [row[name] for row in rows] for name in names if _has_gaps(begun.columns.get(name))}
    source = ColumnSource(model, {**begun.columns, **made})
    return next(source.batches(source.total, begun.start)), tuple(source.fields)


def source_of(model: Any, rows: Any, chunked: Callable[[Any, int, int], Any], size: int) -> Source:
    """Return the batches of rows, of columns, or of a data frame."""
    first = size
    if fields := embedding_fields(model):
        # Smaller batches keep the embedder busy from the first to the last one, and its first call shows its rate.
        texts = max(field.batch_size for field in fields)
        size, first = min(size, _CALLS * texts), min(size, texts)
    frame = frame_of(model, rows, size)
    if frame is not None:
        return _Frames(model, frame)
    if isinstance(rows, Mapping):
        return _Columns(model, rows, size, first)
    return _Rows(model, rows, chunked, size, first)
