"""Repairs of djanorm's sync MySQL and MariaDB connections."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..dialects import Dialect, dialect_for
from .pooling import has_news
from .repairs import repair

_WRAPPER = "dorm.db.backends.mysql:MySQLDatabaseWrapper"


@repair(_WRAPPER, "get_connection")
def connection_per_thread(original: Any, wrapper: Any) -> Any:
    """Give each thread a connection and a transaction of its own.

    Symptom: ``Packet sequence number wrong`` as soon as two threads query at once. Cause: one PyMySQL connection, and
    one transaction depth, for all threads of the process. djanorm 4.3 to 4.5.
    """
    own = _per_thread(wrapper.__class__)
    if wrapper.__class__ is not own:
        # Both are of one layout; what the wrapper held for all threads is closed, not shared further.
        wrapper.__class__ = own
        _close(vars(wrapper).pop("_conn", None))
        vars(wrapper).pop("_atomic_depth", None)
    return original(wrapper)


@cache
def _per_thread(cls: Any) -> Any:
    """Return the class with a connection and a depth for each thread, under the names that djanorm uses."""
    if "_conn" in vars(cls):
        return cls
    slots = {"_conn": _slot("connection", None), "_atomic_depth": _slot("depth", 0)}
    return type(cls.__name__, (cls,), slots | {"__module__": cls.__module__})


def _slot(name: str, empty: Any) -> property:
    def read(wrapper: Any) -> Any:
        return getattr(_own(wrapper), name, empty)

    def write(wrapper: Any, value: Any) -> None:
        setattr(_own(wrapper), name, value)

    return property(read, write)


def _own(wrapper: Any) -> Any:
    attributes = vars(wrapper)
    # setdefault is atomic: two threads that come first agree on one.
    return attributes.get("_dorm_vector_own") or attributes.setdefault("_dorm_vector_own", threading.local())


def _close(connection: Any) -> None:
    if connection is not None and connection.open:
        connection.close()


@repair(_WRAPPER, "get_connection")
def autocommit(original: Any, wrapper: Any) -> Any:
    """Let every read outside a transaction see what is committed by then.

    Symptom: a connection never sees what others wrote after its first read, and its open transaction blocks DDL.
    Cause: PyMySQL turns autocommit off, and djanorm ends no transaction after a read. djanorm 4.3 to 4.5.
    """
    wrapper._kwargs.setdefault("autocommit", True)
    return original(wrapper)


@repair(_WRAPPER, "get_connection")
def driver_arguments(original: Any, wrapper: Any) -> Any:
    """Give PyMySQL the arguments that it knows.

    Symptom: with ``OPTIONS["pool"]``, which is for the async connections, every sync query is a TypeError; without,
    each connection is a DeprecationWarning. Cause: the options are passed on whole, and the database as ``db``.
    djanorm 4.3 to 4.5, with PyMySQL from 1.2.
    """
    wrapper._kwargs = for_pymysql(wrapper._kwargs)
    return original(wrapper)


@repair(_WRAPPER, "get_connection")
def matched_rows(original: Any, wrapper: Any) -> Any:
    """Count the rows that an UPDATE matched, as other databases do.

    Symptom: ``update()`` and ``bulk_update()`` leave rows out of their count that had the new value before. Cause: the
    driver gives the number of those that changed, and the server tells both. djanorm 4.3 to 4.5.
    """
    if "cursorclass" not in wrapper._kwargs:
        wrapper._kwargs["cursorclass"] = _matching()
    return original(wrapper)


@cache
def _matching() -> Any:
    from pymysql.cursors import Cursor

    def execute(self: Any, query: Any, args: Any = None) -> Any:
        changed = Cursor.execute(self, query, args)
        self.rowcount = matched(self._result, self.rowcount)
        return changed

    return type("Matching", (Cursor,), {"execute": execute})


def matched(result: Any, changed: int) -> int:
    """Return how many rows the statement matched, as the server words it; the given number of any other statement."""
    words = _MATCHED.match(getattr(result, "message", None) or b"")
    return int(words[1]) if words else changed


_MATCHED = re.compile(rb"\(?Rows matched: (\d+)")


@repair(_WRAPPER, "get_connection")
def lost_connections(original: Any, wrapper: Any) -> Any:
    """Open a new connection where the server has closed the one at hand.

    Symptom: the first query after ``wait_timeout`` or a restart of the server is ``Lost connection to MySQL server``.
    Cause: a closed socket is known by its news, and nobody looks. djanorm 4.3 to 4.5.
    """
    connection = wrapper._conn
    if connection is not None and connection.open and not wrapper._atomic_depth and has_news(connection._sock.fileno()):
        wrapper.close()
    return original(wrapper)


def for_pymysql(arguments: dict[str, Any]) -> dict[str, Any]:
    renamed = {"database" if name == "db" else name: value for name, value in arguments.items()}
    renamed.pop("pool", None)
    return renamed


@repair(_WRAPPER, "execute_streaming")
def streaming_connection(original: Any, wrapper: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    """Let rows be saved while ``iterator(chunk_size=…)`` still reads.

    Symptom: the loop ends at the first ``save()`` in it, and the rest of the rows is never seen. Cause: PyMySQL drops
    what is left of an unbuffered result when its connection is used again. Inside a transaction, which has one
    connection, the rows are read at once. djanorm 4.3 to 4.5.
    """
    if wrapper._atomic_depth:
        yield from wrapper.execute(*arguments[:2])
        return
    # Its own, for as long as the rows take.
    twin = type(wrapper)(wrapper.settings, wrapper.alias)
    try:
        yield from original(twin, *arguments, **options)
    finally:
        twin.close()


@repair(_WRAPPER, "execute_bulk_insert", added=True)
def bulk_insert(
    _absent: Any, wrapper: Any, sql: str, params: Any = None, pk_col: str = "id", count: int = 1
) -> list[int]:
    """Insert many rows with one statement, and tell their keys.

    Symptom: ``bulk_create()`` and ``abulk_create()`` are an AttributeError. Cause: the MySQL connections lack
    ``execute_bulk_insert``. djanorm 4.3 to 4.5.
    """
    first = wrapper.execute_insert(sql, params, pk_col=pk_col)
    if not generates(sql, pk_col, first):
        return []
    (step,) = wrapper.execute(STEP)
    return keys(first, count, step)


STEP = "SELECT @@auto_increment_increment AS step"


def generates(sql: str, pk_col: str, first: int | None) -> bool:
    """Tell whether the statement let the server number all its rows."""
    return bool(first) and f'"{pk_col}"' not in sql.partition(" VALUES ")[0]


def keys(first: int, count: int, step: Any) -> list[int]:
    # The server reports the first key, and numbers the rows of one INSERT … VALUES without a gap.
    return list(range(first, first + count * step["step"], step["step"]))


@repair("dorm.query:SQLQuery", "as_bulk_insert")
def on_duplicate_key(
    original: Any, query: Any, fields: list[Any], rows: list[Any], connection: Any, **options: Any
) -> Any:
    """Write what to do on a conflict as MySQL and MariaDB have it.

    Symptom: ``bulk_create(ignore_conflicts=True)``, ``update_conflicts=True`` and ``upsert()`` are a syntax error.
    Cause: djanorm writes ON CONFLICT for every database. djanorm 4.3 to 4.5.
    """
    sql, params = original(query, fields, rows, connection, **options)
    insert, conflict, action = sql.partition(" ON CONFLICT")
    if not conflict or connection.vendor != "mysql":
        return sql, params
    return insert + _on_duplicate_key(fields, action, dialect_for(connection)), params


def _on_duplicate_key(fields: list[Any], action: str, dialect: Dialect) -> str:
    values = action.partition(" DO UPDATE SET ")[2]
    if not values:
        # INSERT IGNORE would let every other error pass, too. A generated key cannot be set, not even to itself.
        column = next((field.column for field in fields if not field.primary_key), fields[0].column)
        return f' ON DUPLICATE KEY UPDATE "{column}" = "{column}"'
    new = re.sub(r'EXCLUDED\.("\w+")', lambda found: dialect.inserted_value.format(column=found[1]), values)
    return f"{dialect.inserted_row} ON DUPLICATE KEY UPDATE {new}"


@repair("dorm.query:SQLQuery", "as_update", name="rows_of_the_same_table")
@repair("dorm.query:SQLQuery", "as_delete")
def rows_of_the_same_table(original: Any, query: Any, *arguments: Any) -> Any:
    """Let rows be changed or deleted that are found across a relation, or by a subquery of their own table.

    Symptom: ``Document.objects.filter(author__name=…).update(…)`` is ``You can't specify target table``.
    Cause: MySQL looks into a table that it changes only where it has copied what it found. djanorm 4.3 to 4.5.
    """
    sql, params = original(query, *arguments)
    table, key = query.get_table(), query.model._meta.pk.column
    if arguments[-1].vendor != "mysql":
        return sql, params
    everything = query.clone()
    everything.where_nodes, everything.joins = [], []
    statement, _params = original(everything, *arguments)
    found = sql[len(statement) :]
    if f'"{table}"' not in found.replace(f'"{table}".', ""):
        return sql, params
    across = f' WHERE "{key}" IN ('
    rows = (
        found[len(across) : -1]
        if found.startswith(f'{across}SELECT "{table}"')
        else f'SELECT "{table}"."{key}" FROM "{table}"{found}'
    )
    # DISTINCT keeps the server from putting the inner query into the outer one.
    return f'{statement}{across}SELECT * FROM ({rows.replace("SELECT", "SELECT DISTINCT", 1)}) AS "chosen")', params


@repair("dorm.lookups", "build_lookup_sql", name="like_escape")
@repair("dorm.query", "build_lookup_sql")
def like_escape(original: Any, col: str, lookup: str, value: Any, vendor: str = "sqlite") -> Any:
    r"""Write LIKE's escape character as MySQL and MariaDB read it.

    Symptom: ``contains``, ``startswith``, ``endswith`` and their twins are a syntax error. Cause: in ``ESCAPE '\'`` the
    backslash escapes the quote there. djanorm 4.3 to 4.5.
    """
    sql, params = original(col, lookup, value, vendor=vendor)
    return (sql.replace(r"ESCAPE '\'", r"ESCAPE '\\'") if vendor == "mysql" else sql), params


@repair("dorm.fields:BigAutoField", "rel_db_type", name="foreign_key_type")
def foreign_key_type(original: Any, field: Any, connection: Any) -> str:
    """Give a foreign key the type of the key that it refers to.

    Symptom: a table with a foreign key to a model without a key of its own cannot be created. Cause: the key is BIGINT
    and the column that refers to it INTEGER. djanorm 4.3 to 4.5.
    """
    return "BIGINT" if connection.vendor == "mysql" else str(original(field, connection))


@repair("dorm.fields:SmallAutoField", "rel_db_type", name="foreign_key_type")
def _small_foreign_key(original: Any, field: Any, connection: Any) -> str:
    return "SMALLINT" if connection.vendor == "mysql" else str(original(field, connection))
