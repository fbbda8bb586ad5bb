"""What a load asks of a connection, one step at a time, so that it is written once for sync and async."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from dorm.db.utils import log_query

from .turso_errors import normalize

_Result = TypeVar("_Result")
Steps = Generator["Step", Any, _Result]


class Step:
    """One call of a connection wrapper."""

    def run(self, wrapper: Any) -> Any:
        raise NotImplementedError

    async def arun(self, wrapper: Any) -> Any:
        raise NotImplementedError


def run(wrapper: Any, steps: Steps[_Result]) -> _Result:
    """Take the steps on a sync connection and return what they return."""
    advance, answer = steps.send, None
    while True:
        try:
            step = advance(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
        try:
            advance, answer = steps.send, step.run(wrapper)
        except Exception as error:  # noqa: BLE001  # the steps decide: what they do not catch is raised by them
            advance, answer = steps.throw, error


async def arun(wrapper: Any, steps: Steps[_Result]) -> _Result:
    """Take the steps on an async connection and return what they return."""
    advance, answer = steps.send, None
    while True:
        try:
            step = advance(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
        try:
            advance, answer = steps.send, await step.arun(wrapper)
        except Exception as error:  # noqa: BLE001  # as above
            advance, answer = steps.throw, error


@dataclass(frozen=True)
class Execute(Step):
    """Run a statement and return its rows."""

    sql: str
    params: Iterable[Any] = ()

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute(self.sql, list(self.params))

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute(self.sql, list(self.params))


@dataclass(frozen=True)
class Write(Step):
    """Run a statement and return how many rows it changed."""

    sql: str
    params: Iterable[Any] = ()

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute_write(self.sql, list(self.params))

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute_write(self.sql, list(self.params))


@dataclass(frozen=True)
class Script(Step):
    """Run a statement as it is: nothing is bound, and a percent sign is one."""

    sql: str

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute_script(self.sql)

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute_script(self.sql)


@dataclass(frozen=True)
class Many(Step):
    """Run a prepared statement once a row, and return how many rows it changed."""

    sql: str
    rows: Iterable[tuple[Any, ...]]

    def run(self, wrapper: Any) -> Any:
        with _logged(wrapper, self.sql):
            return wrapper.get_connection().executemany(wrapper._adapt(self.sql), self.rows).rowcount

    async def arun(self, wrapper: Any) -> Any:
        async with wrapper._operation_conn() as connection:
            with _logged(wrapper, self.sql):
                return (await connection.executemany(wrapper._adapt(self.sql), self.rows)).rowcount


@dataclass(frozen=True)
class Copy(Step):
    """Send the bytes of a COPY and return how many rows arrived."""

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
            async with connection.cursor() as cursor:
                async with cursor.copy(self.sql) as copy:
                    await copy.write(self.data)
                return cursor.rowcount


@dataclass(frozen=True)
class BinaryRows(Step):
    """Run a query of psycopg whose values come in binary, and return its rows as tuples."""

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


@dataclass(frozen=True)
class PlainRows(Step):
    """Run a query of SQLite and return its rows as tuples, which takes two thirds of the time of djanorm's rows."""

    sql: str
    params: Iterable[Any]

    def run(self, wrapper: Any) -> Any:
        with _logged(wrapper, self.sql):
            cursor = wrapper.get_connection().execute(wrapper._adapt(self.sql), list(self.params))
            cursor.row_factory = None
            return cursor.fetchall()

    async def arun(self, wrapper: Any) -> Any:
        async with wrapper._operation_conn() as connection:
            with _logged(wrapper, self.sql):
                cursor = await connection.execute(wrapper._adapt(self.sql), list(self.params))
                cursor.row_factory = None
                return list(await cursor.fetchall())


class RawConnection(Step):
    """Return the driver's connection of a transaction."""

    def run(self, wrapper: Any) -> Any:
        return wrapper._choose_conn()

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper._choose_conn()


@contextmanager
def _logged(wrapper: Any, sql: str) -> Any:
    """Let djanorm's query log and signals see the statement, and its exceptions be djanorm's."""
    with log_query(wrapper.vendor, sql, None):
        try:
            yield
        except Exception as error:
            normalize(error)
            raise
