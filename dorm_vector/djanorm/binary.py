"""Ranked rows of psycopg in binary, with their vector columns as they are.

``vector_send`` is the binary form in any cursor, but PostgreSQL calls it for every row before it sorts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm import fields
from dorm.db.utils import log_query, normalize_db_exception

from ..elements import Element
from .repairs import repair

_POSTGRESQL = "dorm.db.backends.postgresql"
# psycopg reads these alike in text and in binary; an enum or a citext it would hand over as bytes.
_ALIKE = frozenset(
    vars(fields)[f"{name}Field"]
    for name in (
        *("Auto", "BigAuto", "SmallAuto", "Integer", "BigInteger", "SmallInteger", "PositiveInteger", "Float"),
        *("Boolean", "Char", "Text", "Email", "URL", "Slug", "UUID", "Date", "DateTime", "Decimal", "JSON"),
    )
)


_IDLE = 0  # psycopg.pq.TransactionStatus, which only psycopg can import


class BinaryQuery(str):
    """SQL whose rows are fetched in binary."""

    __slots__ = ()


def reads_binary(query: Any) -> bool:
    """Tell whether the query is a ranked slice of columns that psycopg reads alike in text and in binary."""
    from ..expressions import VectorDistance

    if query.limit_val is None or not query.order_by_fields:
        return False
    projected = [query.annotations[name] for name in query.annotations if query._is_projected(name)]
    if not all(isinstance(expression, VectorDistance) for expression in projected):
        return False
    return all(_is_alike(query._resolve_field(name.split("__"))) for name in query._selected_names())


def is_plain(field: Any) -> bool:
    """Tell whether a binary cursor hands the column over as ``vector_send`` would."""
    return getattr(field, "element", None) is Element.FLOAT32


def _is_alike(field: Any) -> bool:
    if field is not None and hasattr(field, "_resolve_related_model"):
        field = field._resolve_related_model()._meta.pk
    return type(field) in _ALIKE or hasattr(field, "to_vector")


@repair(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_exec")
def binary_rows(original: Any, wrapper: Any, connection: Any, sql: str, params: Any, **options: Any) -> Any:
    """Fetch the rows of a search in binary.

    Symptom: an exact search of PostgreSQL is five times slower than it need be. Cause: djanorm's cursors are text, in
    which only ``vector_send`` is compact, and that is called for each row that is sorted. djanorm 4.3 to 4.5.
    """
    if not isinstance(sql, BinaryQuery):
        return original(wrapper, connection, sql, params, **options)
    alone = wrapper._atomic_conn is None and _is_idle(connection)
    with _logged(sql, params), connection.cursor(binary=True) as cursor:
        # One statement is a transaction by itself: BEGIN and COMMIT would be two round trips more.
        if alone:
            connection.autocommit = True
        try:
            return cursor.execute(str(sql), params or []).fetchall()
        finally:
            if alone and not connection.closed:
                connection.autocommit = False


@repair(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_aexec", name="binary_rows")
async def _async_rows(original: Any, wrapper: Any, connection: Any, sql: str, params: Any, **options: Any) -> Any:
    if not isinstance(sql, BinaryQuery):
        return await original(wrapper, connection, sql, params, **options)
    alone = not wrapper._in_async_atomic() and _is_idle(connection)
    with _logged(sql, params):
        async with connection.cursor(binary=True) as cursor:
            if alone:
                await connection.set_autocommit(True)
            try:
                return await (await cursor.execute(str(sql), params or [])).fetchall()
            finally:
                if alone and not connection.closed:
                    await connection.set_autocommit(False)


def _is_idle(connection: Any) -> bool:
    """Tell whether no transaction is open, and none is needed."""
    return not connection.autocommit and connection.pgconn.transaction_status == _IDLE


@contextmanager
def _logged(sql: str, params: Any) -> Iterator[None]:
    with log_query("postgresql", sql, params):
        try:
            yield
        except Exception as error:
            normalize_db_exception(error)
            raise
