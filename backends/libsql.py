"""libSQL through the package `libsql`: a database is a file in the folder. DORM_VECTOR_LIBSQL_URL names a server.

https://pypi.org/project/libsql, https://github.com/tursodatabase/libsql
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backends import Backend, BackendUnavailable, Settings
from backends.servers import hrana
from backends.servers.prompt import converse

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "libSQL: its package is not installed, and DORM_VECTOR_LIBSQL_URL is not set.\n  pip install libsql"


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


def server_version(settings: Settings) -> str:
    return str(hrana.rows(settings, "SELECT sqlite_version() AS version")[0]["version"])


def create(settings: Settings, name: str) -> Settings:
    """Return a file next to the default one, or a database on the server."""
    url: str = settings["URL"]
    if not url.startswith("file:"):
        return hrana.create(settings, name)
    return {**settings, "URL": f"{url.rpartition('/')[0]}/{name}.libsql"}


def drop(settings: Settings) -> None:
    if not settings["URL"].startswith("file:"):
        hrana.drop(settings)
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
