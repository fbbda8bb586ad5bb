"""Create and drop databases of a libSQL server, over its URL or sqld's admin API."""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from backends import BackendUnavailable

if TYPE_CHECKING:
    from backends import Settings

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%_shadow%'"
VIRTUAL_FIRST = " ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC"  # they also drop their own tables


def rows(settings: Settings, *statements: str) -> list[Any]:
    """Run statements, each in its own transaction, and return the rows of the last one."""
    from dorm.db.connection import _create_sync_connection

    connection = _create_sync_connection("backend", settings)
    try:
        return list([connection.execute(sql) for sql in statements][-1])
    finally:
        connection.close()


def create(settings: Settings, name: str) -> Settings:
    """Return a new namespace; or else /NAME instead of /default; or else the only database, if it is empty."""
    url: str = settings["URL"]
    if "NAMESPACES" in settings:
        ask(settings, "POST", f"/v1/namespaces/{name}/create")
        return {**settings, "URL": url.replace("//default.", f"//{name}.", 1)}
    if url.partition("?")[0].endswith("/default"):
        return {**settings, "URL": url.replace("/default", f"/{name}", 1)}
    if rows(settings, TABLES):
        raise BackendUnavailable(f"libSQL: the database of {url.partition('?')[0]} holds tables. Name an empty one.")
    return settings


def drop(settings: Settings) -> None:
    if "NAMESPACES" in settings:
        name = settings["URL"].partition("//")[2].partition(".")[0]
        ask(settings, "DELETE", f"/v1/namespaces/{name}")
        return
    tables = [f'DROP TABLE IF EXISTS "{row["name"]}"' for row in rows(settings, TABLES + VIRTUAL_FIRST)]
    rows(settings, "PRAGMA foreign_keys = OFF", *tables)


def ask(settings: Settings, method: str, path: str) -> None:
    """Create or drop a namespace: https://github.com/tursodatabase/libsql/blob/main/docs/ADMIN_API.md."""
    connection = HTTPConnection(settings["NAMESPACES"], timeout=30)
    try:
        connection.request(method, path, "{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise OSError(f"{method} {path}: {answer.status} {answer.read().decode()}")
    finally:
        connection.close()
