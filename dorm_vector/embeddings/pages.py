"""Embed the stale rows of a table page by page: the next pages are embedded while one is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dorm.queryset import QuerySet

from ..steps import Count, Fetch, Steps, Wait
from .ahead import BeginEmbedding, EmbeddingWorker
from .on_save import hash_name, model_name, record, record_names
from .other_models import forget_checks
from .writing import Writing

Progress = Callable[[int, int], Any]

_MOST_ROWS = 1_000
"""Rows that are read at a time if nothing is embedded."""

_AHEAD = 3
"""Pages that are read, and embedded in the background, before the first of them is written."""


@dataclass
class Page:
    """Rows in the order of their keys."""

    rows: list[Any]
    stale: list[tuple[Any, str | None]]
    hashes: Mapping[Any, str | None]
    """The hash of each row as it was read, by primary key."""
    begun: Any = None

    def texts(self) -> list[tuple[Any, str]]:
        return [(row, text) for row, text in self.stale if text is not None]


class Pages:
    """The rows of a queryset in primary key order, ``size`` at a time, or as many as suit the speed of the embedder."""

    def __init__(self, queryset: Any, field: Any, size: int | None, worker: EmbeddingWorker | None) -> None:
        self._field, self._size, self._worker = field, size, worker
        self._key = queryset.model._meta.pk.name
        self._rows = _whole_rows(queryset)
        self._ordered = self._rows.order_by(self._key)
        self._last: Any = None
        self._ended = False

    def reembedded(self, progress: Progress | None) -> Steps[int]:
        """Embed stale rows, and return how many there were; without a worker, only count them."""
        pages: deque[Page] = deque()
        total, done, seen = (yield Count(self._rows)), 0, 0
        if progress is not None:
            progress(0, total)
        while True:
            while len(pages) < (_AHEAD if self._worker is not None else 1) and not self._ended:
                pages.extend((yield from self._read()))
            if not pages:
                forget_checks(self._field)
                return done
            page = pages.popleft()
            if self._worker is not None:
                yield from self._write(page)
            done, seen = done + len(page.stale), seen + len(page.rows)
            if progress is not None:
                progress(seen, total)

    def _read(self) -> Steps[list[Page]]:
        """Read the next page, if there is one, and begin to embed its stale rows."""
        rows = yield from self._next()
        return [(yield from self._begun(rows))] if rows else []

    def _next(self) -> Steps[list[Any]]:
        """Read the next rows; none at the end."""
        ordered = self._ordered if self._last is None else self._ordered.filter(**{f"{self._key}__gt": self._last})
        rows: list[Any] = yield Fetch(ordered[: self._rows_at_a_time()])
        self._ended = not rows
        if rows:
            self._last = rows[-1].pk
        return rows

    def _rows_at_a_time(self) -> int:
        if self._size is not None:
            return self._size
        call = int(self._field.batch_size)
        return self._worker.rows_at_a_time(call) if self._worker is not None else _MOST_ROWS

    def _begun(self, rows: list[Any]) -> Steps[Page]:
        """Begin to embed the stale rows."""
        hashes = {row.pk: row.__dict__.get(hash_name(self._field)) for row in rows}
        page = Page(rows, list(stale_rows(self._field, rows)), hashes)
        texts = [text for _row, text in page.texts()]
        if texts and self._worker is not None:
            call = self._size or self._field.batch_size
            page.begun = yield BeginEmbedding(self._worker, self._field.embedder, texts, call)
        return page

    def _write(self, page: Page) -> Steps[None]:
        """Write the stale rows of a page, and record the model of those that were known by their hash alone."""
        field = self._field
        writing = Writing(field, [field.name, *record_names(field)], page.hashes)
        vectors = iter((yield Wait(page.begun)) if page.begun is not None else ())
        for row, text in page.stale:
            vector = field.to_vector(next(vectors)) if text is not None else None
            writing.add(row, (vector, *record(field, text).values()))
        yield from writing.write(self._rows)
        unrecorded = Writing(field, [model_name(field)], page.hashes)
        for row in self._unrecorded_of(page.rows, [row for row, _text in page.stale]):
            unrecorded.add(row, (field.model_name,))
        yield from unrecorded.write(self._rows)

    def _unrecorded_of(self, rows: list[Any], stale: list[Any]) -> Iterator[Any]:
        """Yield the rows whose hash alone shows that they are of the field's model."""
        written = {id(row) for row in stale}
        for row in rows if self._field.records_model else ():
            is_known = id(row) in written or row.__dict__.get(model_name(self._field)) is not None
            if not is_known and _has_vector(self._field, row):
                yield row


def _whole_rows(queryset: Any) -> Any:
    """Return the rows with all columns; wrap a slice in a subquery, so that it can be sorted by primary key."""
    query = queryset._query
    if query.limit_val is None and not query.offset_val and query.selected_fields is None and not query.annotations:
        return queryset
    return QuerySet(queryset.model, queryset._db).filter(pk__in=queryset.values("pk"))


def stale_rows(field: Any, page: list[Any]) -> Iterator[tuple[Any, str | None]]:
    """Yield the rows whose vector does not match their text and the field's model, with the text to embed."""
    for row in page:
        text, known, has_vector = field.text(row), row.__dict__.get(hash_name(field)), _has_vector(field, row)
        if text is None and (known is not None or has_vector):
            yield row, None
        elif text is not None and (known != field.hash(text) or not has_vector or _is_of_another_model(field, row)):
            yield row, text


def _has_vector(field: Any, row: Any) -> bool:
    # Without unpacking it, if it was read.
    vector = row.__dict__[field.attname] if field.attname in row.__dict__ else getattr(row, field.name)
    return vector is not None


def _is_of_another_model(field: Any, row: Any) -> bool:
    return field.records_model and row.__dict__.get(model_name(field)) not in (None, field.model_name)
