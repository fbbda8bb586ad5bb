"""Which server is it, MariaDB or MySQL, and which version."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from math import isclose
from typing import Any

from dorm.exceptions import OperationalError

from ..timeouts import connect_timeout

# [3, 4] and [1, 0], the latter as vectors are bound. A function of the schema may have the name, too: only one that
# answers as MySQL documents it counts.
_DISTANCES = "SELECT " + ", ".join(
    f"DISTANCE(STRING_TO_VECTOR('[3,4]'), _binary X'0000803F00000000', '{metric}')"
    for metric in ("EUCLIDEAN", "COSINE", "DOT")
)

_ANSWERS = (20**0.5, 0.4, 3)

_CLIENT_ERRORS = range(2000, 3000)


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

    try:
        connection = pymysql.connect(**_arguments(wrapper))
    except pymysql.MySQLError as error:
        raise OperationalError(str(error)) from error
    with connection:
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
            cursor.execute(_DISTANCES)
        except pymysql.MySQLError as error:
            if error.args[0] in _CLIENT_ERRORS:
                raise
            # No such function, or another one of the name. The transaction is as it was.
            return False
        return _are_distances(cursor.fetchone())


def _are_distances(answers: Any) -> bool:
    try:
        # The sign of the product differs from server to server.
        return all(isclose(abs(found), wanted, rel_tol=1e-5) for found, wanted in zip(answers, _ANSWERS, strict=True))
    except TypeError:
        return False


def _arguments(wrapper: Any) -> dict[str, Any]:
    """Return how to reach an async wrapper's server with PyMySQL: its own settings, or those of the user's pool."""
    import pymysql

    given = wrapper._kwargs if wrapper._pool is None else wrapper._pool._conn_kwargs
    known = inspect.signature(pymysql.connect).parameters.keys() - {"cursorclass"}
    limit = connect_timeout(wrapper.settings)
    limits = {"connect_timeout": limit, "read_timeout": limit}
    return limits | {name: value for name, value in for_pymysql(given).items() if name in known}


def for_pymysql(arguments: dict[str, Any]) -> dict[str, Any]:
    renamed = {"database" if name == "db" else name: value for name, value in arguments.items()}
    renamed.pop("pool", None)
    return renamed
