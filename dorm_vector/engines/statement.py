"""SQL with instructions for its runner, as a str, because djanorm passes a str from the compiler to the connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self


class Statement(str):
    """SQL, and how to run it.

    Args:
        binary: Whether PostgreSQL's rows are fetched in binary.
        options: A SELECT that sets server options for this statement, sent in the same round trip.
        searches: The searches in the statement, as described by its compilation.
        prefix: The part before the SELECT itself, such as ``EXPLAIN``.
    """

    __slots__ = ("binary", "options", "plain", "prefix", "searches")
    plain: str
    """The same SQL. psycopg keeps what it knows of the last statement, if it gets the same object again."""
    binary: bool
    options: str
    searches: Sequence[Any]
    prefix: str

    def __new__(
        cls, sql: str, *, binary: bool = False, options: str = "", searches: Sequence[Any] = (), prefix: str = ""
    ) -> Self:
        statement = str.__new__(cls, sql)
        statement.plain = sql if type(sql) is str else str(sql)
        statement.binary, statement.options = binary, options
        statement.searches, statement.prefix = searches, prefix
        return statement


def is_binary(sql: str) -> bool:
    """Return whether the rows are fetched in binary, so that options can be sent along with the statement."""
    return isinstance(sql, Statement) and sql.binary


def searches_in(sql: str) -> Sequence[Any]:
    """Return the searches that the compiler found in the statement."""
    return sql.searches if isinstance(sql, Statement) else ()


def with_searches(sql: str, searches: Sequence[Any]) -> str:
    """Return the SQL with its searches attached, for its runner."""
    return Statement(sql, binary=isinstance(sql, Statement) and sql.binary, searches=searches) if searches else sql


def explained(sql: str, prefix: str) -> str:
    """Return a statement that explains the given one; its rows are text."""
    return Statement(f"{prefix} {sql}", searches=searches_in(sql), prefix=f"{prefix} ")
