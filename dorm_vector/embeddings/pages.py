"""Embed the stale rows of a table page by page: the next pages are embedded while one is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dorm.queryset import QuerySet

from ..dialects.shared.operands import SQL
from ..steps import Count, Fetch, Steps, Update
from .ahead import BeginEmbedding, EmbeddingWorker, EndEmbedding
from .on_save import cleared, hash_name, model_name, record, record_names, set_vectors
from .other_models import forget_checks

Progress = Callable[[int, int], Any]

_AHEAD = 3
"""Pages that are read, and embedded in the background, before the first of them is written."""


@dataclass
class _Page:
    """Rows in the order of their keys."""

    rows: list[Any]
    stale: list[tuple[Any, str | None]]
    hashes: Mapping[Any, str | None]
    """The hash of each row as it was read, by primary key."""
    begun: Any = None

    def texts(self) -> list[tuple[Any, str]]:
        return [(row, text) for row, text in self.stale if text is not None]


class Pages:
    """The rows of a queryset in primary key order, ``size`` at a time."""

    def __init__(self, queryset: Any, field: Any, size: int, worker: EmbeddingWorker | None) -> None:
        self._field, self._size, self._worker = field, size, worker
        self._key = queryset.model._meta.pk.name
        self._rows = _whole_rows(queryset)
        self._ordered = self._rows.order_by(self._key)
        self._last: Any = None
        self._ended = False

    def reembedded(self, progress: Progress | None) -> Steps[int]:
        """Embed stale rows, and return how many there were; without a worker, only count them."""
        pages: deque[_Page] = deque()
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

    def _read(self) -> Steps[list[_Page]]:
        """Read the next page, if there is one, and begin to embed its stale rows."""
        ordered = self._ordered if self._last is None else self._ordered.filter(**{f"{self._key}__gt": self._last})
        rows = yield Fetch(ordered[: self._size])
        self._ended = not rows
        if not rows:
            return []
        self._last = rows[-1].pk
        hashes = {row.pk: row.__dict__.get(hash_name(self._field)) for row in rows}
        page = _Page(rows, list(stale_rows(self._field, rows)), hashes)
        texts = [text for _row, text in page.texts()]
        if texts and self._worker is not None:
            page.begun = yield BeginEmbedding(self._worker, self._field.embedder, texts, len(texts))
        return [page]

    def _write(self, page: _Page) -> Steps[None]:
        """Write the stale rows of a page, and record the model of those that were known by their hash alone."""
        field, own = self._field, _rows_as_read(self._rows, self._field, page.hashes)
        for row, text in page.stale:
            if text is None:
                cleared(field, row)
        if page.begun is not None:
            vectors = yield EndEmbedding(page.begun)
            set_vectors(field, page.texts(), map(field.to_vector, vectors))
        if page.stale:
            yield Update(own, [row for row, _text in page.stale], [field.name, *record_names(field)])
        unrecorded = list(_unrecorded(field, page.rows, {id(row) for row, _text in page.stale}))
        if unrecorded:
            yield Update(own, unrecorded, [model_name(field)])


def _rows_as_read(rows: Any, field: Any, hashes: Mapping[Any, str | None]) -> Any:
    """Return a queryset that updates only rows with the hash that was read: a save may have embedded a newer text."""
    names = rows.model._meta
    column, key = names.get_field(hash_name(field)).column, names.pk.column

    def has_same_hash(batch: list[Any]) -> SQL:
        known = f'CASE "{key}"{" WHEN %s THEN %s" * len(batch)} END'
        params = [value for row in batch for value in (row.pk, hashes[row.pk] or "")]
        return f"""COALESCE("{column}", '') = {known}""", params

    found: Any = QuerySet(rows.model, rows._db)
    found.bulk_condition = has_same_hash
    return found


def _whole_rows(queryset: Any) -> Any:
    """Return the rows with all columns; wrap a slice in a subquery, so that it can be sorted by primary key."""
    query = queryset._query
    if query.limit_val is None and not query.offset_val and query.selected_fields is None and not query.annotations:
        return queryset
    return QuerySet(queryset.model, queryset._db).filter(pk__in=queryset.values("pk"))


def stale_rows(field: Any, page: list[Any]) -> Iterator[tuple[Any, str | None]]:
    """Yield the rows whose vector is not of their text and of the field's model, with the text to embed."""
    for row in page:
        text, known, vector = field.text(row), row.__dict__.get(hash_name(field)), getattr(row, field.name)
        if text is None and (known is not None or vector is not None):
            yield row, None
        elif text is not None and (known != field.hash(text) or vector is None or _is_of_another_model(field, row)):
            yield row, text


def _is_of_another_model(field: Any, row: Any) -> bool:
    return field.records_model and row.__dict__.get(model_name(field)) not in (None, field.model_name)


def _unrecorded(field: Any, page: list[Any], written: set[int]) -> Iterator[Any]:
    for row in page if field.records_model else ():
        if (
            id(row) not in written
            and row.__dict__.get(model_name(field)) is None
            and getattr(row, field.name) is not None
        ):
            row.__dict__.update(record(field, field.text(row)))
            yield row
