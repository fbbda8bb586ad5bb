"""Read the next page of a table while the current one is written or compared: in a worker thread, or in a task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from ...engines import dialect_for
from ...engines.connections import is_in_memory
from ...steps import Step, Steps, Wait, arun, run
from .pages import Reader
from .tables import Row, Table


class Background:
    """Runs steps in the background, one generator at a time."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[Any] | None = None

    def submit(self, steps: Steps[Any]) -> Any:
        """Begin to run the steps in the worker thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="dorm-vector-copy")
        return self._pool.submit(copy_context().run, run, steps)

    def asubmit(self, steps: Steps[Any]) -> Any:
        """Begin to run the steps in a task."""
        self._task = asyncio.create_task(arun(steps))
        return self._task

    def close(self) -> None:
        """Wait for the steps that run."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    async def aclose(self) -> None:
        """Cancel what has not ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@dataclass(eq=False, repr=False)
class _Begin(Step):
    """Begin to run steps that use a connection, and return what ``Wait`` waits for; None if they cannot run now."""

    background: Background
    connection: Any
    steps: Steps[Any]

    def run(self, wrapper: Any) -> Any:
        # Another thread has another connection, which does not see what an open transaction has written.
        is_own = self.connection._atomic_depth or is_in_memory(self.connection)
        if is_own or not dialect_for(self.connection).loading.reads_ahead:
            return None
        return self.background.submit(self.steps)

    async def arun(self, wrapper: Any) -> Any:
        return self.background.asubmit(self.steps)


class PagesAhead:
    """The pages of a table after a key, each read while the one before is being used."""

    def __init__(
        self,
        table: Table,
        reader: Reader,
        background: Background,
        most: int,
        after: Sequence[Any] | None = None,
        where: str = "",
    ) -> None:
        self._table, self._source, self._background = table, reader, background
        self._most, self._after, self._where = most, after, where
        self._begun: Any = None

    def next(self) -> Steps[list[Row]]:
        """Return the next page, empty at the end, and begin to read the one after it."""
        rows: list[Row] = (yield from self._page()) if self._begun is None else (yield Wait(self._begun))
        self._begun = None
        if rows:
            self._after = self._table.key(rows[-1])
            self._begun = yield _Begin(self._background, self._source.connection, self._page())
        return rows

    def _page(self) -> Steps[list[Row]]:
        rows = yield from self._source.page(self._after, self._most, self._where)
        return rows
