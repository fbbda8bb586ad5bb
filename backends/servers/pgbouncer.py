"""PgBouncer in front of a PostgreSQL server: the installed program, or Debian 13's package."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backends import BackendUnavailable, postgresql
from backends.servers import debian
from backends.servers.process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends import Settings

SUITE, PACKAGE = "trixie", "pgbouncer"

# Few connections to the server, so that clients get each other's.
CONFIGURATION = """\
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = {mode}
auth_type = any
max_client_conn = 200
default_pool_size = {size}
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pooling(server: Settings, directory: Path, mode: str = "transaction", size: int = 2) -> Iterator[Settings]:
    """Serve the databases of a server through PgBouncer, and yield the DATABASES entry of the same one behind it."""
    port = free_port()
    target = f"host={server['HOST']} port={server.get('PORT') or 5432} user={server['USER']}"
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(CONFIGURATION.format(server=target, port=port, mode=mode, size=size))
    directory.chmod(0o755)
    settings = {**server, "HOST": "127.0.0.1", "PORT": port}
    ready = partial(postgresql.execute, settings, "SELECT 1")
    with serving([*_command(), *_user(server["HOST"]), str(configuration)], directory / "pgbouncer.log", ready):
        yield {**settings, "PGBOUNCER_MODE": mode}


def _command() -> list[str]:
    if own := shutil.which(PACKAGE, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"):
        return [own]
    try:
        return debian.command(debian.unpacked(SUITE, (PACKAGE,)), PACKAGE)
    except OSError as failed:
        raise BackendUnavailable(
            f"no pgbouncer on the PATH, and none fetched from Debian {SUITE}: {failed}"
        ) from failed


def _user(host: str) -> list[str]:
    """Run as the owner of the server's socket, because PgBouncer refuses to run as root."""
    if os.geteuid():
        return []
    return ["-u", Path(host).owner() if host.startswith("/") else "nobody"]
