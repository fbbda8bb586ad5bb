"""Report the progress of an index build: that of the server, or the rows of a companion table."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Self

from dorm.db.connection import get_connection
from dorm.exceptions import DatabaseError

from ..dialects.base import Dialect

Progress = Callable[[int, int | None], object]

_SECONDS_BETWEEN = 0.5

_ROWS_AT_ONCE = 2_000

_RUNNING: ContextVar[BuildReport | None] = ContextVar("dorm_vector_build_report", default=None)


class BuildReport:
    """Call ``progress`` from the beginning of a build to its end, at least twice a second: ``with BuildReport(…): …``.

    A thread asks the server how far it is, over a connection of its own. A server that cannot say is not asked: the
    calls then have no total. They come from that thread; with ``async with``, from the event loop.
    """

    def __init__(self, progress: Progress | None, alias: str, dialect: Dialect, table: str) -> None:
        self._progress, self._alias = progress, alias
        self._query, self._table = dialect.upkeep.building, table
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done, self._total, self._phase = 0, 0, ""
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._watch, name="dorm-vector build report", daemon=True)

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._tell()
            self._token = _RUNNING.set(self)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if self._progress is None:
            return
        _RUNNING.reset(self._token)
        self._stopped.set()
        # It may wait for a connection; it ends without a call then.
        self._thread.join(_SECONDS_BETWEEN)
        if kind is None:
            if self._failed is not None:
                raise self._failed
            self._done = self._total = self._total or 1
            self._tell()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.__exit__(kind, *error)
        if kind is None and self._progress is not None:
            # Let the scheduled calls run.
            await asyncio.sleep(0)

    def rows(self, done: int, total: int) -> None:
        """Report how many rows of the table are done."""
        self._done, self._total = done, total
        self._tell()

    def _watch(self) -> None:
        try:
            while not self._stopped.wait(_SECONDS_BETWEEN):
                self._ask()
                if not self._stopped.is_set():
                    self._tell()
        except Exception as error:  # noqa: BLE001  # the error of a callback is raised where the build ends
            self._failed = error

    def _ask(self) -> None:
        try:
            rows = get_connection(self._alias).execute(self._query, [self._table]) if self._query else []
        except DatabaseError:
            # The build does not depend on its progress.
            self._query = ""
            return
        for row in rows:
            self._done, self._total = int(row["done"] or 0), int(row["total"] or 0)
            if row["phase"] != self._phase:
                self._phase = str(row["phase"])
                note = getattr(self._progress, "note", None)
                if note is not None:
                    self._call(partial(note, self._phase))

    def _tell(self) -> None:
        if self._progress is not None:
            self._call(partial(self._progress, self._done, self._total or None))

    def _call(self, callback: Callable[[], object]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(callback)
            return
        with self._lock:
            callback()


def in_running_loop(progress: Progress | None) -> Progress | None:
    """Return a function for another thread, which calls ``progress`` in this thread's event loop."""
    if progress is None:
        return None
    loop = asyncio.get_running_loop()
    return lambda done, total: loop.call_soon_threadsafe(partial(progress, done, total))


def fill(statement: str, table: str, connection: Any) -> None:
    """Run the statement that fills a companion table; while somebody watches, a part of the rows at a time."""
    report = _RUNNING.get()
    if report is None:
        connection.execute_write(statement)
        return
    (whole,) = connection.execute(f'SELECT COUNT(*) AS "rows", MIN(_rowid_) AS "low" FROM "{table}"')
    total, low, done = int(whole["rows"]), whole["low"], 0
    report.rows(0, total)
    while low is not None:
        (part,) = connection.execute(
            f'SELECT COUNT(*) AS "rows", MAX(r) AS "high" FROM (SELECT _rowid_ AS r FROM "{table}"'
            f" WHERE _rowid_ >= {low} ORDER BY _rowid_ LIMIT {_ROWS_AT_ONCE})"
        )
        if part["high"] is None:
            break
        connection.execute_write(f"{statement} AND _rowid_ BETWEEN {low} AND {part['high']}")
        done, low = done + int(part["rows"]), int(part["high"]) + 1
        report.rows(done, total)
