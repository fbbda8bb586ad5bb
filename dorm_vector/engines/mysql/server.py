"""Identify the server: MariaDB or MySQL, and its version."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from math import isclose
from typing import Any

from ...dialects.shared.other_servers import warned_of
from ..driver_errors import raising_ours
from ..timeouts import connect_timeout

# [3, 4] and [1, 0], the latter in the form in which vectors are bound. A stored function may have the same name, so
# DISTANCE() counts only if its results are those that MySQL documents.
_DISTANCES = "SELECT " + ", ".join(
    f"DISTANCE(STRING_TO_VECTOR('[3,4]'), _binary X'0000803F00000000', '{metric}')"
    for metric in ("EUCLIDEAN", "COSINE", "DOT")
)

_ANSWERS = (20**0.5, 0.4, 3)

_CLIENT_ERRORS = range(2000, 3000)


@dataclass(frozen=True)
class Server:
    """The server's greeting, and whether it has DISTANCE()."""

    greeting: str
    has_distance: bool

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.greeting.lower()


def server_of(wrapper: Any) -> Server:
    """Return the server of a djanorm connection; queried once per wrapper.

    SQL is compiled before an async connection is open. An async wrapper that has opened none therefore queries the
    server over a separate connection, which blocks the event loop once: for a few milliseconds, or in an outage until
    ``connect_timeout``. ``meet()`` prevents that.
    """
    known: Server | None = getattr(wrapper, "_dorm_vector_server", None)
    if known is None:
        with raising_ours():
            known = wrapper._dorm_vector_server = _ask(wrapper)
    return known


async def meet(wrapper: Any, connection: Any) -> None:
    """Identify the server of an async wrapper over a connection that it has opened, if it is unknown."""
    if getattr(wrapper, "_dorm_vector_server", None) is not None:
        return
    greeting = connection.get_server_info()
    known = Server(greeting, has_distance=False)
    if not known.is_mariadb:
        known = Server(greeting, await _has_distance_async(connection))
    warned_of(greeting)
    wrapper._dorm_vector_server = known


def _ask(wrapper: Any) -> Server:
    if hasattr(wrapper, "get_connection"):
        return _server(wrapper.get_connection())
    import pymysql

    with pymysql.connect(**_arguments(wrapper)) as connection:
        return _server(connection)


def _server(connection: Any) -> Server:
    """Query an open PyMySQL connection. The greeting identifies MariaDB; MySQL's functions need a test query."""
    greeting = connection.get_server_info()
    warned_of(greeting)
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
            # The function is missing, or another one has its name. The transaction is unaffected.
            return False
        return _are_distances(cursor.fetchone())


async def _has_distance_async(connection: Any) -> bool:
    import pymysql

    async with connection.cursor() as cursor:
        try:
            await cursor.execute(_DISTANCES)
        except pymysql.MySQLError as error:
            if error.args[0] in _CLIENT_ERRORS:
                raise
            return False
        return _are_distances(await cursor.fetchone())


def _are_distances(answers: Any) -> bool:
    try:
        # The sign of the dot product differs between servers.
        return all(isclose(abs(found), wanted, rel_tol=1e-5) for found, wanted in zip(answers, _ANSWERS, strict=True))
    except TypeError:
        return False


def _arguments(wrapper: Any) -> dict[str, Any]:
    """Return PyMySQL's arguments for an async wrapper's server: its own settings, or those of the user's pool."""
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
