"""reembed(): embed the rows whose text or embedding model has changed; stale_count() counts those of other models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dorm.queryset import QuerySet

from ..engines.limits.exempt import exempt
from ..exceptions import EmbeddingError
from ..introspection import require_one_key, rows_of
from ..steps import Count, Fetch, Steps, Update, arun, run
from .on_save import cleared, embedded, embedding_fields, hash_name, model_name, record, record_names
from .other_models import forget_checks

Progress = Callable[[int, int], Any]


def reembedded(queryset: Any, field: Any, batch_size: int, progress: Progress | None, dry_run: bool) -> Steps[int]:
    """Embed stale rows in batches, in primary key order, and return how many there were."""
    rows = _whole_rows(queryset)
    key, last, done, seen = queryset.model._meta.pk.name, None, 0, 0
    total = yield Count(rows)
    ordered = rows.order_by(key)
    while True:
        page = yield Fetch((ordered if last is None else ordered.filter(**{f"{key}__gt": last}))[:batch_size])
        if not page:
            forget_checks(field)
            return done
        last, seen = page[-1].pk, seen + len(page)
        stale = list(_stale(field, page))
        done += len(stale)
        if not dry_run:
            yield from _written(QuerySet(queryset.model, queryset._db), field, page, stale)
        if progress is not None:
            progress(seen, total)


def _written(rows: Any, field: Any, page: list[Any], stale: list[tuple[Any, str | None]]) -> Steps[None]:
    """Embed and write the stale rows of a page, and record the model of those that were known by their hash alone."""
    for row, text in stale:
        if text is None:
            cleared(field, row)
    yield from embedded(field, [(row, text) for row, text in stale if text is not None])
    if stale:
        yield Update(rows, [row for row, _text in stale], [field.name, *record_names(field)])
    unrecorded = list(_unrecorded(field, page, {id(row) for row, _text in stale}))
    if unrecorded:
        yield Update(rows, unrecorded, [model_name(field)])


def _whole_rows(queryset: Any) -> Any:
    """Return the rows with all columns; wrap a slice in a subquery, so that it can be sorted by primary key."""
    query = queryset._query
    if query.limit_val is None and not query.offset_val and query.selected_fields is None and not query.annotations:
        return queryset
    return QuerySet(queryset.model, queryset._db).filter(pk__in=queryset.values("pk"))


def _stale(field: Any, page: list[Any]) -> Iterator[tuple[Any, str | None]]:
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


@exempt
def reembed(
    queryset: Any,
    field: str | None = None,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> int:
    """Embed the rows whose vector does not match their current text and model, and return how many there were.

    Rows are processed in primary key order. If interrupted, call it again: it skips rows that are up to date.

    Args:
        queryset: The rows to check.
        field: The name of the EmbeddingField; optional if the model has only one.
        batch_size: The number of rows to read, embed and write at a time; by default, that of the field.
        progress: A function that is called with the number of rows done and the total after each batch.
        dry_run: Whether to count the rows without embedding or writing anything.
    """
    return run(_reembedding(queryset, field, batch_size, progress, dry_run))


@exempt
async def areembed(
    queryset: Any,
    field: str | None = None,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> int:
    """Do what ``reembed`` does, without blocking the event loop."""
    return await arun(_reembedding(queryset, field, batch_size, progress, dry_run))


def _reembedding(
    source: Any, name: str | None, batch_size: int | None, progress: Progress | None, dry_run: bool
) -> Steps[int]:
    queryset = rows_of(source)
    require_one_key(queryset.model, "reembed()")
    field = _field_of(queryset.model, name, "reembed")
    size = field.batch_size if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"reembed(batch_size={batch_size!r}): want a whole number of rows, at least 1.")
    return reembedded(queryset, field, size, progress, dry_run)


def stale_count(queryset: Any, field: str | None = None) -> int:
    """Return how many rows have a vector of another embedding model than the field's; reads no text and no vector.

    Rows whose model is unknown are not counted: those that were written before the field had ``record_model=True``.
    ``reembed(dry_run=True)`` reads the rows, and also counts those whose text has changed.

    Args:
        queryset: The rows to count; a model means all of its rows.
        field: The name of the EmbeddingField; optional if the model has only one.

    Raises:
        EmbeddingError: The field does not record its models.
    """
    return run(_counted(queryset, field))


async def astale_count(queryset: Any, field: str | None = None) -> int:
    """Do what ``stale_count`` does, on an async connection."""
    return await arun(_counted(queryset, field))


def _counted(source: Any, name: str | None) -> Steps[int]:
    queryset = rows_of(source)
    field = _field_of(queryset.model, name, "stale_count")
    if not field.records_model:
        raise EmbeddingError(
            f"{field.label} does not record its models: declare EmbeddingField(…, record_model=True) and migrate, or"
            " count with reembed(…, dry_run=True), which reads every text."
        )
    recorded = model_name(field)
    others = queryset.filter(**{f"{recorded}__isnull": False}).exclude(**{recorded: field.model_name})
    counted: int = yield Count(others)
    return counted


def _field_of(model: Any, name: str | None, function: str) -> Any:
    fields = {field.name: field for field in embedding_fields(model)}
    if name not in fields and (name is not None or len(fields) != 1):
        there = f"It has {', '.join(fields)}." if fields else "It has none."
        raise EmbeddingError(f"{model.__name__}: {function}(field={name!r}) names no EmbeddingField. {there}")
    return fields[name] if name is not None else next(iter(fields.values()))
