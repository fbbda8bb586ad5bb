"""A server through ``libsql-client``: the Hrana protocol over a WebSocket.

The package's own clients open a stream for each statement, or begin a transaction with each, and receive no answer over
4 MB; so its protocol is used, with one stream held. All streams of a process live in one event loop, in a thread of its
own: sync and async callers hand over what is to be sent, and no loop of theirs has to outlive the connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from dorm.exceptions import ImproperlyConfigured

from .address import Address
from .connection import Transport, Values
from .errors import ConnectionLost, translated
from .rows import Result
from .values import decoded, encoded

_Answer = TypeVar("_Answer")
_CONNECT_SECONDS = 15.0
_HEARTBEAT_SECONDS = 30.0
# The codes by which a server answers a statement; any other means that it gave up the stream, or the transaction.
_OF_A_STATEMENT = ("SQLITE", "SQL_", "ARGS_", "RESPONSE_", "UNKNOWN")
_FATAL = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM")


class Remote(Transport):
    """One stream of a server: what it does with PRAGMA and BEGIN stays its own."""

    def __init__(self, address: Address) -> None:
        _require_client()
        self._address, self._process = address, os.getpid()
        self._is_closed = self._in_transaction = False
        self._link = self._ask(_Link.open(address), _CONNECT_SECONDS, "connect")

    @property
    def is_lost(self) -> bool:
        return self._is_closed or self._process != os.getpid() or self._link.is_broken

    @property
    def in_transaction(self) -> bool:
        return self._in_transaction

    def execute(self, sql: str, values: Values) -> Result:
        if self.is_lost:
            raise self._lost("was lost before this statement")
        result = self._ask(self._link.execute(_statement(sql, values)), self._address.timeout, sql)
        self._follow(sql)
        return result

    def execute_each(self, sql: str, rows: list[Values]) -> int:
        if self.is_lost:
            raise self._lost("was lost before this statement")
        statements = [_statement(sql, values) for values in rows]
        return self._ask(self._link.execute_each(statements), self._address.timeout, sql)

    def stream(self, sql: str, values: Values, size: int) -> tuple[Sequence[str], Iterator[tuple[Any, ...]]]:
        # A server sends the rows of a statement in one message.
        result = self.execute(sql, values)
        return result.columns, iter(result.rows)

    def close(self) -> None:
        if not self._is_closed and self._process == os.getpid():
            self._is_closed = True
            with suppress(Exception):  # of a server that is gone already
                _submit(self._link.close()).result(_CONNECT_SECONDS)

    def _ask(self, question: Coroutine[Any, Any, _Answer], seconds: float | None, sql: str) -> _Answer:
        try:
            answer: _Answer = _submit(asyncio.wait_for(question, seconds)).result()
            return answer
        except Exception as error:  # noqa: BLE001  # libsql-client lets through those of aiohttp and of asyncio
            refusal = self._refusal(error, sql)
        # Out here it has no context, which could show the token.
        raise refusal

    def _refusal(self, error: Exception, sql: str) -> Exception:
        code, message = _told(error)
        message = self._address.without_secrets(message).rstrip(".")
        if sql == "connect":
            return ConnectionLost(f"{self._address.target} cannot be used: {message}.")
        if code.startswith(_OF_A_STATEMENT) and not code.startswith(_FATAL):
            return translated(message)
        # Whatever else was sent on it would no longer be part of its transaction.
        self._is_closed = True
        _submit(self._link.close())
        return self._lost(f"was lost: {message}", sql)

    def _lost(self, what: str, sql: str = "") -> ConnectionLost:
        if sql.upper().startswith("COMMIT"):
            rest = "Whether COMMIT arrived cannot be known from here: look for what it was to store."
        elif self._in_transaction:
            rest = "Nothing of the open transaction was stored: run it again."
        elif sql:
            rest = "Whether the statement arrived cannot be known from here."
        else:
            rest = "The next statement outside a transaction connects again."
        return ConnectionLost(f"The connection to {self._address.target} {what}. {rest}")

    def _follow(self, sql: str) -> None:
        """Know what the protocol does not tell before its version 3: whether a transaction is open."""
        first, *more = sql.upper().replace(";", " ").split(None, 3) or [""]
        if first in ("BEGIN", "SAVEPOINT"):
            self._in_transaction = True
        elif first in ("COMMIT", "END") or (first == "ROLLBACK" and "TO" not in more):
            self._in_transaction = False


class _Link:
    """The WebSocket and its stream; every method runs in the thread of the loop."""

    def __init__(self, session: Any, connection: Any) -> None:
        self._session, self._connection = session, connection
        self._stream = connection.open_stream()

    @classmethod
    async def open(cls, address: Address) -> _Link:
        import aiohttp
        from libsql_client.hrana.conn import HranaConn

        session = aiohttp.ClientSession()
        dialer: Any = _Dialer(session)
        connection = HranaConn(dialer, address.target, address.token or None)
        try:
            await connection.wait_connected()
            link = cls(session, connection)
            await link.execute(_statement("PRAGMA foreign_keys = ON", []))
        except BaseException as error:  # noqa: BLE001  # whatever it is, nothing stays open
            await connection.close()
            await session.close()
            raise (ConnectionRefusedError(dialer.refusal) if dialer.refusal else error) from None
        return link

    @property
    def is_broken(self) -> bool:
        return self._connection.exception is not None

    async def execute(self, statement: Any) -> Result:
        return _result(await self._stream.execute(statement))

    async def execute_each(self, statements: list[Any]) -> int:
        # Sent at once, answered in order: one way there and back for all.
        answers = [self._stream.execute(statement) for statement in statements]
        await asyncio.wait(answers)
        return sum(answer.result()["affected_row_count"] for answer in answers)

    async def close(self) -> None:
        try:
            if not self.is_broken:
                self._stream.close()
            await self._connection.close()
        finally:
            await self._session.close()


class _Dialer:
    """What libsql-client connects through: it would leave answers at 4 MB, and a silent server unnoticed."""

    refusal = ""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def ws_connect(self, url: str, **options: Any) -> Any:
        socket = await self._session.ws_connect(url, max_msg_size=0, heartbeat=_HEARTBEAT_SECONDS, **options)
        return _Socket(socket, self)


class _Socket:
    """The WebSocket; it remembers why the server refuses the token, which libsql-client loses as the socket closes."""

    def __init__(self, socket: Any, dialer: _Dialer) -> None:
        self._socket, self._dialer = socket, dialer

    async def receive(self) -> Any:
        message = await self._socket.receive()
        if isinstance(message.data, str) and '"hello_error"' in message.data[:100]:
            self._dialer.refusal = json.loads(message.data)["error"]["message"]
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _statement(sql: str, values: Values) -> Any:
    return {"sql": sql, "args": [encoded(value) for value in values], "want_rows": True}


def _result(answer: Any) -> Result:
    columns = tuple(column["name"] or "" for column in answer["cols"])
    rows = [tuple(map(decoded, row)) for row in answer["rows"]]
    last_id = answer.get("last_insert_rowid")
    return Result(columns, rows, answer["affected_row_count"], None if last_id is None else int(last_id))


def _told(error: Exception) -> tuple[str, str]:
    """Return the server's code, empty where it is not the server that speaks, and the message."""
    from libsql_client import LibsqlError

    if isinstance(error, LibsqlError):
        return error.code, error.explanation
    return "", str(error) or "no answer in time"


def _require_client() -> None:
    try:
        import libsql_client  # noqa: F401
    except ImportError as error:
        raise ImproperlyConfigured(
            "ENGINE 'hrana' reaches a server with libsql-client, which is not installed."
            ' Install it: pip install "dorm-vector[libsql-remote]".'
        ) from error


def _submit(work: Coroutine[Any, Any, _Answer]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, _loop_of(os.getpid()))


@cache
def _loop_of(process: int) -> asyncio.AbstractEventLoop:
    """Return the loop of this process; a fork leaves the thread of its parent behind."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"dorm_vector hrana {process}", daemon=True).start()
    return loop
