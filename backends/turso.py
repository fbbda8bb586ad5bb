"""Turso, the database of pyturso, which djanorm's engine `libsql` drives: a database is a file in the folder.

https://pypi.org/project/pyturso
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backends import Backend, BackendUnavailable, Settings
from backends._prompt import converse

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


def server_version(settings: Settings) -> str:  # noqa: ARG001 - the database lives in the driver
    return version("pyturso")


def create(settings: Settings, name: str) -> Settings:
    return {**settings, "NAME": str(Path(settings["NAME"]).with_name(f"{name}.turso"))}


def drop(settings: Settings) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(settings["NAME"] + suffix).unlink(missing_ok=True)


def shell(settings: Settings) -> int:
    import turso

    return converse(turso.connect(settings["NAME"]), source())


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
