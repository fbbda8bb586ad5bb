"""Statement timeouts of MariaDB and MySQL: a session variable, and a client timeout for what that does not cover."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from ...dialects import dialect_named
from ..driver_errors import raising_ours
from ..limits.calls import GAVE_UP, Calls
from ..limits.exempt import is_exempt
from ..limits.setting import GRACE
from .server import Server, for_pymysql

_KNOWN = "dorm_vector_statement_timeout"
_LOST = 2013  # pymysql.constants.CR.CR_SERVER_LOST

_writes: ContextVar[bool] = ContextVar("dorm_vector_statement_writes", default=False)


def limited(wrapper: Any, seconds: float) -> None:
    limiter = _Limiter(wrapper, seconds)
    if hasattr(wrapper, "_acquire"):
        limiter.replace_acquire()
    else:
        limiter.replace_get_connection()
    told = dialect_named("mysql").limits.told | dialect_named("mariadb").limits.told | {GAVE_UP}
    Calls("MySQL", seconds, told, _writing).replace(wrapper)


@contextmanager
def _writing(writes: bool) -> Iterator[None]:
    token = _writes.set(writes)
    try:
        yield
    finally:
        _writes.reset(token)


class _Limiter:
    """Sets the limit on each connection before it runs a statement."""

    def __init__(self, wrapper: Any, seconds: float) -> None:
        self._wrapper, self._seconds = wrapper, seconds
        self._asked = (wrapper.settings.get("OPTIONS") or {}).get("read_timeout")

    def replace_get_connection(self) -> None:
        get = self._wrapper.get_connection

        def get_connection() -> Any:
            raw = get()
            with raising_ours():
                self._fit(raw)
            return raw

        self._wrapper.get_connection = get_connection

    def replace_acquire(self) -> None:
        acquire, release = self._wrapper._acquire, self._wrapper._release

        async def acquired() -> Any:
            lent = await acquire()
            try:
                with raising_ours():
                    # Inside a transaction, its connection is lent.
                    await self._afit(vars(lent).get("_connection", lent))
            except BaseException:
                await release(lent)
                raise
            return lent

        self._wrapper._acquire = acquired

    def _fit(self, raw: Any) -> None:
        facts = vars(raw)
        if _KNOWN not in facts:
            facts["_read_query_result"] = self._reading(raw, raw._read_query_result)
        raw._read_timeout = self._patience(raw)
        if statement := self._statement(raw):
            with raw.cursor() as cursor:
                cursor.execute(statement)
            facts[_KNOWN] = self._wanted()

    async def _afit(self, raw: Any) -> None:
        facts = vars(raw)
        if _KNOWN not in facts:
            for name in ("_read_query_result", "_read_ok_packet"):
                facts[name] = self._areading(raw, getattr(raw, name))
        if statement := self._statement(raw):
            async with raw.cursor() as cursor:
                await cursor.execute(statement)
            facts[_KNOWN] = self._wanted()

    def _wanted(self) -> float:
        return 0.0 if is_exempt() else self._seconds

    def _statement(self, raw: Any) -> str:
        """Return the statement that sets the session's limit; empty if it is already set."""
        wanted = self._wanted()
        if vars(raw).get(_KNOWN, 0.0) == wanted:
            vars(raw).setdefault(_KNOWN, wanted)
            return ""
        return str(_dialect(raw).limits.session).format(seconds=wanted, milliseconds=round(wanted * 1000))

    def _patience(self, raw: Any) -> float | None:
        """Return how long the client waits for an answer; less for a statement that only the client limits."""
        if is_exempt():
            return self._asked
        ours = self._seconds + (0.0 if _writes.get() and _dialect(raw).limits.reads_only else GRACE)
        return ours if self._asked is None else min(ours, self._asked)

    def _reading(self, raw: Any, read: Any) -> Any:
        def reading(unbuffered: bool = False) -> Any:
            from pymysql import OperationalError

            try:
                return read(unbuffered=unbuffered)
            except OperationalError as error:
                if GAVE_UP in str(error):
                    self._kill(raw)
                raise

        return reading

    def _areading(self, raw: Any, read: Any) -> Any:
        async def reading(*args: Any, **options: Any) -> Any:
            from pymysql import OperationalError

            try:
                async with asyncio.timeout(self._patience(raw)):
                    return await read(*args, **options)
            except TimeoutError as error:
                raw.close()
                if read.__name__ == "_read_query_result":
                    await asyncio.to_thread(self._kill, raw)
                raise OperationalError(_LOST, f"Lost connection to MySQL server during query ({GAVE_UP})") from error

        return reading

    def _kill(self, raw: Any) -> None:
        """End the statement on the server, which would otherwise finish and commit it."""
        import pymysql

        arguments = for_pymysql(self._wrapper._kwargs) | {"connect_timeout": GRACE, "read_timeout": GRACE}
        known = {name: value for name, value in arguments.items() if name not in ("cursorclass", "loop", "echo")}
        # Where the server cannot be reached, it ends the statement as soon as it notices that the client is gone.
        with suppress(pymysql.MySQLError), pymysql.connect(**known) as connection:
            connection.kill(raw.server_thread_id[0])


def _dialect(raw: Any) -> Any:
    return dialect_named("mariadb" if Server(raw.get_server_info(), has_distance=False).is_mariadb else "mysql")
