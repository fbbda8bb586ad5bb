"""Repairs of djanorm's sync MySQL and MariaDB connections."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..engines.limits.setting import limit
from ..engines.mysql.server import for_pymysql
from ..engines.sockets import has_news
from ..engines.timeouts import is_prepared
from ..patching.registry import repair, repair_attributes

_WRAPPER = "dorm.db.backends.mysql:MySQLDatabaseWrapper"


class _Asked(Exception):
    """Raised instead of opening a new connection."""


class _Open:
    """An open connection, and the lock that is acquired before another one is opened."""

    open = True

    def __init__(self, sock: Any = None) -> None:
        self._sock = sock

    def close(self) -> None:
        self.open = False

    def ping(self, *_reconnect: Any) -> None:
        raise _Asked

    def __enter__(self) -> None:
        raise _Asked

    def __exit__(self, *_error: object) -> None:
        """Do nothing, because __enter__ raises."""


def _connected(connection: _Open, **settings: Any) -> Any:
    """Return a wrapper that has the connection, and raises instead of opening another one."""
    from dorm.db.backends.mysql import MySQLDatabaseWrapper

    wrapper: Any = MySQLDatabaseWrapper(settings)
    wrapper._conn, wrapper._lock = connection, _Open()
    return wrapper


def _opens_another(wrapper: Any) -> bool:
    try:
        wrapper.get_connection()
    except _Asked:
        return True
    return False


def _keeps_threads_apart() -> bool:
    wrapper, found = _connected(_Open()), []
    thread = threading.Thread(target=lambda: found.append(_opens_another(wrapper)))
    thread.start()
    thread.join()
    return found == [True]


def _of_each_thread(name: str, empty: Any) -> property:
    """Return a property with a separate value per thread, once the wrapper has a ``_dorm_vector_own``."""

    def read(wrapper: Any) -> Any:
        own = vars(wrapper).get("_dorm_vector_own")
        return vars(wrapper).get(name, empty) if own is None else getattr(own, name, empty)

    def write(wrapper: Any, value: Any) -> None:
        own = vars(wrapper).get("_dorm_vector_own")
        vars(wrapper if own is None else own)[name] = value

    return property(read, write)


_OF_EACH_THREAD = {name: _of_each_thread(name, empty) for name, empty in (("_conn", None), ("_atomic_depth", 0))}


@repair_attributes(_WRAPPER, _OF_EACH_THREAD, is_fixed=_keeps_threads_apart)
@repair(_WRAPPER, "get_connection", is_fixed=_keeps_threads_apart)
def connection_per_thread(original: Any, wrapper: Any) -> Any:
    """Give each thread its own connection and transaction.

    Symptom: ``Packet sequence number wrong`` as soon as two threads query at once. Cause: all threads of the process
    share one PyMySQL connection and one transaction depth. djanorm 4.3 to 4.5.
    """
    attributes = vars(wrapper)
    if "_dorm_vector_own" not in attributes:
        # setdefault is atomic: if two threads arrive first, both get the same object.
        attributes.setdefault("_dorm_vector_own", threading.local())
        # Close the connection that all threads shared.
        _close(attributes.pop("_conn", None))
        attributes.pop("_atomic_depth", None)
    return original(wrapper)


def _close(connection: Any) -> None:
    if connection is not None and connection.open:
        connection.close()


def _arguments(**settings: Any) -> dict[str, Any]:
    """Return the arguments that PyMySQL receives."""
    wrapper = _connected(_Open(), **settings)
    wrapper.get_connection()
    arguments: dict[str, Any] = wrapper._kwargs
    return arguments


def _commits() -> bool:
    return bool(_arguments().get("autocommit"))


@repair(_WRAPPER, "get_connection", is_fixed=_commits)
def autocommit(original: Any, wrapper: Any) -> Any:
    """Let every read outside a transaction see what is committed by then.

    Symptom: after its first read, a connection never sees the writes of others, and its open transaction blocks DDL.
    Cause: PyMySQL turns autocommit off, and djanorm ends no transaction after a read. djanorm 4.3 to 4.5.
    """
    wrapper._kwargs.setdefault("autocommit", True)
    return original(wrapper)


# MySQL's own default of four further digits is less than a float holds.
_PRECISION = "SET SESSION div_precision_increment = 16"


def averages_precisely() -> bool:
    """Return whether new connections are told how many digits a quotient has."""
    return "init_command" in _arguments()


@repair(_WRAPPER, "get_connection", is_fixed=averages_precisely)
def precise_averages(original: Any, wrapper: Any) -> Any:
    """Average and divide whole numbers and decimals to 16 digits after the point, about as other databases do.

    Symptom: ``Avg("pages")`` over 1, 1 and 2 is 1.3333. Cause: the server adds four digits to those of the column,
    unless a connection asks for more; an ``OPTIONS["init_command"]`` of yours is kept and replaces this one.
    djanorm 4.3 to 4.5.
    """
    measure_precisely(wrapper)
    return original(wrapper)


def measure_precisely(wrapper: Any) -> None:
    wrapper._kwargs.setdefault("init_command", _PRECISION)


def _leaves_out_the_pool() -> bool:
    return not {"db", "pool"} & _arguments(NAME="shop", OPTIONS={"pool": None}).keys()


@repair(_WRAPPER, "get_connection", is_fixed=_leaves_out_the_pool)
def driver_arguments(original: Any, wrapper: Any) -> Any:
    """Pass PyMySQL only arguments that it knows.

    Symptom: with ``OPTIONS["pool"]``, which is for the async connections, every sync query raises TypeError; without
    it, each connection emits a DeprecationWarning. Cause: all options are passed on, and the database as ``db``.
    djanorm 4.3 to 4.5, with PyMySQL from 1.2.
    """
    wrapper._kwargs = for_pymysql(wrapper._kwargs)
    return original(wrapper)


_FOUND_ROWS = 2  # pymysql.constants.CLIENT.FOUND_ROWS, copied so that PyMySQL need not be imported


def counts_matched_rows() -> bool:
    """Return whether the driver is set to count the rows that an UPDATE matched."""
    arguments = _arguments()
    return "cursorclass" in arguments or bool(arguments.get("client_flag", 0) & _FOUND_ROWS)


@repair(_WRAPPER, "get_connection", is_fixed=counts_matched_rows)
def matched_rows(original: Any, wrapper: Any) -> Any:
    """Count the rows that an UPDATE matched, as other databases do.

    Symptom: ``update()`` and ``bulk_update()`` do not count rows that already had the new value. Cause: the driver
    returns the number of changed rows, although the server reports both. djanorm 4.3 to 4.5.
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
    """Return the number of matched rows in the server's message; for other statements, the given number."""
    words = _MATCHED.match(getattr(result, "message", None) or b"")
    return int(words[1]) if words else changed


