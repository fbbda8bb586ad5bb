"""Embed the stale rows of a table page by page: the next pages are embedded while one is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dorm.functions import Case, When
from dorm.queryset import QuerySet

from ..steps import Count, Fetch, Steps, Wait
from .ahead import BeginEmbedding, EmbeddingWorker
from .on_save import hash_name, model_name, record_names
from .other_models import forget_checks
from .writing import Writing

Progress = Callable[[int, int], Any]

MOST_ROWS = 1_000
"""Rows that are read at a time if nothing is embedded."""

AHEAD = 3
"""Pages that are read or locked, and embedded in the background, before the first of them is written."""

_MISSING = "dorm_vector_missing"
"""The attribute of a row that was read without its vector: 1 if it has none."""


class Stale(NamedTuple):
    """A row whose vector does not match its text, with the text to embed and its hash; None if there is no text."""

    row: Any
    text: str | None
    hash: str | None


@dataclass
class Page:
    """Rows in the order of their keys."""

    rows: list[Any]
    stale: list[Stale]
    hashes: Mapping[Any, str | None]
    """The hash of each row as it was read, by primary key."""
    begun: Any = None

    @property
    def is_embedded(self) -> bool:
        return self.begun is None or self.begun.done()

    def texts(self) -> list[str]:
        return [each.text for each in self.stale if each.text is not None]


class Pages:
    """The rows of a queryset in primary key order, ``size`` at a time, or as many as suit the speed of the embedder."""

    def __init__(self, queryset: Any, field: Any, size: int | None, worker: EmbeddingWorker | None) -> None:
        self._field, self._size, self._worker = field, size, worker
        self._key = queryset.model._meta.pk.name
        self._rows = _whole_rows(queryset)
        self._ordered = _without_vectors(self._rows, field).order_by(self._key)
        self._last: Any = None
        self._ended = False

    def reembedded(self, progress: Progress | None) -> Steps[int]:
        """Embed stale rows, and return how many there were; without a worker, only count them."""
        pages: deque[Page] = deque()
        total, done, seen = (yield Count(self._rows)), 0, 0
        if progress is not None:
            progress(0, total)
        while True:
            while len(pages) < (AHEAD if self._worker is not None else 1) and not self._ended:
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
        return [(yield from self._begun(rows, list(stale_rows(self._field, rows))))] if rows else []

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
        return self._worker.rows_at_a_time(call) if self._worker is not None else MOST_ROWS

    def _begun(self, rows: list[Any], stale: list[Stale]) -> Steps[Page]:
        """Begin to embed the stale ones of the rows."""
        page = Page(rows, stale, {row.pk: row.__dict__.get(hash_name(self._field)) for row in rows})
        texts = page.texts()
        if texts and self._worker is not None:
            call = self._size or self._field.batch_size
            page.begun = yield BeginEmbedding(self._worker, self._field.embedder, texts, call)
        return page

    def _write(self, page: Page) -> Steps[None]:
        """Write the stale rows of a page, and record the model of those that were known by their hash alone."""
        field = self._field
        writing = Writing(field, [field.name, *record_names(field)], page.hashes)
        vectors = iter((yield Wait(page.begun)) if page.begun is not None else ())
        for row, text, right in page.stale:
            vector, model = (field.to_vector(next(vectors)), field.model_name) if text is not None else (None, None)
            writing.add(row, (vector, right, model) if field.records_model else (vector, right))
        yield from writing.write(self._rows)
        unrecorded = Writing(field, [model_name(field)], page.hashes)
        for row in self._unrecorded_of(page.rows, page.stale):
            unrecorded.add(row, (field.model_name,))
        yield from unrecorded.write(self._rows)

    def _unrecorded_of(self, rows: list[Any], stale: list[Stale]) -> Iterator[Any]:
        """Yield the rows whose hash alone shows that they are of the field's model."""
        written = {id(each.row) for each in stale}
        for row in rows if self._field.records_model else ():
            is_known = id(row) in written or row.__dict__.get(model_name(self._field)) is not None
            if not is_known and not is_missing(row):
                yield row


def _whole_rows(queryset: Any) -> Any:
    """Return the rows with all columns; wrap a slice in a subquery, so that it can be sorted by primary key."""
    query = queryset._query
    if query.limit_val is None and not query.offset_val and query.selected_fields is None and not query.annotations:
        return queryset
    return QuerySet(queryset.model, queryset._db).filter(pk__in=queryset.values("pk"))


def _without_vectors(rows: Any, field: Any) -> Any:
    """Return the rows without their vectors, which cost more to read than all else: only whether there is one."""
    missing = Case(When(**{f"{field.name}__isnull": True}, then=1), default=0)
    return rows.defer(field.name).annotate(**{_MISSING: missing})


def is_missing(row: Any) -> bool:
    """Return whether a row that was read has no vector."""
    return bool(row.__dict__[_MISSING])


def stale_rows(field: Any, page: list[Any]) -> Iterator[Stale]:
    """Yield the rows whose vector does not match their text and the field's model."""
    for row in page:
        text, known, missing = field.text(row), row.__dict__.get(hash_name(field)), is_missing(row)
        if text is None:
            if known is not None or not missing:
                yield Stale(row, None, None)
        elif known != (right := field.hash(text)) or missing or _is_of_another_model(field, row):
            yield Stale(row, text, right)


def _is_of_another_model(field: Any, row: Any) -> bool:
    return field.records_model and row.__dict__.get(model_name(field)) not in (None, field.model_name)
