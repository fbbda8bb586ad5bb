"""Embed the next batches of a load while the current one is written: in one worker thread, or one task at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from ..steps import Step
from ..telemetry.observers import embedding
from .embedders import Embedder, one_for_each

_SECONDS = 0.5
"""Embedding time of the rows that are read and written at a time, which an interrupted run repeats."""

_MOST_CALLS = 16

_MOST_HELD = 4_000
"""Rows that a worker of several holds at a time, however fast its embedder is."""


class Pace:
    """How fast an embedder is, as measured so far."""

    def __init__(self) -> None:
        self._texts, self._seconds = 0, 0.0

    def note(self, texts: int, seconds: float) -> None:
        self._texts, self._seconds = self._texts + texts, self._seconds + seconds

    def rows_at_a_time(self, call: int, seconds: float = _SECONDS, most: int = _MOST_CALLS) -> int:
        """Return a number of texts for whole calls of that many; one call as long as nothing was measured."""
        if not self._texts:
            return call
        calls = seconds * self._texts / max(self._seconds, 1e-6) / call
        return call * max(1, min(most, int(calls)))


class EmbeddingWorker:
    """Calls embedders in the background, one call at a time, in the order in which texts were submitted."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._pool: ThreadPoolExecutor | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._turn: asyncio.Lock | None = None

    def submit(self, embedder: Embedder, texts: Sequence[str], size: int) -> Any:
        """Begin to embed the texts, ``size`` at a time, in the worker thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="dorm-vector-embedder")
        return self._pool.submit(copy_context().run, self._embedded, embedder, texts, size)

    def asubmit(self, embedder: Embedder, texts: Sequence[str], size: int) -> Any:
        """Begin to embed the texts in a task."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        self._tasks.append(asyncio.create_task(self._aembedded(self._turn, embedder, texts, size)))
        return self._tasks[-1]

    def rows_at_a_time(self, call: int) -> int:
        """Return how many rows to read and write at a time, if the embedder is given ``call`` texts at a time."""
        return self._pace.rows_at_a_time(call)

    def rows_to_share(self, call: int) -> tuple[int, int]:
        """Return how many rows to lock at a time, and how many to hold until the transaction ends.

        A second of work is held, and locked in small parts, so that little is embedded twice if a worker is killed, and
        the last rows are done by all workers.
        """
        held = self._pace.rows_at_a_time(call, 2 * _SECONDS, _MOST_HELD // call)
        return self._pace.rows_at_a_time(call, _SECONDS / _MOST_CALLS), held

    def close(self) -> None:
        """Wait for the current call, and forget what was submitted after it."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    async def aclose(self) -> None:
        """Cancel what has not ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _embedded(self, embedder: Embedder, texts: Sequence[str], size: int) -> list[Any]:
        vectors: list[Any] = []
        for start in range(0, len(texts), size):
            part, began = texts[start : start + size], time.monotonic()
            with embedding(embedder.name, len(part)):
                vectors += one_for_each(embedder, part, embedder.embed_documents(part))
            self._pace.note(len(part), time.monotonic() - began)
        return vectors

    async def _aembedded(self, turn: asyncio.Lock, embedder: Embedder, texts: Sequence[str], size: int) -> list[Any]:
        vectors: list[Any] = []
        async with turn:
            for start in range(0, len(texts), size):
                part, began = texts[start : start + size], time.monotonic()
                with embedding(embedder.name, len(part)):
                    vectors += one_for_each(embedder, part, await embedder.aembed_documents(part))
                self._pace.note(len(part), time.monotonic() - began)
        return vectors


@dataclass(eq=False, repr=False)
class BeginEmbedding(Step):
    """Begin to embed texts in the background, and return what ``Wait`` waits for."""

    worker: EmbeddingWorker
    embedder: Embedder
    texts: list[str]
    size: int

    def run(self, wrapper: Any) -> Any:
        return self.worker.submit(self.embedder, self.texts, self.size)

    async def arun(self, wrapper: Any) -> Any:
        return self.worker.asubmit(self.embedder, self.texts, self.size)
