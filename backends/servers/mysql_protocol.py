"""Operations that MariaDB and MySQL share once they run: the protocol, and the client's flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends import Settings


def execute(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    import pymysql

    connection = pymysql.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        database=settings["NAME"] or None,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def server_version(settings: Settings) -> str:
    """Return the version without the build: 11.8.6 for 11.8.6-MariaDB-0+deb13u1."""
    version: str = execute(settings, "SELECT VERSION()")[0][0]
    return version.split("-", maxsplit=1)[0]


def create(settings: Settings, name: str) -> Settings:
    execute(settings, f"CREATE DATABASE `{name}`")
    return {**settings, "NAME": name}


def drop(settings: Settings) -> None:
    """Drop a database and close the connections that still use it, as PostgreSQL's WITH (FORCE) does."""
    outside, name = {**settings, "NAME": ""}, settings["NAME"]
    # A connection with an open transaction, even a read-only one, blocks DROP DATABASE indefinitely.
    for (user,) in execute(outside, f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"):
        _kill(outside, user)
    execute(outside, f"DROP DATABASE IF EXISTS `{name}`")


def _kill(settings: Settings, user: int) -> None:
    import pymysql

    try:
        execute(settings, f"KILL {user}")
    except pymysql.err.MySQLError as error:
        if error.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:  # it has already disconnected
            raise


def client_arguments(settings: Settings) -> list[str]:
    address = ["--protocol=TCP", f"--host={settings['HOST']}", f"--port={settings['PORT']}"]
    # Both clients warn about a password in the arguments, even an empty one.
    password = [f"--password={settings['PASSWORD']}"] if settings["PASSWORD"] else []
    return [*address, f"--user={settings['USER']}", *password, settings["NAME"]]
