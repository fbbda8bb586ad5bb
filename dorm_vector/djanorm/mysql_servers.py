"""Which server stands behind djanorm's one MySQL backend: MariaDB or MySQL, and with which functions."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from .mysql import for_pymysql

_DISTANCE = "SELECT DISTANCE(STRING_TO_VECTOR('[1]'), STRING_TO_VECTOR('[2]'), 'EUCLIDEAN')"
_NO_SUCH_FUNCTION = 1305


@dataclass(frozen=True)
class Server:
    """What a server said of itself in its greeting, and whether it has DISTANCE()."""

    greeting: str
    has_distance: bool

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.greeting.lower()


def server_of(wrapper: Any) -> Server:
    """Return the server of a djanorm connection; asked once for each wrapper.

    SQL is compiled before an async connection is opened, so a wrapper that has none yet asks over a connection of its
    own, which blocks the event loop for a few milliseconds, once.
    """
    known: Server | None = getattr(wrapper, "_dorm_vector_server", None)
    if known is None:
        known = wrapper._dorm_vector_server = _ask(wrapper)
    return known


def _ask(wrapper: Any) -> Server:
    if hasattr(wrapper, "get_connection"):
        return _server(wrapper.get_connection())
    import pymysql

    with pymysql.connect(**_arguments(wrapper)) as connection:
        return _server(connection)


def _server(connection: Any) -> Server:
    """Ask an open PyMySQL connection. MariaDB's greeting says all; of a MySQL only trying says what it computes."""
    greeting = connection.get_server_info()
    known = Server(greeting, has_distance=False)
    return known if known.is_mariadb else Server(greeting, _has_distance(connection))


def _has_distance(connection: Any) -> bool:
    import pymysql

    with connection.cursor() as cursor:
        try:
            cursor.execute(_DISTANCE)
        except pymysql.MySQLError as error:
            # A statement that names no function of the server leaves the transaction as it was.
            if error.args[0] != _NO_SUCH_FUNCTION:
                raise
            return False
        return True


def _arguments(wrapper: Any) -> dict[str, Any]:
    """Return how to reach an async wrapper's server with PyMySQL: its own settings, or those of the user's pool."""
    import pymysql

    given = wrapper._kwargs if wrapper._pool is None else wrapper._pool._conn_kwargs
    known = inspect.signature(pymysql.connect).parameters.keys() - {"cursorclass"}
    return {name: value for name, value in for_pymysql(given).items() if name in known}
