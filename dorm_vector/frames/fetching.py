"""Steps that read many rows as tuples, in the fastest way of each driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dorm.db.utils import log_query

from ..engines import dialect_for
from ..engines.driver_errors import raising_ours
from ..steps import Execute, Step


@dataclass(eq=False, repr=False)
class Rows(Step):
    """Run a query, and return its rows as tuples; ``names`` then has the names of their columns."""

    sql: str
    params: Iterable[Any]
    names: tuple[str, ...] = ()

    def _named(self, cursor: Any) -> None:
        self.names = tuple(column[0] for column in cursor.description)


class BinaryRows(Rows):
    """Read the rows with psycopg in binary format."""

    def run(self, wrapper: Any) -> Any:
        from psycopg.rows import tuple_row

        with wrapper.atomic(), logged(wrapper, self.sql):
            cursor = wrapper._choose_conn().cursor(binary=True, row_factory=tuple_row)
            cursor.execute(self.sql, list(self.params))
            self._named(cursor)
            return cursor.fetchall()

    async def arun(self, wrapper: Any) -> Any:
        from psycopg.rows import tuple_row

        async with wrapper.aatomic():
            with logged(wrapper, self.sql):
                cursor = (await wrapper._choose_conn()).cursor(binary=True, row_factory=tuple_row)
                await cursor.execute(self.sql, list(self.params))
                self._named(cursor)
                return await cursor.fetchall()


class PlainRows(Rows):
    """Read the rows as plain tuples, which drivers build faster than rows with column names."""

    def run(self, wrapper: Any) -> Any:
        with logged(wrapper, self.sql):
            cursor = wrapper.get_connection().execute(wrapper._adapt(self.sql), tuple(self.params))
            cursor.row_factory = None
            self._named(cursor)
            return cursor.fetchall()

    async def arun(self, wrapper: Any) -> Any:
        async with wrapper._operation_conn() as connection:
            with logged(wrapper, self.sql):
                cursor = await connection.execute(wrapper._adapt(self.sql), tuple(self.params))
                self._named(cursor)
                # pyturso's async cursor wraps another one that builds the rows.
                getattr(cursor, "_bcursor", cursor).row_factory = None
                return list(await cursor.fetchall())


def fastest(connection: Any, *, reads_binary: bool = True) -> type[Rows | Execute]:
    """Return the step that reads many rows of a query fastest; ``Execute`` returns rows with column names.

    Args:
        connection: The djanorm connection that the step runs on.
        reads_binary: Whether psycopg can read all columns of the query in binary format.
    """
    loading = dialect_for(connection).loading
    # Turso connections with SYNC_URL are djanorm's own.
    if loading.plain_rows and not getattr(connection, "sync_url", None):
        return PlainRows
    return BinaryRows if loading.binary_rows and reads_binary else Execute


@contextmanager
def logged(wrapper: Any, sql: str) -> Iterator[None]:
    """Report the statement to djanorm's query log and signals, and convert its exceptions to djanorm's."""
    with raising_ours(sql), log_query(wrapper.vendor, sql, None):
        yield
