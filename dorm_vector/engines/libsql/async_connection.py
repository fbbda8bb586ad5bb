"""The connection of djanorm's async wrapper: the sync connection in its own thread, as in aiosqlite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import Any, TypeVar, cast

from .connection import Connection
from .rows import Cursor, Row

_Answer = TypeVar("_Answer")


class AsyncConnection:
    """A connection that makes every call in its own thread, in the order of the awaits."""

    def __init__(self, connection: Connection, thread: ThreadPoolExecutor) -> None:
        self._connection, self._thread = connection, thread

    @classmethod
    async def open(cls, connect: Callable[[], Connection]) -> AsyncConnection:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dorm_vector hrana")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(thread, connect)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(connection, thread)

    @property
    def is_lost(self) -> bool:
        return self._connection.is_lost

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> AsyncCursor:
        return AsyncCursor(await self._do(lambda: self._connection.execute(sql, parameters)))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> AsyncCursor:
        return AsyncCursor(await self._do(lambda: self._connection.executemany(sql, parameters)))

    async def executescript(self, script: str) -> None:
        await self._do(lambda: self._connection.executescript(script))

    async def stream(self, sql: str, parameters: Iterable[Any], size: int) -> AsyncIterator[Row]:
        rows: Iterator[Row] = await self._do(lambda: self._connection.stream(sql, parameters, size))
        try:
            while some := await self._do(lambda: list(islice(rows, size))):
                for row in some:
                    yield row
        finally:
            await self._do(rows.close)  # type: ignore[attr-defined]  # rows is a generator

    async def commit(self) -> None:
        await self._do(self._connection.commit)

    async def rollback(self) -> None:
        await self._do(self._connection.rollback)

    async def close(self) -> None:
        await self._do(self._connection.close)
        self._thread.shutdown(wait=False)

    def close_without_loop(self) -> None:
        """Close from any thread, even if the event loop is gone."""
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    async def _do(self, call: Callable[[], _Answer]) -> _Answer:
        # In the caller's context, which may be without a statement timeout.
        context: Any = copy_context()
        return cast("_Answer", await asyncio.get_running_loop().run_in_executor(self._thread, context.run, call))


class AsyncCursor:
    """A completed statement, with all of its rows."""

    arraysize = 1

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid

    @property
    def row_factory(self) -> type[Row] | None:
        return self._cursor.row_factory

    @row_factory.setter
    def row_factory(self, factory: type[Row] | None) -> None:
        self._cursor.row_factory = factory

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        return self._cursor.fetchmany(size or self.arraysize)

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def __aiter__(self) -> AsyncIterator[Any]:
        for row in self._cursor:
            yield row

    async def close(self) -> None:
        self._cursor.close()
