"""Share one run of reembed() between workers: each locks the stale rows that it embeds, and skips those of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..exceptions import UnsupportedByDatabase
from ..query.routed import for_writing
from ..steps import Count, Fetch, InTransaction, Step, Steps
from .ahead import EmbeddingWorker
from .other_models import forget_checks
from .pages import Page, Pages, Progress, stale_rows


class Claim(Step):
    """Lock the rows with these keys until the transaction ends, and return the keys of those that were locked."""

    def __init__(self, queryset: Any, keys: list[Any], waits: bool) -> None:
        self._queryset, self._keys, self._waits = queryset, keys, waits

    def run(self, wrapper: Any) -> list[Any]:
        connection = self._queryset._get_connection()
        found = (connection.execute(*statement) for statement in self._statements(connection))
        return [row["key"] for rows in found for row in rows]

    async def arun(self, wrapper: Any) -> list[Any]:
        connection = self._queryset._get_async_connection()
        found = [await connection.execute(*statement) for statement in self._statements(connection)]
        return [row["key"] for rows in found for row in rows]

    def _statements(self, connection: Any) -> Iterator[tuple[str, list[Any]]]:
        one = dialect_for(connection).loading.claims_one_row
        for keys in [[key] for key in sorted(self._keys)] if one else [self._keys]:
            yield self._statement(connection, keys)

    def _statement(self, connection: Any, keys: list[Any]) -> tuple[str, list[Any]]:
        meta = self._queryset.model._meta
        places = ", ".join(["%s"] * len(keys))
        # In one order, so that no two workers wait for each other.
        loading = dialect_for(connection).loading
        lock, table = (
            loading.claim + ("" if self._waits else " SKIP LOCKED"),
            loading.by_key.format(table=meta.db_table),
        )
        sql = f'SELECT "{meta.pk.column}" AS "key" FROM {table} WHERE "{meta.pk.column}" IN ({places})'
        return f'{sql} ORDER BY "{meta.pk.column}" {lock}', [meta.pk.get_db_prep_value(key) for key in keys]


class RequireClaims(Step):
    """Raise UnsupportedByDatabase if workers cannot lock rows."""

    def __init__(self, queryset: Any) -> None:
        self._queryset = queryset

    def run(self, wrapper: Any) -> None:
        self._check(dialect_for(self._queryset._get_connection()))

    async def arun(self, wrapper: Any) -> None:
        self._check(dialect_for(self._queryset._get_async_connection()))

    def _check(self, dialect: Dialect) -> None:
        lacking = dialect.loading.no_claim
        if lacking is not None:
            raise UnsupportedByDatabase(f"{dialect.title}: {lacking.reason} {lacking.instead} See {lacking.see}.")


class SharedPages(Pages):
    """The rows of a queryset, some of which other workers may embed.

    The first round skips the rows that others hold. A second one waits for them, and embeds what is still stale because
    a worker died.
    """

    def __init__(self, queryset: Any, field: Any, size: int | None, worker: EmbeddingWorker) -> None:
        for_writing(queryset)
        super().__init__(queryset, field, size, worker)

    def reembedded(self, progress: Progress | None) -> Steps[int]:
        yield RequireClaims(self._rows)
        total, done = (yield Count(self._rows)), 0
        if progress is not None:
            progress(0, total)
        for waits in (False, True):
            self._last, self._ended, seen = None, False, 0
            while rows := (yield from self._next()):
                keys = [row.pk for row in self._unfinished(rows)]
                if keys:
                    done += yield InTransaction(self._rows._db, self._claimed(keys, waits))
                seen += len(rows)
                if progress is not None and not waits:
                    progress(seen, total)
        forget_checks(self._field)
        return done

    def _unfinished(self, rows: list[Any]) -> list[Any]:
        """Return the rows to write: the stale ones, and those whose model is not recorded."""
        stale = [row for row, _text in stale_rows(self._field, rows)]
        return [*stale, *self._unrecorded_of(rows, stale)]

    def _claimed(self, keys: list[Any], waits: bool) -> Steps[int]:
        """Embed those of the rows that no other worker holds or has embedded meanwhile."""
        own: list[Any] = yield Claim(self._rows, keys, waits)
        rows = (yield Fetch(self._ordered.filter(pk__in=own))) if own else []
        call, pages = self._size or self._field.batch_size, []
        for start in range(0, len(rows), call):
            page: Page = yield from self._begun(rows[start : start + call])
            pages.append(page)
        for page in pages:
            # The next ones are being embedded.
            yield from self._write(page)
        return sum(len(page.stale) for page in pages)
