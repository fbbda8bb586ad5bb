"""Observe searches: the log, spans and metrics, and the plan of a slow search."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from dorm.conf import settings

from ..engines import dialect_for
from ..telemetry.observers import Work, begin, end, is_observed, log, pause

_END: Any = object()

_SLOW_MS = 500.0

_PLAN_EVERY = 60.0
"""Seconds between the plans that are read for slow searches of one field."""

_explained: dict[str, float] = {}


def watched(queryset: Any, rows: Iterator[Any]) -> Iterator[Any]:
    """Return the rows of a search; the first one of them runs it."""
    return observed_rows(queryset, rows) if is_observed() else _timed(queryset, rows)


def awatched(queryset: Any, rows: AsyncIterator[Any]) -> AsyncIterator[Any]:
    return aobserved_rows(queryset, rows) if is_observed() else _atimed(queryset, rows)


def tell_slow(queryset: Any, started: float) -> None:
    """Log a search that has its rows, if it was slow; ``started`` is a time of ``time.perf_counter()``."""
    took = 1e3 * (time.perf_counter() - started)
    if _is_slow(took):
        _tell_slow(queryset, took, _plan(queryset))


async def atell_slow(queryset: Any, started: float) -> None:
    took = 1e3 * (time.perf_counter() - started)
    if _is_slow(took):
        _tell_slow(queryset, took, await _aplan(queryset))


def _timed(queryset: Any, rows: Iterator[Any]) -> Iterator[Any]:
    started = time.perf_counter()
    first = next(rows, _END)
    took = 1e3 * (time.perf_counter() - started)
    if _is_slow(took):
        _tell_slow(queryset, took, _plan(queryset))
    if first is not _END:
        yield first
        yield from rows


async def _atimed(queryset: Any, rows: AsyncIterator[Any]) -> AsyncIterator[Any]:
    started = time.perf_counter()
    first = await anext(rows, _END)
    took = 1e3 * (time.perf_counter() - started)
    if _is_slow(took):
        _tell_slow(queryset, took, await _aplan(queryset))
    if first is not _END:
        yield first
        async for row in rows:
            yield row


def observed_rows(queryset: Any, rows: Iterator[Any]) -> Iterator[Any]:
    work = _begun(queryset)
    try:
        first = next(rows, _END)
    except BaseException as error:
        work.error = error
        raise
    finally:
        _stopped(work, queryset, is_async=False)
    if _is_slow(1e3 * work.seconds):
        _tell_slow(queryset, 1e3 * work.seconds, _plan(queryset))
    try:
        while first is not _END:
            work.rows += 1
            yield first
            first = next(rows, _END)
    finally:
        end(work)


async def aobserved_rows(queryset: Any, rows: AsyncIterator[Any]) -> AsyncIterator[Any]:
    work = _begun(queryset)
    try:
        first = await anext(rows, _END)
    except BaseException as error:
        work.error = error
        raise
    finally:
        _stopped(work, queryset, is_async=True)
    if _is_slow(1e3 * work.seconds):
        _tell_slow(queryset, 1e3 * work.seconds, await _aplan(queryset))
    try:
        while first is not _END:
            work.rows += 1
            yield first
            first = await anext(rows, _END)
    finally:
        end(work)


def name_of(queryset: Any) -> str:
    """Return the model and the field path of a search."""
    return f"{queryset.model.__name__}.{queryset._query.search.field_path}"


def _begun(queryset: Any) -> Work:
    query = queryset._query
    metric = getattr(query.annotations.get(query.search.name), "metric", None)
    described = {
        "db.operation.name": "search",
        "db.collection.name": queryset.model._meta.db_table,
        "db.namespace": str(query.using or "default"),
        "gen_ai.operation.name": "retrieval",
        "dorm.vector.field": name_of(queryset),
        "dorm.vector.metric": metric.value if metric is not None else "",
        "dorm.vector.k": query.limit_val if query.limit_val is not None else -1,
    }
    work = Work("search", name_of(queryset), described, source=queryset)
    begin(work)
    return work


def _stopped(work: Work, queryset: Any, *, is_async: bool) -> None:
    pause(work)
    if work.error is None:
        connection = queryset._get_async_connection() if is_async else queryset._get_connection()
        # By now it is known without asking the server.
        work.attributes["db.system.name"] = dialect_for(connection).name
        work.plan = work.plan or "exact"
    else:
        end(work)


def _is_slow(milliseconds: float) -> bool:
    # getattr() with a default takes 5 µs where a setting is not set.
    limit = vars(settings).get("DORM_VECTOR_SLOW_SEARCH_MS", _SLOW_MS)
    return limit is not None and milliseconds >= limit


def _tell_slow(queryset: Any, milliseconds: float, plan: str) -> None:
    limit = queryset._query.limit_val
    log.warning("Slow search of %s, k=%s: %.0f ms. %s", name_of(queryset), limit, milliseconds, plan)


def _plan(queryset: Any) -> str:
    if not _is_due(queryset):
        return _SHOWN
    try:
        return str(queryset.explain_search())
    except Exception as error:  # noqa: BLE001  # the search itself has succeeded
        return _unexplained(error)


async def _aplan(queryset: Any) -> str:
    if not _is_due(queryset):
        return _SHOWN
    try:
        return str(await queryset.aexplain_search())
    except Exception as error:  # noqa: BLE001  # as above
        return _unexplained(error)


_SHOWN = "Its plan was logged less than a minute ago."


def _unexplained(error: Exception) -> str:
    return f"Its plan could not be read: {type(error).__name__}."


def _is_due(queryset: Any) -> bool:
    """Return whether to read the plan, which is a statement of its own."""
    now, name = time.monotonic(), name_of(queryset)
    if now - _explained.get(name, -_PLAN_EVERY) < _PLAN_EVERY:
        return False
    _explained[name] = now
    return True
