"""A server through ``libsql-client``: the Hrana protocol over a WebSocket.

The package's own clients open a stream or a transaction per statement, and limit responses to 4 MB. So this module uses
the package's protocol layer and keeps one stream open: see ``link``. All links of a process run on one event loop in a
dedicated thread. Sync and async callers submit requests to it, so a connection does not depend on the caller's loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from dorm.exceptions import DatabaseError, ImproperlyConfigured

from ...exceptions import ConnectionLost, StatementTimeout
from ..limits.calls import timeout_text
from ..limits.exempt import is_exempt
from .address import Address
from .connection import Transport, Values
from .errors import translated
from .rows import Result
from .values import statement

if TYPE_CHECKING:
    from .link import Cursor, Link


_Answer = TypeVar("_Answer")

_GOODBYE_SECONDS = 15.0

# Error codes of a failed statement; with any other code, the server dropped the stream or the transaction.
_OF_A_STATEMENT = ("SQLITE", "SQL_", "ARGS_", "RESPONSE_", "UNKNOWN", "BLOCKED")

_FATAL = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM")

# The server rolled back in favor of another connection that had waited too long to write.
_ROLLED_BACK = "TRANSACTION_TIMEOUT"

_MAY_FINISH = (
    " (the connection was closed; the server may finish the statement, so check whether its writes were stored)."
)

_CONNECT, _READ_ON = "connect", "read on"


class Remote(Transport):
    """One stream of a server, with its own PRAGMA settings and transaction."""

    has_file = False

    def __init__(self, address: Address) -> None:
        self._address, self._process = address, os.getpid()
        self._is_closed = self._in_transaction = False
        self._link: Link = self._ask(_link().open(address), address.connect_timeout, _CONNECT)

    @property
    def is_lost(self) -> bool:
        return self._is_closed or self._process != os.getpid() or self._link.is_broken

    @property
    def in_transaction(self) -> bool:
        return self._in_transaction

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the socket, or -1 if it is closed."""
        return self._link.descriptor

    def execute(self, sql: str, values: Values) -> Result:
        self._require_a_server()
        result = self._ask(self._link.execute(statement(sql, values)), self._seconds(), sql)
        self._follow(sql)
        return result

    def execute_each(self, sql: str, rows: list[Values]) -> int:
        self._require_a_server()
        statements = [statement(sql, values) for values in rows]
        return self._ask(self._link.execute_each(statements), self._seconds(), sql)

    def stream(self, sql: str, values: Values, size: int) -> tuple[Sequence[str], Iterator[tuple[Any, ...]]]:
        self._require_a_server()
        if self._in_transaction or not self._link.has_cursors:
            # A cursor blocks its stream while it is read, and only this stream sees uncommitted rows.
            result = self.execute(sql, values)
            return result.columns, iter(result.rows)
        cursor = self._ask(self._link.open_cursor(statement(sql, values)), self._seconds(), sql)
        return cursor.columns, self._read(cursor, size)

    def _read(self, cursor: Cursor, size: int) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._ask(cursor.fetch(size), self._seconds(), _READ_ON):
                yield from rows
        finally:
            if not self.is_lost:
                self._ask(cursor.close(), self._seconds(), _READ_ON)

    def close(self) -> None:
        if not self._is_closed and self._process == os.getpid():
            self._is_closed = True
            with suppress(Exception):  # the server may be gone already
                _submit(self._link.close()).result(_GOODBYE_SECONDS)

    def close_soon(self) -> None:
        if not self._is_closed and self._process == os.getpid():
            self._is_closed = True
            _submit(self._link.close())

    def _seconds(self) -> float | None:
        """Return how long to wait for an answer."""
        limits = (self._address.timeout, None if is_exempt() else self._address.statement_timeout)
        return min((seconds for seconds in limits if seconds is not None), default=None)

    def _ask(self, question: Coroutine[Any, Any, _Answer], seconds: float | None, sql: str) -> _Answer:
        try:
            answer: _Answer = _submit(asyncio.wait_for(question, seconds)).result()
            return answer
        except Exception as error:  # noqa: BLE001  # libsql-client does not wrap the errors of aiohttp and asyncio
            refusal = self._refusal(error, sql)
        # Raised outside the except block, so that no chained context can show the token.
        raise refusal

    def _refusal(self, error: Exception, sql: str) -> Exception:
        code, message = _told(error)
        message = self._address.without_secrets(message).rstrip(".")
        if isinstance(error, DatabaseError):
            return error
        if sql == _CONNECT:
            return ConnectionLost(f"{self._address.target} cannot be used: {message}.")
        if code.startswith(_OF_A_STATEMENT) and not code.startswith(_FATAL):
            return translated(message)
        # Further statements on this stream would no longer be part of its transaction.
        self._is_closed = True
        _submit(self._link.close())
        if isinstance(error, TimeoutError) and self._seconds() == self._address.statement_timeout is not None:
            return StatementTimeout(timeout_text("libSQL", self._address.statement_timeout, sql, _MAY_FINISH))
        return self._lost(f"was lost: {message}", "" if code == _ROLLED_BACK else sql)

    def _require_a_server(self) -> None:
        if self.is_lost:
            raise self._lost("was lost before this statement")

    def _lost(self, what: str, sql: str = "") -> ConnectionLost:
        if sql.upper().startswith("COMMIT"):
            rest = "Whether COMMIT arrived cannot be known from here: check whether its writes were stored."
        elif self._in_transaction:
            rest = "Nothing of the open transaction was stored: run it again."
        elif sql == _READ_ON:
            rest = "The rows that were not read yet are missing: ask for all of them again."
        elif sql:
            rest = "Whether the statement arrived cannot be known from here."
        else:
            rest = "The next statement outside a transaction connects again."
        return ConnectionLost(f"The connection to {self._address.target} {what}. {rest}")

    def _follow(self, sql: str) -> None:
        """Track whether a transaction is open, which the protocol reports only since version 3."""
        first, *more = sql.upper().replace(";", " ").split(None, 3) or [""]
        if first in ("BEGIN", "SAVEPOINT"):
            self._in_transaction = True
        elif first in ("COMMIT", "END") or (first == "ROLLBACK" and "TO" not in more):
            self._in_transaction = False


def _told(error: Exception) -> tuple[str, str]:
    """Return the server's error code, empty if the error is not the server's, and the message."""
    from libsql_client import LibsqlError

    if isinstance(error, LibsqlError):
        return error.code, error.explanation
    return "", str(error) or "no answer in time"


def _link() -> Any:
    try:
        from .link import Link
    except ImportError as error:
        raise ImproperlyConfigured(
            "ENGINE 'hrana' reaches a server with libsql-client, which is not installed."
            ' Install it: pip install "dorm-vector[libsql-remote]".'
        ) from error
    return Link


def _submit(work: Coroutine[Any, Any, _Answer]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, _loop_of(os.getpid()))


@cache
def _loop_of(process: int) -> asyncio.AbstractEventLoop:
    """Return the loop of this process; the thread of the parent's loop does not survive a fork."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"dorm_vector hrana {process}", daemon=True).start()
    return loop
