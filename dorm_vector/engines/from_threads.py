"""Use an async connection from synchronous code in another thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class FromThread:
    """Run djanorm's migration operations, which are synchronous, on an async connection.

    The event loop of the connection sends each statement while the thread waits for it.
    """

    def __init__(self, connection: Any) -> None:
        self._connection, self._loop = connection, asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._connection, name)
        return self._waiting(value) if callable(value) else value

    def atomic(self) -> AbstractContextManager[None]:
        """Open nothing, because the caller of the thread has already opened a transaction."""
        return nullcontext()

    def _waiting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            if not inspect.iscoroutine(result):
                return result
            return asyncio.run_coroutine_threadsafe(result, self._loop).result()

        return call
