"""The WebSocket to a server, and the requests over it; every method runs in the loop's thread.

https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from libsql_client import LibsqlError
from libsql_client.hrana.conn import HranaConn

from .address import Address
from .dialer import Dialer
from .rows import Result
from .values import decoded, size_of, statement

_BATCH_BYTES, _BATCH_STATEMENTS = 1_000_000, 1_000

_CHUNK_ROWS = 1_000


class Link:
    """A libsql-client connection and its one stream, which has its own PRAGMA settings and transaction."""

    def __init__(self, dialer: Dialer, connection: Any) -> None:
        self._dialer, self._connection = dialer, connection
        self._numbers = count()
        self._stream = next(self._numbers)

    @classmethod
    async def open(cls, address: Address) -> Link:
        dialer: Any = Dialer()
        connection = HranaConn(dialer, address.target, address.token or None)
        try:
            await connection.wait_connected()
            link = cls(dialer, connection)
            await link.begin()
        except BaseException as error:  # noqa: BLE001  # close everything on any failure
            await connection.close()
            await dialer.close()
            raise (ConnectionRefusedError(dialer.refusal) if dialer.refusal else error) from None
        return link

    async def begin(self) -> None:
        """Open the stream, and enforce foreign keys on it."""
        await self.ask({"type": "open_stream", "stream_id": self._stream})
        # sqld enforces them by default, and it treats PRAGMA as a write, which the token or database may not allow.
        if (await self.execute(statement("SELECT foreign_keys FROM pragma_foreign_keys", []))).rows != [(1,)]:
            await self.execute(statement("PRAGMA foreign_keys = ON", []))

    @property
    def is_broken(self) -> bool:
        return self._connection.exception is not None

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the socket, or -1 if it is closed."""
        return self._dialer.descriptor

    @property
    def has_cursors(self) -> bool:
        """Return whether the server can send rows in parts: since version 3 of the protocol."""
        return self._dialer.protocol == "hrana3"

    async def ask(self, *requests: Any) -> list[Any]:
        """Send requests together, and return their responses in order."""
        answers = [self._connection.send_request(request) for request in requests]
        # Unlike gather(), wait() does not cancel the futures when cancelled; libsql-client fails on a cancelled future.
        await asyncio.wait(answers)
        for failure in [answer.exception() for answer in answers]:
            if failure is not None:
                raise failure
        return [answer.result() for answer in answers]

    async def execute(self, asked: Any) -> Result:
        try:
            [answer] = await self.ask({"type": "execute", "stream_id": self._stream, "stmt": asked})
        except LibsqlError as error:
            if error.code != "RESPONSE_TOO_LARGE" or not await self._can_be_read_again(asked):
                raise
            return await self._read(asked)
        return _result(answer["result"])

    async def execute_each(self, statements: list[Any]) -> int:
        """Run statements until one fails: after a lost transaction, the rest would commit individually."""
        changed = 0
        for some in _batches(statements):
            steps = [{"stmt": each, "condition": _if_done(number - 1)} for number, each in enumerate(some)]
            [answer] = await self.ask({"type": "batch", "stream_id": self._stream, "batch": {"steps": steps}})
            for error in filter(None, answer["result"]["step_errors"]):
                raise _error(error)
            changed += sum(done["affected_row_count"] for done in answer["result"]["step_results"])
        return changed

    async def open_cursor(self, asked: Any) -> Cursor:
        """Return the rows of a statement on a separate stream, so that other statements can run meanwhile."""
        stream = next(self._numbers)
        return await self._cursor(asked, stream, opened=[{"type": "open_stream", "stream_id": stream}])

    async def close(self) -> None:
        try:
            await self._connection.close()
        finally:
            await self._dialer.close()

    async def _can_be_read_again(self, asked: Any) -> bool:
        request = {"type": "describe", "stream_id": self._stream, "sql": asked["sql"]}
        return self.has_cursors and (await self.ask(request))[0]["result"]["is_readonly"]

    async def _read(self, asked: Any) -> Result:
        cursor = await self._cursor(asked, self._stream)
        rows = []
        try:
            while some := await cursor.fetch(_CHUNK_ROWS):
                rows += some
        finally:
            await cursor.close()
        return Result(cursor.columns, rows, 0)

    async def _cursor(self, asked: Any, stream: int, opened: Iterable[Any] = ()) -> Cursor:
        number = next(self._numbers)
        cursor = Cursor(self, number, [{"type": "close_stream", "stream_id": stream}] if opened else [])
        request = {"type": "open_cursor", "stream_id": stream, "cursor_id": number}
        try:
            await self.ask(*opened, {**request, "batch": {"steps": [{"stmt": asked}]}})
            await cursor.begin()
        except BaseException:
            await cursor.close()
            raise
        return cursor


class Cursor:
    """The rows of one statement, which the server sends on request."""

    columns: tuple[str, ...] = ()

    def __init__(self, link: Link, number: int, close_stream: list[Any]) -> None:
        self._link, self._number, self._close_stream = link, number, close_stream
        self._is_done = False
        self._rows: list[tuple[Any, ...]] = []

    async def begin(self) -> None:
        """Read up to the first row, to get the columns and any error of the statement."""
        while not (self.columns or self._is_done):
            await self._receive(2)

    async def fetch(self, size: int) -> list[tuple[Any, ...]]:
        """Return at most ``size`` rows; none if there are no more."""
        while not (self._rows or self._is_done):
            await self._receive(size)
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        if not self._link.is_broken:
            await self._link.ask({"type": "close_cursor", "cursor_id": self._number}, *self._close_stream)

    async def _receive(self, size: int) -> None:
        [answer] = await self._link.ask({"type": "fetch_cursor", "cursor_id": self._number, "max_count": size})
        self._is_done = answer["done"]
        for entry in answer["entries"]:
            if entry["type"] == "step_begin":
                self.columns = _columns(entry)
            elif entry["type"] == "row":
                self._rows.append(tuple(map(decoded, entry["row"])))
            elif entry["type"] in ("step_error", "error"):
                raise _error(entry["error"])


def _batches(statements: list[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for each in statements:
        more = size_of(each)
        if batch and (size + more > _BATCH_BYTES or len(batch) == _BATCH_STATEMENTS):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += more
    if batch:
        yield batch


def _if_done(step: int) -> Any:
    return {"type": "ok", "step": step} if step >= 0 else None


def _result(answer: Any) -> Result:
    rows = [tuple(map(decoded, row)) for row in answer["rows"]]
    last_id = answer.get("last_insert_rowid")
    return Result(_columns(answer), rows, answer["affected_row_count"], None if last_id is None else int(last_id))


def _columns(answer: Any) -> tuple[str, ...]:
    return tuple(column["name"] or "" for column in answer["cols"])


def _error(error: Any) -> LibsqlError:
    return LibsqlError(error["message"], error.get("code") or "UNKNOWN")
