"""Statement timeouts of Turso: its driver ends a statement on its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from dorm.exceptions import ImproperlyConfigured

from ...dialects import dialect_named
from ..limits.calls import Calls
from ..limits.exempt import is_exempt
from ..limits.setting import NAME

_KNOWN = "dorm_vector_statement_timeout"


def limited(wrapper: Any, seconds: float) -> None:
    milliseconds = round(seconds * 1000)
    (_limited_async if hasattr(wrapper, "_operation_conn") else _limited_sync)(wrapper, milliseconds)
    dialect = dialect_named("turso")
    Calls(dialect.title, seconds, dialect.limits.told).replace(wrapper)


def _limited_sync(wrapper: Any, milliseconds: int) -> None:
    get = wrapper.get_connection

    def get_connection() -> Any:
        raw = get()
        _set(raw, 0 if is_exempt() else milliseconds)
        return raw

    wrapper.get_connection = get_connection


def _limited_async(wrapper: Any, milliseconds: int) -> None:
    operation = wrapper._operation_conn

    @asynccontextmanager
    async def operation_conn() -> Any:
        async with operation() as connection:
            wanted = 0 if is_exempt() else milliseconds
            if vars(connection).get(_KNOWN) != wanted:
                # Only the connection's own thread may use it.
                await connection._run(lambda: _set(connection._conn, wanted))
                vars(connection)[_KNOWN] = wanted
            yield connection

    wrapper._operation_conn = operation_conn


def _set(raw: Any, milliseconds: int) -> None:
    if not hasattr(raw, "set_query_timeout"):
        raise ImproperlyConfigured(
            f"Turso: this connection cannot limit its statements, and DATABASES has OPTIONS['{NAME}']. Install pyturso"
            " 0.8 or newer, or leave the option out."
        )
    raw.set_query_timeout(milliseconds)
