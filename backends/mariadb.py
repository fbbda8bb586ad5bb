"""MariaDB 11.8, with vectors since 11.7: the installed server, or Debian 13's package.

https://mariadb.com/docs/server/reference/sql-structure/vectors
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from backends import Backend, Settings
from backends.servers.foreground import run_in_foreground
from backends.servers.mysql_protocol import client_arguments, create, drop, server_version
from backends.servers.mysqld import serving_on_a_free_port, with_flags
from backends.servers.process import run
from backends.servers.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Programs(
    server="mariadbd",
    client="mariadb",
    version=re.compile(r"(\d+)\.(\d+)\.\d+-MariaDB"),
    lowest=(11, 7),
    suite="trixie",
    packages=("mariadb-server-core", "mariadb-client-core"),
)

SYSTEM_TABLES = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    server = PROGRAMS.command(PROGRAMS.server)
    command = with_flags(server, directory)
    if not (directory / "data" / "mysql").exists():
        # mariadb-install-db does the same, but that script starts mariadbd without the loader that may be needed here.
        run([*command, "--bootstrap"], directory / "log", _system_tables(Path(server[-1]).parent.parent))
    with serving_on_a_free_port("mariadb", command, directory) as settings:
        yield settings


def _system_tables(base: Path) -> str:
    share = next(base.glob(f"share/*/{SYSTEM_TABLES[0]}")).parent
    statements = [(share / name).read_text() for name in SYSTEM_TABLES]
    return "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *statements])


def shell(settings: Settings) -> int:
    return run_in_foreground([*PROGRAMS.command(PROGRAMS.client), *client_arguments(settings)])


BACKEND = Backend(
    name="mariadb",
    title="MariaDB",
    source=PROGRAMS.source,
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
    shell=shell,
)
