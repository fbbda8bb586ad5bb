"""A database file or memory, through the package ``libsql``.

Differences from Python's sqlite3 module, and how this module handles them:
- While it waits for a database lock, it holds the GIL, so that no thread of this process could release that lock.
  Its own timeout is 0, and the waiting is done here.
- A cursor restarts when it is read past its last row, and keeps the database locked until it is read to the end.
  Rows are read at once, or the cursor is closed.
- It binds integers of more than 32 bits as floats. They are written into the statement as literals.
- ``fetchall()`` returns None for statements without rows, every error is a ValueError, a closed connection panics, and
  ``executescript()`` ignores failing statements: see ``Connection``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from dorm.exceptions import DatabaseError, ImproperlyConfigured

from ...exceptions import ConnectionLost
from .address import Address
from .connection import Transport, Values
from .errors import LOCKED, translated
from .rows import Result
from .values import with_literals

_Answer = TypeVar("_Answer")

_LONGEST_NAP = 0.02

_BOUND_EXACTLY = range(-(2**31), 2**31)


class Embedded(Transport):
    """One connection of libSQL in this process."""

    has_file = True
    is_lost = False
    _has_begun = False
    """Whether a transaction is open that has already read or written."""

    def __init__(self, address: Address) -> None:
        self._patience = address.timeout or 0.0
        with _translating():
            # Autocommit, and usable from any thread, one at a time: djanorm closes the connections of all threads.
            self._driver = _libsql().connect(address.target, timeout=0, isolation_level=None, _check_same_thread=False)

    @property
    def in_transaction(self) -> bool:
        return not self.is_lost and bool(self._driver.in_transaction)

    def execute(self, sql: str, values: Values) -> Result:
        result = self._patiently(sql, lambda: self._run(sql, values))
        self._has_begun = self.in_transaction and not _is(sql, "BEGIN")
        return result

    def execute_each(self, sql: str, rows: list[Values]) -> int:
        return sum(max(self.execute(sql, values).changed, 0) for values in rows)

    def stream(self, sql: str, values: Values, size: int) -> tuple[Sequence[str], Iterator[tuple[Any, ...]]]:
        cursor = self._patiently(sql, lambda: self._cursor(sql, values))
        self._has_begun = self.in_transaction
        return _names(cursor), _read(cursor, size)

    def close(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._driver.close()

    def _run(self, sql: str, values: Values) -> Result:
        cursor = self._cursor(sql, values)
        with _translating():
            try:
                rows = cursor.fetchall() or []
                return Result(_names(cursor), rows, cursor.rowcount, cursor.lastrowid)
            finally:
                # close() discards these attributes, so they are read first.
                cursor.close()

    def _cursor(self, sql: str, values: Values) -> Any:
        if self.is_lost:
            raise ConnectionLost("This connection is closed. The next statement outside a transaction opens another.")
        sql, values = with_literals(sql, values, _BOUND_EXACTLY)
        with _translating():
            return self._driver.execute(sql, values)

    def _patiently(self, sql: str, run: Callable[[], _Answer]) -> _Answer:
        """Retry a statement that another connection's lock blocked; it has had no effect yet."""
        # Two transactions that have both read would wait for each other: as in SQLite, only COMMIT waits.
        patience = self._patience if not self._has_begun or _is(sql, "COMMIT") else 0
        deadline, nap = time.monotonic() + patience, 0.001
        while True:
            try:
                return run()
            except DatabaseError as error:
                if LOCKED not in str(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise translated(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        # The driver panics on text that is not UTF-8, and its PanicException is not an Exception.
        raise translated(f"libsql: {error}") from error


def _libsql() -> Any:
    try:
        import libsql
    except ImportError as error:
        raise ImproperlyConfigured(
            "ENGINE 'hrana' opens files and memory with libsql, which is not installed."
            ' Install it: pip install "dorm-vector[libsql-native]".'
        ) from error
    return libsql


def _is(sql: str, word: str) -> bool:
    return sql[:20].lstrip().upper().startswith(word)


def _names(cursor: Any) -> tuple[str, ...]:
    return tuple(column[0] for column in cursor.description or ())


def _read(cursor: Any, size: int) -> Iterator[tuple[Any, ...]]:
    try:
        while True:
            with _translating():
                rows = cursor.fetchmany(size) or []
            yield from rows
            if len(rows) < size:
                return
    finally:
        cursor.close()
