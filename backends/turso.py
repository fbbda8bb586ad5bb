"""Turso, the database of pyturso and djanorm's engine `libsql`: a database is a file in the folder.

If the URL names a server, the file is its replica.

https://pypi.org/project/pyturso
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backends import Backend, BackendUnavailable, Settings
from backends.servers import sync_server
from backends.servers.prompt import converse

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = """\
Turso: its driver is not installed, and DORM_VECTOR_TURSO_URL is not set.
  pip install 'djanorm[libsql]'"""


def source() -> str:
    try:
        return f"pyturso {version('pyturso')}"
    except PackageNotFoundError:
        return "not here: pip install 'djanorm[libsql]'"


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    if find_spec("turso") is None:
        raise BackendUnavailable(MISSING)
    yield {"ENGINE": "libsql", "NAME": str(directory.absolute() / "default.turso")}


def server_version(settings: Settings) -> str:  # noqa: ARG001 - the database runs inside the driver
    return version("pyturso")


def create(settings: Settings, name: str) -> Settings:
    """Return a file next to the default one; a replica also gets its own server, which has one database."""
    fresh = Path(settings["NAME"]).with_name(f"{name}.turso")
    if "SYNC_URL" not in settings:
        return {**settings, "NAME": str(fresh)}
    if not sync_server.is_of_this_machine(settings["SYNC_URL"]):
        raise BackendUnavailable(f"Turso: {settings['SYNC_URL']} has one database; a second one is a second server.")
    return {**settings, "NAME": str(fresh), "SYNC_URL": sync_server.start(_served(fresh))}


def drop(settings: Settings) -> None:
    replica = Path(settings["NAME"])
    sync_server.stop(settings.get("SYNC_URL", ""))
    for database in (replica, _served(replica)):
        for suffix in ("", "-wal", "-shm", "-info", "-changes", "-wal-revert", ".log"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)


def _served(replica: Path) -> Path:
    """Return the path of the database file of a replica's server."""
    return replica.with_suffix(".server.turso")


def shell(settings: Settings) -> int:
    import turso.sync

    name, server = settings["NAME"], settings.get("SYNC_URL")
    return converse(turso.sync.connect(name, server) if server else turso.connect(name), source())


BACKEND = Backend(
    name="turso",
    title="Turso",
    source=source,
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
    shell=shell,
)
