"""Patches of PyMySQL and aiomysql, so that vectors travel as bytes in both directions."""

from __future__ import annotations

import sys
from typing import Any

from ...patching.registry import hook, repair
from ...patching.stand_ins import finished
from ...values.bit import Bit
from ...values.sparse import SparseVector
from ...values.vector import Vector

# FIELD_TYPE of MySQL's VECTOR; MariaDB reports its own as a binary string.
_VECTOR = 242


@hook("pymysql.connections:MySQLResult", "_get_descriptions")
def vector_columns_as_bytes(original: Any, result: Any) -> None:
    """Read MySQL's VECTOR columns as bytes.

    Symptom: reading a vector on MySQL raises UnicodeDecodeError, and the connection is out of sync afterwards. Cause:
    PyMySQL and aiomysql decode every unknown type as ASCII. djanorm 4.3 to 4.5, with PyMySQL up to 2.2 and aiomysql up
    to 0.3.
    """
    original(result)
    _undecoded(result)


@hook("aiomysql.connection:MySQLResult", "_get_descriptions", name="vector_columns_as_bytes")
async def _vector_columns_as_bytes(original: Any, result: Any) -> None:
    await original(result)
    _undecoded(result)


def _undecoded(result: Any) -> None:
    result.converters = [
        (None, None) if column.type_code == _VECTOR else converter
        for column, converter in zip(result.fields, result.converters, strict=True)
    ]


def _escapes_bytes() -> bool:
    # aiomysql is still being imported, so its submodules are not attributes of the package yet.
    connections = sys.modules["aiomysql.connection"]
    try:
        return bool(connections.Connection.escape(None, b"a"))
    except TypeError:
        return False


@hook("aiomysql.connection:Connection", "escape")
def async_vectors(original: Any, connection: Any, value: Any) -> Any:
    """Send a vector on an async connection, however the driver treats bytes."""
    return _literal(value) if isinstance(value, (Vector, SparseVector, Bit)) else original(connection, value)


def _literal(value: bytes) -> str:
    return f"_binary X'{value.hex()}'"


@repair("aiomysql.connection:Connection", "escape", is_fixed=_escapes_bytes)
def async_bytes(original: Any, connection: Any, value: Any) -> Any:
    """Send bytes on an async connection.

    Symptom: every value of a ``BinaryField`` raises ``'str' object is not callable``. Cause: aiomysql 0.3 imports a
    name that is a function in older versions of PyMySQL and a string in newer ones. djanorm 4.3 to 4.5, with PyMySQL
    from 1.2 and aiomysql 0.3.
    """
    return _literal(value) if isinstance(value, bytes) else original(connection, value)


def _passes_over_notes() -> bool:
    class Asked:
        is_asked = False

        async def show_warnings(self) -> None:
            self.is_asked = True

    connection, cursor = Asked(), object.__new__(sys.modules["aiomysql.cursors"].Cursor)
    cursor._result, cursor._last_executed = None, "EXPLAIN SELECT 1"
    finished(cursor._show_warnings(connection))
    return not connection.is_asked


# Statements whose notes from the server are no use to anyone.
_NOTED = ("EXPLAIN", "CREATE FULLTEXT INDEX", "CREATE TABLE IF NOT EXISTS", "DROP TABLE IF EXISTS")


@repair("aiomysql.cursors:Cursor", "_show_warnings", is_fixed=_passes_over_notes)
async def quiet_async_plans(original: Any, cursor: Any, connection: Any) -> None:
    """Explain a query on an async connection without warnings.

    Symptom: ``aexplain()`` on MySQL warns about each column of an outer query that a subquery uses. Cause: aiomysql
    turns every note of the server into a warning: EXPLAIN reports in notes how it read the statement, the first
    full-text index of a table that InnoDB adds a hidden column, and IF EXISTS what it was asked about. djanorm 4.3 to
    4.5, with aiomysql 0.3.
    """
    if not str(cursor._last_executed).startswith(_NOTED):
        await original(cursor, connection)
