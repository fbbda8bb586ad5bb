"""An async connection, as synchronous code in a thread of its own sees it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class FromThread:
    """Let djanorm's migration operations, which are synchronous, run on an async connection.

    Each statement is sent by the event loop of the connection while the thread waits for it.
    """

    def __init__(self, connection: Any) -> None:
        self._connection, self._loop = connection, asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._connection, name)
        return self._waiting(value) if callable(value) else value

    def atomic(self) -> AbstractContextManager[None]:
        """Open nothing: whoever runs the thread has a transaction open around it."""
        return nullcontext()

    def _waiting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            if not inspect.iscoroutine(result):
                return result
            return asyncio.run_coroutine_threadsafe(result, self._loop).result()

        return call
