"""Share one run of reembed() between workers: each locks the stale rows that it embeds, and skips those of others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..exceptions import UnsupportedByDatabase
from ..query.routed import for_writing
from ..steps import Count, Fetch, InTransaction, Step, Steps
from .ahead import EmbeddingWorker
from .claims import Claim, State, States, recorded, state_of
from .other_models import forget_checks
from .pages import AHEAD, MOST_ROWS, Page, Pages, Progress, Stale, stale_rows

_BATCHES = 4
"""Batches that a worker holds, if their size is given."""

_REMEMBERED = 10_000
"""Rows of other workers to remember before looking which of them are done."""


class RequireClaims(Step):
    """Return the dialect; raise UnsupportedByDatabase if workers cannot lock rows."""

    def __init__(self, queryset: Any) -> None:
        self._queryset = queryset

    def run(self, wrapper: Any) -> Dialect:
        return self._checked(dialect_for(self._queryset._get_connection()))

    async def arun(self, wrapper: Any) -> Dialect:
        return self._checked(dialect_for(self._queryset._get_async_connection()))

    def _checked(self, dialect: Dialect) -> Dialect:
        lacking = dialect.loading.no_claim
        if lacking is not None:
            raise UnsupportedByDatabase(f"{dialect.title}: {lacking.reason} {lacking.instead} See {lacking.see}.")
        return dialect


class _Candidate(NamedTuple):
    """A row to write, as it was read and as it will be; ``stale`` is None if only its model has to be recorded."""

    row: Any
    stale: Stale | None
    before: State
    after: State


class SharedPages(Pages):
    """The rows of a queryset, some of which other workers may embed.

    Each transaction locks rows part by part, while the parts before are embedded and written, and ends when it holds
    what the embedder does in about a second. The first round skips the rows that others hold. A second one waits
    for them, and embeds what is still stale because a worker died.
    """

    _worker: EmbeddingWorker

    def __init__(self, queryset: Any, field: Any, size: int | None, worker: EmbeddingWorker) -> None:
        for_writing(queryset)
        super().__init__(queryset, field, size, worker)
        self._candidates: deque[_Candidate] = deque()
        self._others: dict[Any, State] = {}
        """The rows that other workers held, and the states that they will have when they are done."""
        self._remembered, self._seen = _REMEMBERED, 0
        self._reads_inside = True
        self._left: list[Any] | None = None
        """In the second round, the keys of the rows to wait for."""

    def reembedded(self, progress: Progress | None) -> Steps[int]:
        dialect: Dialect = yield RequireClaims(self._rows)
        self._reads_inside = dialect.loading.reads_with_claims
        total, done = (yield Count(self._rows)), 0
        if progress is not None:
            progress(0, total)
        while not self._is_over():
            done += yield from self._transaction()
            if progress is not None:
                progress(self._seen - len(self._candidates), total)
            if len(self._others) > self._remembered:
                yield from self._forget_done()
        yield from self._forget_done()
        self._left, self._ended = list(self._others), False
        while not self._is_over():
            done += yield from self._transaction()
        forget_checks(self._field)
        return done

    def _is_over(self) -> bool:
        return self._ended and not self._candidates

    def _transaction(self) -> Steps[int]:
        if not self._reads_inside:
            yield from self._read_candidates(self._rows_to_share()[1])
        done: int = yield InTransaction(self._rows._db, self._held())
        return done

    def _held(self) -> Steps[int]:
        """Lock, embed and write rows until the transaction holds enough of them, and return how many were embedded."""
        pages: deque[Page] = deque()
        own: list[_Candidate] = []
        held, done, is_full = 0, 0, False
        at_a_time, most = self._rows_to_share()
        while pages or own or not is_full:
            if not is_full and len(pages) < AHEAD:
                tried = yield from self._tried(at_a_time - len(own))
                locked = yield from self._locked(tried)
                own, held = own + locked, held + len(locked)
                is_full = held >= most or not tried
            if own and (is_full or len(own) >= at_a_time):
                stale = [each.stale for each in own if each.stale is not None]
                pages.append((yield from self._begun([each.row for each in own], stale)))
                own = []
            if pages and (is_full or len(pages) == AHEAD or pages[0].is_embedded):
                page = pages.popleft()
                yield from self._write(page)
                done += len(page.stale)
        return done

    def _rows_to_share(self) -> tuple[int, int]:
        """Return how many rows to lock at a time, and how many to hold until the transaction ends."""
        if self._size is not None:
            return self._size, _BATCHES * self._size
        return self._worker.rows_to_share(int(self._field.batch_size))

    def _tried(self, count: int) -> Steps[list[_Candidate]]:
        """Return up to ``count`` of the next stale rows; none at the end, or if all of a page are up to date."""
        if self._reads_inside:
            yield from self._read_candidates(count)
        return [self._candidates.popleft() for _ in range(min(count, len(self._candidates)))]

    def _read_candidates(self, count: int) -> Steps[None]:
        """Read a page, unless there are ``count`` candidates."""
        if len(self._candidates) < count and not self._ended:
            rows = yield from self._next()
            self._candidates += self._candidates_of(rows)
            self._seen += len(rows) if self._left is None else 0

    def _locked(self, tried: list[_Candidate]) -> Steps[list[_Candidate]]:
        """Lock the rows, and return those that no other worker holds or has embedded."""
        keys = [each.row.pk for each in tried]
        states = (yield Claim(self._rows, self._field, keys, waits=self._left is not None)) if keys else {}
        return [each for each in tried if self._is_free(each, states.get(each.row.pk))]

    def _is_free(self, candidate: _Candidate, state: State | None) -> bool:
        """Return whether a row was locked as it was read; remember it for the second round unless it is done."""
        if state not in (candidate.before, candidate.after) and self._left is None:
            self._others[candidate.row.pk] = candidate.after
        return state == candidate.before

    def _next(self) -> Steps[list[Any]]:
        if self._left is None:
            return (yield from super()._next())
        keys, self._left = self._left[: (count := self._rows_at_a_time())], self._left[count:]
        self._ended = not keys
        rows: list[Any] = (yield Fetch(self._ordered.filter(pk__in=keys))) if keys else []
        return rows

    def _rows_at_a_time(self) -> int:
        _, held = self._rows_to_share()
        return min(MOST_ROWS, held) if self._reads_inside else held

    def _candidates_of(self, rows: list[Any]) -> Iterator[_Candidate]:
        """Yield the rows to write: the stale ones, and those whose model is not recorded."""
        field, stale = self._field, {id(each.row): each for each in stale_rows(self._field, rows)}
        unrecorded = {id(row) for row in self._unrecorded_of(rows, list(stale.values()))}
        for row in rows:
            found = stale.get(id(row))
            if found is None and id(row) not in unrecorded:
                continue
            before = state_of(field, row)
            right, missing = (before.hash, False) if found is None else (found.hash, found.text is None)
            yield _Candidate(row, found, before, State(right, missing, recorded(field, missing=missing)))

    def _forget_done(self) -> Steps[None]:
        """Forget the rows that other workers have embedded, or that are gone."""
        keys = list(self._others)
        for start in range(0, len(keys), MOST_ROWS):
            part = keys[start : start + MOST_ROWS]
            states = yield States(self._rows, self._field, part)
            for key in part:
                if states.get(key) in (None, self._others[key]):
                    del self._others[key]
        self._remembered = max(_REMEMBERED, 2 * len(self._others))
