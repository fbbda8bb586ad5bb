"""Limit the methods of a wrapper that run statements; a statement that takes too long raises StatementTimeout."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic
from typing import Any

from ...exceptions import StatementTimeout
from ..driver_errors import driver_error, raise_as
from .exempt import is_exempt, no_statement_timeout
from .setting import NAME

_READS = ("execute", "execute_streaming")
_WRITES = (
    "execute_write",
    "execute_insert",
    "execute_script",
    "execute_bulk_insert",
    "execute_bulk_insert_returning",
)
_COPIES = ("copy_from", "copy_to")
_READERS = ("execute_streaming", "copy_to")
# The server's clock and ours differ a little.
_ABOUT = 0.9
_SHOWN = 200

Running = Callable[[bool], AbstractContextManager[Any]]


class Calls:
    """The limit of a wrapper's statements.

    Args:
        title: The name of the database.
        seconds: The limit.
        told: The driver's error codes for a statement that was ended.
        running: Returns the context of a statement; its argument is whether the statement may write.
    """

    def __init__(self, title: str, seconds: float, told: frozenset[Any], running: Running | None = None) -> None:
        self._title, self._seconds, self._told = title, seconds, told
        self._running = running or _unchanged

    def replace(self, wrapper: Any) -> None:
        """Limit each method of the wrapper that runs a statement; copies have no limit."""
        for name in (*_READS, *_WRITES, *_COPIES):
            if (call := getattr(wrapper, name, None)) is not None:
                around = _no_limit if name in _COPIES else functools.partial(self._watching, name in _WRITES)
                setattr(wrapper, name, _surrounded(wrapper, name, call, around))

    @contextmanager
    def _watching(self, writes: bool, sql: str) -> Iterator[None]:
        if is_exempt():
            yield
            return
        began = monotonic()
        try:
            with self._running(writes):
                yield
        except Exception as error:
            self._raise_timeout(error, sql, monotonic() - began)
            raise

    def _raise_timeout(self, error: Exception, sql: str, seconds: float) -> None:
        driver = driver_error(error)
        if driver is None or seconds < _ABOUT * self._seconds or not self._told & codes_of(driver):
            return
        after = _UNANSWERED if GAVE_UP in str(driver) else ""
        raise_as(StatementTimeout(timeout_text(self._title, self._seconds, sql, after)), driver)


def codes_of(error: Exception) -> set[Any]:
    """Return the codes of a driver's error: numbers, SQLSTATE and messages."""
    codes = {*error.args, getattr(error, "sqlstate", None), getattr(error, "sqlite_errorcode", None)}
    return codes | ({GAVE_UP} if "timed out" in str(error) else set())


GAVE_UP = "timed out"
"""The code for an answer that never arrived, in Python's wording."""


_UNANSWERED = " (no answer of the server, so the connection was closed: check whether its writes were stored)."


def timeout_text(title: str, seconds: float, sql: str, after: str = "") -> str:
    """Return what failed, the limit, and how to raise it."""
    sql = " ".join(str(sql).split())
    shown = sql if len(sql) <= _SHOWN else f"{sql[:_SHOWN]}…"
    return (
        f"{title}: a statement took longer than {seconds:g} seconds: {shown}{after or '.'} Make it faster, raise"
        f' OPTIONS["{NAME}"] in DATABASES, or run it inside dorm_vector.no_statement_timeout().'
    )


def _unchanged(_writes: bool) -> AbstractContextManager[None]:
    return nullcontext()


def _no_limit(_sql: str) -> AbstractContextManager[None]:
    return no_statement_timeout()


_Around = Callable[[str], AbstractContextManager[Any]]

_END = object()


def _surrounded(wrapper: Any, name: str, call: Any, around: _Around) -> Any:
    """Return the call with a context around it, or around the reading of each row."""
    is_async, reads_rows = hasattr(wrapper, "aatomic"), name in _READERS
    kind: Any = (_arows if is_async else _rows) if reads_rows else _acall if is_async else _call
    return functools.partial(kind, call, around)


def _call(call: Any, around: _Around, sql: str, *args: Any, **options: Any) -> Any:
    with around(sql):
        return call(sql, *args, **options)


async def _acall(call: Any, around: _Around, sql: str, *args: Any, **options: Any) -> Any:
    with around(sql):
        return await call(sql, *args, **options)


def _rows(call: Any, around: _Around, sql: str, *args: Any, **options: Any) -> Iterator[Any]:
    reader = call(sql, *args, **options)
    try:
        while True:
            with around(sql):
                row = next(reader, _END)
            if row is _END:
                return
            yield row
    finally:
        reader.close()


async def _arows(call: Any, around: _Around, sql: str, *args: Any, **options: Any) -> AsyncIterator[Any]:
    reader = call(sql, *args, **options)
    try:
        while True:
            with around(sql):
                row = await anext(reader, _END)
            if row is _END:
                return
            yield row
    finally:
        await reader.aclose()
