"""The flags and the start of the servers mariadbd and mysqld."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backends.servers import mysql_protocol
from backends.servers.process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backends import Settings

# Small, quick to start and without durability, because data here does not outlive the run.
FLAGS = (
    "--innodb-buffer-pool-size=128M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--secure-file-priv=",
    "--local-infile=ON",
)

# Both create the user root@localhost, which does not match 127.0.0.1 with name resolution off.
FIRST = """\
CREATE USER IF NOT EXISTS root@'127.0.0.1';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS dorm_vector;
"""


def with_flags(command: Sequence[str], directory: Path, *more: str) -> list[str]:
    """Return the command of a server with its data in a folder, which is created."""
    data = directory.absolute() / "data"
    data.mkdir(exist_ok=True)
    base = Path(command[-1]).parent.parent
    user = ["--user=root"] if os.geteuid() == 0 else []
    return [*command, "--no-defaults", f"--basedir={base}", f"--datadir={data}", *user, *FLAGS, *more]


@contextmanager
def serving_on_a_free_port(engine: str, command: Sequence[str], directory: Path) -> Iterator[Settings]:
    first = directory.absolute() / "first.sql"
    first.write_text(FIRST)
    address: Settings = {"HOST": "127.0.0.1", "PORT": free_port()}
    settings = {"ENGINE": engine, "NAME": "dorm_vector", "USER": "root", "PASSWORD": "", **address, "OPTIONS": {}}
    local = (
        f"--init-file={first}",
        f"--bind-address={settings['HOST']}",
        f"--port={settings['PORT']}",
        # Relative to the data folder, because the full path may exceed the length limit of socket paths.
        "--socket=server.sock",
        "--pid-file=server.pid",
    )
    ready = partial(mysql_protocol.execute, settings, "SELECT 1")
    with serving([*command, *local], directory / "log", ready):
        yield settings
