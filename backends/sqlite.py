"""SQLite as linked into this Python: a database is a file in the folder."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from backends import Backend, Settings
from backends.servers.prompt import converse

if TYPE_CHECKING:
    from collections.abc import Iterator


def source() -> str:
    try:
        return f"Python's sqlite3 module, SQLite {sqlite3.sqlite_version}, sqlite-vec {version('sqlite-vec')}"
    except PackageNotFoundError:
        return f"Python's sqlite3 module, SQLite {sqlite3.sqlite_version}; for vectors: pip install sqlite-vec"


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    yield {"ENGINE": "sqlite", "NAME": str(directory.absolute() / "default.sqlite3")}


def server_version(settings: Settings) -> str:
    connection = sqlite3.connect(settings["NAME"])
    number: str = connection.execute("SELECT sqlite_version()").fetchone()[0]
    connection.close()
    return number


def create(settings: Settings, name: str) -> Settings:
    return {**settings, "NAME": str(Path(settings["NAME"]).with_name(f"{name}.sqlite3"))}


def drop(settings: Settings) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(settings["NAME"] + suffix).unlink(missing_ok=True)


def shell(settings: Settings) -> int:
    connection = sqlite3.connect(settings["NAME"])
    if hasattr(connection, "enable_load_extension"):
        import sqlite_vec

        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
    return converse(connection, source())


BACKEND = Backend(
    name="sqlite",
    title="SQLite",
    source=source,
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
    shell=shell,
)
