"""libSQL, through the package `libsql`: a database is a file in the folder. DORM_VECTOR_LIBSQL_URL names a server.

https://pypi.org/project/libsql, https://github.com/tursodatabase/libsql
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends import Backend, BackendUnavailable, Settings
from backends._prompt import converse

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "libSQL: its package is not installed, and DORM_VECTOR_LIBSQL_URL is not set.\n  pip install libsql"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%_shadow%'"
VIRTUAL_FIRST = " ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC"  # they drop tables of their own


def source() -> str:
    try:
        return f"libsql {version('libsql')}"
    except PackageNotFoundError:
        return "not here: pip install libsql"


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    if find_spec("libsql") is None:
        raise BackendUnavailable(MISSING)
    yield {"ENGINE": "hrana", "URL": f"file:{directory.absolute() / 'default.libsql'}"}


def rows(settings: Settings, *statements: str) -> list[Any]:
    """Run statements, each its own transaction, and return the rows of the last."""
    from dorm.db.connection import _create_sync_connection

    connection = _create_sync_connection("backend", settings)
    try:
        return list([connection.execute(sql) for sql in statements][-1])
    finally:
        connection.close()


def server_version(settings: Settings) -> str:
    return str(rows(settings, "SELECT sqlite_version() AS version")[0]["version"])


def create(settings: Settings, name: str) -> Settings:
    """Return a file beside the default one; a server's /NAME beside its /default; else its only one, which is empty."""
    url: str = settings["URL"]
    if url.startswith("file:"):
        return {**settings, "URL": f"{url.rpartition('/')[0]}/{name}.libsql"}
    if url.partition("?")[0].endswith("/default"):
        return {**settings, "URL": url.replace("/default", f"/{name}", 1)}
    if rows(settings, TABLES):
        raise BackendUnavailable(f"libSQL: the database of {url.partition('?')[0]} holds tables. Name an empty one.")
    return settings


def drop(settings: Settings) -> None:
    if not settings["URL"].startswith("file:"):
        tables = [f'DROP TABLE IF EXISTS "{row["name"]}"' for row in rows(settings, TABLES + VIRTUAL_FIRST)]
        rows(settings, "PRAGMA foreign_keys = OFF", *tables)
        return
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(settings["URL"].removeprefix("file:") + suffix).unlink(missing_ok=True)


def shell(settings: Settings) -> int:
    from dorm.db.connection import _create_sync_connection

    return converse(_create_sync_connection("backend", settings).get_connection(), source())


BACKEND = Backend(
    name="libsql",
    title="libSQL",
    source=source,
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
    shell=shell,
)
