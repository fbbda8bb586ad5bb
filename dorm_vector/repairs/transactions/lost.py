"""Transactions that ended before their block, because the connection was lost or the server rolled back.

Later statements would run in a separate transaction, so they are not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from dorm.db.utils import normalize_db_exception
from dorm.exceptions import OperationalError

from ...engines.ended import NOTHING_STORED, mark_begun, mark_ended, require_unended
from ...engines.open_transactions import mysql_is_open
from ...exceptions import ConnectionLost
from ...patching.registry import repair

_POSTGRESQL = "dorm.db.backends.postgresql:PostgreSQLDatabaseWrapper"

_MYSQL = "dorm.db.backends.mysql:MySQLDatabaseWrapper"

# A record has changed, a lock wait timed out, or a deadlock: the server may roll back the whole transaction.
_MAY_ROLL_BACK = frozenset({1020, 1205, 1213})

_WHO_KNOWS = "Whether its COMMIT arrived cannot be known from here: check whether its writes were stored."


class _WouldConnectError(Exception):
    pass


class _Refusing:
    """A lock that djanorm acquires before it connects."""

    def __enter__(self) -> None:
        raise _WouldConnectError

    def __exit__(self, *_error: object) -> None:
        pass


def _stays_with_its_connection() -> bool:
    from dorm.db.backends.mysql import MySQLDatabaseWrapper

    wrapper: Any = MySQLDatabaseWrapper({})
    wrapper._conn, wrapper._lock, wrapper._atomic_depth = SimpleNamespace(open=False), _Refusing(), 1
    try:
        wrapper.get_connection()
    except _WouldConnectError:
        return False
    except OperationalError:
        return True
    return False


@repair(_MYSQL, "get_connection", is_fixed=_stays_with_its_connection)
def lost_transactions(original: Any, wrapper: Any) -> Any:
    """End a transaction with its connection: later statements raise, and the block raises at its end.

    Symptom: after the connection dies inside ``atomic()``, later statements are committed row by row, and earlier ones
    are lost; the same happens after a deadlock whose error was caught; on PostgreSQL, the block ends without an error
    and has stored nothing. Cause: the next statement opens another connection, or runs outside any transaction, and the
    end of the block does not check. djanorm 4.3 to 4.5.
    """
    if not wrapper._atomic_depth:
        return original(wrapper)
    connection = wrapper._conn
    if connection is None or not connection.open:
        raise ConnectionLost(f"MySQL: the connection was lost inside of a transaction. {NOTHING_STORED}")
    require_unended(connection)
    return connection


@repair(_MYSQL, "execute", name="lost_transactions", is_fixed=_stays_with_its_connection)
@repair(_MYSQL, "execute_write", name="lost_transactions", is_fixed=_stays_with_its_connection)
@repair(_MYSQL, "execute_insert", name="lost_transactions", is_fixed=_stays_with_its_connection)
@repair(_MYSQL, "execute_script", name="lost_transactions", is_fixed=_stays_with_its_connection)
def _noting_what_ended(original: Any, wrapper: Any, *args: Any, **options: Any) -> Any:
    try:
        return original(wrapper, *args, **options)
    except Exception as error:
        if wrapper._atomic_depth and may_roll_back(error) and not mysql_is_open(wrapper._conn):
            mark_ended(wrapper._conn, error)
        raise


def may_roll_back(error: Exception) -> bool:
    return bool({*getattr(error.__cause__, "args", ())} & _MAY_ROLL_BACK)


@repair(_MYSQL, "atomic", name="lost_transactions", is_fixed=_stays_with_its_connection)
@contextmanager
def _mysql_atomic(original: Any, wrapper: Any) -> Iterator[None]:
    from pymysql import MySQLError

    if not wrapper._atomic_depth:
        mark_begun(wrapper.get_connection())
    ends = Ends("MySQL", MySQLError, outermost=not wrapper._atomic_depth)
    with ends.translated(lambda: wrapper._conn is None or not wrapper._conn.open), original(wrapper), ends.block():
        yield
        # If the block caught the error that ended its transaction, COMMIT would find nothing to commit.
        wrapper.get_connection()


def _raises_for_a_lost_connection() -> bool:
    from dorm.db.backends.postgresql import PostgreSQLDatabaseWrapper

    wrapper: Any = PostgreSQLDatabaseWrapper({})
    wrapper._pool = SimpleNamespace(connection=lambda: nullcontext(SimpleNamespace(closed=True)))
    try:
        with wrapper.atomic():
            pass
    except OperationalError:
        return True
    return False


@repair(_POSTGRESQL, "atomic", name="lost_transactions", is_fixed=_raises_for_a_lost_connection)
@contextmanager
def _postgresql_atomic(original: Any, wrapper: Any) -> Iterator[None]:
    from psycopg import Error

    connections: list[Any] = []
    ends = Ends("PostgreSQL", Error, outermost=wrapper._atomic_conn is None)
    with ends.translated(lambda: any(each.closed for each in connections)), original(wrapper), ends.block():
        connections.append(wrapper._atomic_conn)
        yield
        require_open(connections[0])


def require_open(connection: Any) -> None:
    """Raise an error if psycopg's COMMIT would silently store nothing."""
    if connection.closed:
        raise ConnectionLost(f"PostgreSQL: the connection was lost inside of a transaction. {NOTHING_STORED}")
    if connection.info.transaction_status.name == "INERROR":
        raise OperationalError(
            "PostgreSQL: a statement of this block failed, and the block caught its error: nothing of the block can be"
            " stored. Put what may fail into an atomic() of its own, inside of this one."
        )


class Ends:
    """Convert the errors that a driver raises at the begin and end of a block to djanorm's."""

    def __init__(self, database: str, driver_errors: type[Exception], *, outermost: bool) -> None:
        self._database, self._driver_errors, self._is_outermost = database, driver_errors, outermost
        self._raised_inside: list[BaseException] = []

    @contextmanager
    def block(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._raised_inside.append(error)
            raise

    @contextmanager
    def translated(self, is_lost: Callable[[], bool]) -> Iterator[None]:
        try:
            yield
        except self._driver_errors as error:
            if error in self._raised_inside:
                raise
            if is_lost():
                raise self._lost(error) from error
            normalize_db_exception(error)
            raise OperationalError(str(error)) from error

    def _lost(self, error: Exception) -> ConnectionLost:
        rest = _WHO_KNOWS if self._is_outermost else NOTHING_STORED
        lost = ConnectionLost(
            f"{self._database}: the connection was lost where a transaction begins or ends: {error}. {rest}"
        )
        lost.may_be_stored = self._is_outermost
        return lost