_MATCHED = re.compile(rb"\(?Rows matched: (\d+)")


def _notices_a_closed_socket() -> bool:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        return _opens_another(_connected(_Open(ours)))


@repair(_WRAPPER, "get_connection", is_fixed=_notices_a_closed_socket)
def lost_connections(original: Any, wrapper: Any) -> Any:
    """Open a new connection if the server has closed the current one.

    Symptom: the first query after ``wait_timeout`` or a server restart fails with ``Lost connection to MySQL server``.
    Cause: a closed socket becomes readable, and djanorm does not check. djanorm 4.3 to 4.5.
    """
    connection = wrapper._conn
    if connection is None or not connection.open:
        return original(wrapper)
    if not wrapper._atomic_depth and has_news(connection._sock.fileno()):
        wrapper.close()
        return original(wrapper)
    # All that the other patches do is for a new connection.
    return connection if is_prepared(connection) else original(wrapper)


@repair(_WRAPPER, "execute_streaming", fixed_in="5.0")
def streaming_connection(original: Any, wrapper: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    """Allow writes while ``iterator(chunk_size=…)`` is still reading.

    Symptom: the loop ends at the first ``save()`` inside it, and the remaining rows are skipped. Cause: PyMySQL drops
    the rest of an unbuffered result when its connection is used again. Inside a transaction, which has only one
    connection, all rows are read at once. djanorm 4.3 to 4.5.
    """
    if wrapper._atomic_depth:
        yield from wrapper.execute(*arguments[:2])
        return
    # A separate connection, for as long as the rows are read.
    twin = type(wrapper)(wrapper.settings, wrapper.alias)
    limit(twin)
    try:
        yield from original(twin, *arguments, **options)
    finally:
        twin.close()


def inserts_many() -> bool:
    """Return whether both the sync and the async wrapper insert many rows with one statement."""
    from dorm.db.backends import mysql

    wrappers = (mysql.MySQLDatabaseWrapper, mysql.MySQLAsyncDatabaseWrapper)
    return all(hasattr(wrapper, "execute_bulk_insert") for wrapper in wrappers)


@repair(_WRAPPER, "execute_bulk_insert", added=True, is_fixed=inserts_many)
def bulk_insert(
    _absent: Any, wrapper: Any, sql: str, params: Any = None, pk_col: str = "id", count: int = 1
) -> list[int]:
    """Insert many rows with one statement, and return their keys.

    Symptom: ``bulk_create()`` and ``abulk_create()`` raise AttributeError. Cause: the MySQL connections lack
    ``execute_bulk_insert``. djanorm 4.3 to 4.5.
    """
    first = wrapper.execute_insert(sql, params, pk_col=pk_col)
    if not generates(sql, pk_col, first):
        return []
    (step,) = wrapper.execute(STEP)
    return keys(first, count, step)


STEP = "SELECT @@auto_increment_increment AS step"


def generates(sql: str, pk_col: str, first: int | None) -> bool:
    """Return whether the server generated the keys of all rows of the statement."""
    return bool(first) and f'"{pk_col}"' not in sql.partition(" VALUES ")[0]


def keys(first: int, count: int, step: Any) -> list[int]:
    # The server reports the first key, and numbers the rows of one INSERT … VALUES without gaps.
    return list(range(first, first + count * step["step"], step["step"]))
