"""MySQL 9, with vectors since 9.0: the installed server, or Debian unstable's package.

https://dev.mysql.com/doc/refman/9.4/en/vector.html
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backends import Backend, Settings
from backends.servers.foreground import run_in_foreground
from backends.servers.mysql_protocol import client_arguments, create, drop, server_version
from backends.servers.mysqld import serving_on_a_free_port, with_flags
from backends.servers.process import run
from backends.servers.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = Programs(
    server="mysqld",
    client="mysql",
    version=re.compile(r"Ver (\d+)\.(\d+)\.\d+(?!.*MariaDB)"),
    lowest=(9, 0),
    suite="sid",
    packages=("mysql-server-core", "mysql-client-core"),
)


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    # The X protocol would open a second port, which is the same for every server on this machine.
    command = with_flags(PROGRAMS.command(PROGRAMS.server), directory, "--mysqlx=OFF")
    if not (directory / "data" / "mysql").exists():
        run([*command, "--initialize-insecure"], directory / "log")
    with serving_on_a_free_port("mysql", command, directory) as settings:
        yield settings


def shell(settings: Settings) -> int:
    return run_in_foreground([*PROGRAMS.command(PROGRAMS.client), *client_arguments(settings)])


BACKEND = Backend(
    name="mysql",
    title="MySQL",
    source=PROGRAMS.source,
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
    shell=shell,
)
