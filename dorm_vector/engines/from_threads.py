"""Use an async connection from synchronous code in another thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import Any

from . import dialect_for
from .uncancelled import failure_of, finished


async def in_thread(connection: Any, work: Callable[[Any], Any]) -> Any:
    """Run synchronous work on an async connection; if the task is cancelled, the work ends before its next statement.

    If the database commits each table change at once, the work is completed first, because it cannot be rolled back.
    """
    shared = FromThread(connection)
    # A task of asyncio.to_thread() would be cancelled with its event loop, while its thread went on.
    thread = asyncio.get_running_loop().run_in_executor(None, copy_context().run, work, shared)
    if dialect_for(connection).loading.ddl_commits:
        return await finished(thread)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        shared.stop()
        # Otherwise its statements would run after the rollback, and be committed one by one.
        await finished(asyncio.wait([thread]))
        failure_of(thread)
        raise


class FromThread:
    """Run djanorm's migration operations, which are synchronous, on an async connection.

    The event loop of the connection sends each statement while the thread waits for it.
    """

    def __init__(self, connection: Any) -> None:
        self._connection, self._loop = connection, asyncio.get_running_loop()
        self._running: Future[Any] | None = None
        self._is_stopped = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._connection, name)
        return self._waiting(value) if callable(value) else value

    def atomic(self) -> AbstractContextManager[None]:
        """Open nothing, because the caller of the thread has already opened a transaction."""
        return nullcontext()

    def stop(self) -> None:
        """Cancel the statement that runs, and raise CancelledError in the thread instead of sending another."""
        self._is_stopped = True
        if self._running is not None:
            self._running.cancel()

    def _waiting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            if not inspect.iscoroutine(result):
                return result
            if self._is_stopped:
                result.close()
                raise CancelledError
            self._running = running = asyncio.run_coroutine_threadsafe(result, self._loop)
            if self._is_stopped:
                # It was stopped between the two lines above.
                running.cancel()
            return running.result()

        return call
