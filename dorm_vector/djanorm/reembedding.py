"""All rows of a queryset whose vectors are not of their present text and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dorm.queryset import QuerySet

from ..steps import Fetch, Step, Steps
from .embedding import cleared, embedded, hash_name

Progress = Callable[[int, int], Any]


@dataclass(eq=False, repr=False)
class Count(Step):
    """Count the rows of a queryset."""

    queryset: Any

    def run(self, wrapper: Any) -> int:
        return int(self.queryset.count())

    async def arun(self, wrapper: Any) -> int:
        return int(await self.queryset.acount())


@dataclass(eq=False, repr=False)
class Update(Step):
    """Write some fields of rows."""

    queryset: Any
    rows: list[Any]
    fields: list[str]

    def run(self, wrapper: Any) -> Any:
        return self.queryset.bulk_update(self.rows, self.fields)

    async def arun(self, wrapper: Any) -> Any:
        return await self.queryset.abulk_update(self.rows, self.fields)


def reembedded(queryset: Any, field: Any, batch_size: int, progress: Progress | None) -> Steps[int]:
    """Embed them a batch at a time, in the order of their keys, and return how many there were."""
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
    """Return the rows with all of their columns, and those of a slice as rows that can be sorted anew."""
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
