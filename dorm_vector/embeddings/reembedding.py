"""reembed(): embed the rows whose text or embedding model has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dorm.queryset import QuerySet

from ..engines.limits.exempt import exempt
from ..exceptions import EmbeddingError
from ..introspection import require_one_key, rows_of
from ..steps import Count, Fetch, Steps, Update, arun, run
from .on_save import cleared, embedded, embedding_fields, hash_name

Progress = Callable[[int, int], Any]


def reembedded(queryset: Any, field: Any, batch_size: int, progress: Progress | None) -> Steps[int]:
    """Embed stale rows in batches, in primary key order, and return how many there were."""
    rows = _whole_rows(queryset)
    key, last, done, seen = queryset.model._meta.pk.name, None, 0, 0
    total = yield Count(rows)
    ordered = rows.order_by(key)
    while True:
        page = yield Fetch((ordered if last is None else ordered.filter(**{f"{key}__gt": last}))[:batch_size])
        if not page:
            return done
        last, seen = page[-1].pk, seen + len(page)
        stale = list(_stale(field, page))
        yield from embedded(field, [(row, text) for row, text in stale if text is not None])
        if stale:
            own = QuerySet(queryset.model, queryset._db)
            yield Update(own, [row for row, _text in stale], [field.name, hash_name(field)])
            done += len(stale)
        if progress is not None:
            progress(seen, total)


def _whole_rows(queryset: Any) -> Any:
    """Return the rows with all columns; wrap a slice in a subquery, so that it can be sorted by primary key."""
    query = queryset._query
    if query.limit_val is None and not query.offset_val and query.selected_fields is None and not query.annotations:
        return queryset
    return QuerySet(queryset.model, queryset._db).filter(pk__in=queryset.values("pk"))


def _stale(field: Any, page: list[Any]) -> Iterator[tuple[Any, str | None]]:
    for row in page:
        text, known, vector = field.text(row), row.__dict__.get(hash_name(field)), getattr(row, field.name)
        if text is None and (known is not None or vector is not None):
            cleared(field, row)
            yield row, None
        elif text is not None and (known != field.hash(text) or vector is None):
            yield row, text


@exempt
def reembed(
    queryset: Any, field: str | None = None, *, batch_size: int | None = None, progress: Progress | None = None
) -> int:
    """Embed the rows whose vector does not match their current text and model, and return how many there were.

    Rows are processed in primary key order. If interrupted, call it again: it skips rows that are up to date.

    Args:
        queryset: The rows to check.
        field: The name of the EmbeddingField; optional if the model has only one.
        batch_size: The number of rows to read, embed and write at a time; by default, that of the field.
        progress: A function that is called with the number of rows done and the total after each batch.
    """
    return run(_reembedding(queryset, field, batch_size, progress))


@exempt
async def areembed(
    queryset: Any, field: str | None = None, *, batch_size: int | None = None, progress: Progress | None = None
) -> int:
    """Do what ``reembed`` does, without blocking the event loop."""
    return await arun(_reembedding(queryset, field, batch_size, progress))


def _reembedding(source: Any, name: str | None, batch_size: int | None, progress: Progress | None) -> Steps[int]:
    queryset = rows_of(source)
    require_one_key(queryset.model, "reembed()")
    fields = {field.name: field for field in embedding_fields(queryset.model)}
    if name not in fields and (name is not None or len(fields) != 1):
        there = f"It has {', '.join(fields)}." if fields else "It has none."
        raise EmbeddingError(f"{queryset.model.__name__}: reembed(field={name!r}) names no EmbeddingField. {there}")
    field = fields[name] if name is not None else next(iter(fields.values()))
    size = field.batch_size if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"reembed(batch_size={batch_size!r}): want a whole number of rows, at least 1.")
    return reembedded(queryset, field, size, progress)
