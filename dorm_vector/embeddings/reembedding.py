"""reembed(): embed the rows whose text or embedding model has changed; stale_count() counts those of other models."""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import Any

from ..engines.limits.exempt import exempt
from ..exceptions import EmbeddingError
from ..introspection import require_one_key, rows_of
from ..steps import Count, Steps, arun, run
from .ahead import EmbeddingWorker
from .on_save import embedding_fields, model_name
from .pages import Pages, Progress
from .shared_pages import SharedPages


@exempt
def reembed(
    queryset: Any,
    field: str | None = None,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    shared: bool = False,
) -> int:
    """Embed the rows whose vector does not match their current text and model, and return how many there were.

    Rows are processed in primary key order. The next two batches are embedded while one is written, one call of the
    embedder at a time, in a worker thread or a task. If interrupted, call it again: it skips rows that are up to date.

    With ``shared=True``, several processes, threads or machines can run it at once, on PostgreSQL, MariaDB and MySQL:
    each locks the rows that it embeds and skips those of others, so that none is embedded twice. It locks the next rows
    while it embeds, and commits after about a second of embedding. If a worker is killed, the others embed its rows.

    Args:
        queryset: The rows to check.
        field: The name of the EmbeddingField; optional if the model has only one.
        batch_size: The number of rows to read, embed and write at a time. By default, the embedder is given the field's
            ``batch_size`` of texts at a time, and as many rows are read and written at a time as it embeds in about
            half a second: up to 16 times as many.
        progress: A function that is called with the number of rows done and the total, at once and after each
            batch; with ``shared=True``, after each commit.
        dry_run: Whether to count the rows without embedding or writing anything.
        shared: Whether other workers embed the rows of this table, too.

    Raises:
        UnsupportedByDatabase: The database has no row locks to share the rows with.
    """
    with closing(EmbeddingWorker()) as worker:
        return run(_pages(queryset, field, batch_size, None if dry_run else worker, shared).reembedded(progress))


@exempt
async def areembed(
    queryset: Any,
    field: str | None = None,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    shared: bool = False,
) -> int:
    """Do what ``reembed`` does, without blocking the event loop."""
    async with aclosing(EmbeddingWorker()) as worker:
        return await arun(_pages(queryset, field, batch_size, None if dry_run else worker, shared).reembedded(progress))


def _pages(
    source: Any, name: str | None, batch_size: int | None, worker: EmbeddingWorker | None, shared: bool
) -> Pages:
    queryset = rows_of(source)
    require_one_key(queryset.model, "reembed()")
    field = _field_of(queryset.model, name, "reembed")
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"reembed(batch_size={batch_size!r}): want a whole number of rows, at least 1.")
    if shared and worker is not None:
        return SharedPages(queryset, field, batch_size, worker)
    return Pages(queryset, field, batch_size, worker)


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
