"""Steps that move many rows at once, in the fastest way of each driver."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dorm.db.utils import log_query
from dorm.transaction import aatomic, atomic

from ..engines.driver_errors import raising_ours
from ..engines.uncancelled import PATIENCE, finished
from ..steps import Step, Steps, arun, run


@dataclass(eq=False, repr=False)
class Many(Step):
    """Run a prepared statement once per row, and return how many rows it changed."""

    sql: str
    rows: Iterable[tuple[Any, ...]]

    def run(self, wrapper: Any) -> Any:
        with _logged(wrapper, self.sql):
            return wrapper.get_connection().executemany(wrapper._adapt(self.sql), self.rows).rowcount

    async def arun(self, wrapper: Any) -> Any:
        async with wrapper._operation_conn() as connection:
            with _logged(wrapper, self.sql):
                return (await connection.executemany(wrapper._adapt(self.sql), self.rows)).rowcount


@dataclass(eq=False, repr=False)
class Copy(Step):
    """Send the bytes of a COPY, and return how many rows were written."""

    sql: str
    data: bytes

    def run(self, wrapper: Any) -> Any:
        with _logged(wrapper, self.sql), wrapper._choose_conn().cursor() as cursor:
            with cursor.copy(self.sql) as copy:
                copy.write(self.data)
            return cursor.rowcount

    async def arun(self, wrapper: Any) -> Any:
        connection = await wrapper._choose_conn()
        with _logged(wrapper, self.sql):
            # A cancelled COPY leaves psycopg's connection unusable.
            return await finished(self._sent(connection), PATIENCE)

    async def _sent(self, connection: Any) -> Any:
        async with connection.cursor() as cursor:
            async with cursor.copy(self.sql) as copy:
                await copy.write(self.data)
            return cursor.rowcount


@dataclass(eq=False, repr=False)
class BinaryRows(Step):
    """Run a query with psycopg in binary format, and return its rows as tuples."""

    sql: str
    params: Iterable[Any]

    def run(self, wrapper: Any) -> Any:
        from psycopg.rows import tuple_row

        with wrapper.atomic(), _logged(wrapper, self.sql):
            cursor = wrapper._choose_conn().cursor(binary=True, row_factory=tuple_row)
            return cursor.execute(self.sql, list(self.params)).fetchall()

    async def arun(self, wrapper: Any) -> Any:
        from psycopg.rows import tuple_row

        async with wrapper.aatomic():
            with _logged(wrapper, self.sql):
                cursor = (await wrapper._choose_conn()).cursor(binary=True, row_factory=tuple_row)
                return await (await cursor.execute(self.sql, list(self.params))).fetchall()


@dataclass(eq=False, repr=False)
class PlainRows(Step):
    """Run a query, and return its rows as plain tuples, which drivers build faster than rows with column names."""

    sql: str
    params: Iterable[Any]

    def run(self, wrapper: Any) -> Any:
        with _logged(wrapper, self.sql):
            cursor = wrapper.get_connection().execute(wrapper._adapt(self.sql), tuple(self.params))
            cursor.row_factory = None
            return cursor.fetchall()

    async def arun(self, wrapper: Any) -> Any:
        async with wrapper._operation_conn() as connection:
            with _logged(wrapper, self.sql):
                cursor = await connection.execute(wrapper._adapt(self.sql), tuple(self.params))
                # pyturso's async cursor wraps another one that builds the rows.
                getattr(cursor, "_bcursor", cursor).row_factory = None
                return list(await cursor.fetchall())


@dataclass(eq=False, repr=False)
class InTransaction(Step):
    """Run steps inside a transaction, or inside a savepoint if a transaction is open."""

    alias: str
    steps: Steps[Any]

    def run(self, wrapper: Any) -> Any:
        with atomic(self.alias):
            return run(self.steps, wrapper)

    async def arun(self, wrapper: Any) -> Any:
        async with aatomic(self.alias):
            return await arun(self.steps, wrapper)


@dataclass(eq=False, repr=False)
class Next(Step):
    """Return the next item of an iterator (an async one on an async connection), or None at its end."""

    iterator: Any

    def run(self, wrapper: Any) -> Any:
        return next(self.iterator, None)

    async def arun(self, wrapper: Any) -> Any:
        return await anext(self.iterator, None)


class RawConnection(Step):
    """Return the driver connection of the current transaction."""

    def run(self, wrapper: Any) -> Any:
        return wrapper._choose_conn()

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper._choose_conn()


@contextmanager
def _logged(wrapper: Any, sql: str) -> Any:
    """Report the statement to djanorm's query log and signals, and convert its exceptions to djanorm's."""
    with raising_ours(), log_query(wrapper.vendor, sql, None):
        yield
