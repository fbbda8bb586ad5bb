"""The connection interface that djanorm's SQLite wrapper uses, over a transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..statements import statements
from .deletes import row_by_row
from .rows import Columns, Cursor, Result, Row
from .values import bound, require_count

Values = list[Any]


class Transport(ABC):
    """One database session; outside of BEGIN, each statement commits on its own."""

    has_file: bool
    """Whether the database is in this process rather than on a server."""

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Return whether it can run no more statements: closed, or its server is gone."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool: ...

    @abstractmethod
    def execute(self, sql: str, values: Values) -> Result: ...

    @abstractmethod
    def execute_each(self, sql: str, rows: list[Values]) -> int:
        """Run the statement once per row, and return the number of changed rows."""

    @abstractmethod
    def stream(self, sql: str, values: Values, size: int) -> tuple[Sequence[str], Iterator[tuple[Any, ...]]]:
        """Return the columns and a row iterator that reads ``size`` rows at a time."""

    @abstractmethod
    def close(self) -> None: ...

    def close_soon(self) -> None:
        """Close without waiting for the server."""
        self.close()


class Connection:
    """A connection with the interface of Python's sqlite3; outside of BEGIN, it is in autocommit mode."""

    isolation_level: Any = None
    """djanorm sets it; it has no effect here."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def is_lost(self) -> bool:
        return self._transport.is_lost

    @property
    def has_file(self) -> bool:
        return self._transport.has_file

    @property
    def in_transaction(self) -> bool:
        return self._transport.in_transaction

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Cursor:
        return Cursor(self._transport.execute(row_by_row(sql), _checked(sql, parameters)))

    def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Cursor:
        """Run a statement once per row, in one transaction."""
        rows = [_checked(sql, values) for values in parameters]
        if self.in_transaction:
            return Cursor(Result(changed=self._transport.execute_each(sql, rows)))
        self.execute("BEGIN")
        try:
            changed = self._transport.execute_each(sql, rows)
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return Cursor(Result(changed=changed))

    def executescript(self, script: str) -> None:
        """Run statements one by one; unlike in sqlite3, an open transaction stays open."""
        for sql in statements(script):
            self.execute(sql)

    def stream(self, sql: str, parameters: Iterable[Any], size: int) -> Iterator[Row]:
        """Return an iterator over the rows, which are read ``size`` at a time."""
        names, rows = self._transport.stream(sql, _checked(sql, parameters), size)
        columns = Columns(names)
        return (Row(columns, values) for values in rows)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        # The end of a session also ends its transaction.
        if not self.is_lost and self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        self._transport.close()

    def close_soon(self) -> None:
        """Close without waiting for the server."""
        self._transport.close_soon()


def _checked(sql: str, parameters: Iterable[Any]) -> Values:
    values = bound(parameters)
    require_count(sql, values)
    return values
