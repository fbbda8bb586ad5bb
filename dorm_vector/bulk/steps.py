"""Steps that write many rows at once, in the fastest way of each driver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..engines.uncancelled import PATIENCE, finished
from ..frames.fetching import logged
from ..steps import Step


@dataclass(eq=False, repr=False)
class Many(Step):
    """Run a prepared statement once per row, and return how many rows it changed."""

    sql: str
    rows: Iterable[tuple[Any, ...]]

    def run(self, wrapper: Any) -> Any:
        with logged(wrapper, self.sql):
            return wrapper.get_connection().executemany(wrapper._adapt(self.sql), self.rows).rowcount

    async def arun(self, wrapper: Any) -> Any:
        async with wrapper._operation_conn() as connection:
            with logged(wrapper, self.sql):
                return (await connection.executemany(wrapper._adapt(self.sql), self.rows)).rowcount


@dataclass(eq=False, repr=False)
class Copy(Step):
    """Send the bytes of a COPY, and return how many rows were written."""

    sql: str
    data: bytes

    def run(self, wrapper: Any) -> Any:
        with logged(wrapper, self.sql), wrapper._choose_conn().cursor() as cursor:
            with cursor.copy(self.sql) as copy:
                copy.write(self.data)
            return cursor.rowcount

    async def arun(self, wrapper: Any) -> Any:
        connection = await wrapper._choose_conn()
        with logged(wrapper, self.sql):
            # A cancelled COPY leaves psycopg's connection unusable.
            return await finished(self._sent(connection), PATIENCE)

    async def _sent(self, connection: Any) -> Any:
        async with connection.cursor() as cursor:
            async with cursor.copy(self.sql) as copy:
                await copy.write(self.data)
            return cursor.rowcount


@dataclass(eq=False, repr=False)
class Next(Step):
    """Return the next item of an iterator (an async one on an async connection), or None at its end."""

    iterator: Any

    def run(self, wrapper: Any) -> Any:
        return next(self.iterator, None)

    async def arun(self, wrapper: Any) -> Any:
        return await anext(self.iterator, None)


@dataclass(eq=False, repr=False)
class NextInThread(Step):
    """Return the next item of an iterator, or None at its end; an event loop does not wait for its file."""

    iterator: Iterator[Any]

    def run(self, wrapper: Any) -> Any:
        return next(self.iterator, None)

    async def arun(self, wrapper: Any) -> Any:
        # The caller closes the file, so that the thread has to be done with it.
        return await finished(asyncio.to_thread(next, self.iterator, None), PATIENCE)


class RawConnection(Step):
    """Return the driver connection of the current transaction."""

    def run(self, wrapper: Any) -> Any:
        return wrapper._choose_conn()

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper._choose_conn()
