"""A streaming standby of a PostgreSQL server, copied and started with the programs of the wheel."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from backends.servers.pgserver import client, start_server
from backends.servers.process import run
from backends.servers.url import settings_from
from backends.servers.watcher import stop_if_this_process_dies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends import Settings

USER = "pgserver"  # the user that the wheel creates, because PostgreSQL refuses to run as root


@contextmanager
def following(primary: Settings, directory: Path) -> Iterator[Settings]:
    """Run a standby of a server of this machine, and yield the DATABASES entry of the same database on it."""
    data = directory / "standby"
    data.mkdir(mode=0o700)
    own: dict[str, str] = {}
    if os.geteuid() == 0:
        own = {"user": USER}
        shutil.chown(data, USER)
    copy = [str(Path(client()).with_name("pg_basebackup")), f"--pgdata={data}", "--write-recovery-conf"]
    server = [f"--host={primary['HOST']}", f"--username={primary['USER']}", "--checkpoint=fast", "--no-sync"]
    run([*copy, *server], directory / "standby.log", **own)
    # The lock of the primary's socket is in its data folder, too.
    for lock in data.glob(".s.PGSQL.*.lock"):
        lock.unlink()
    with ExitStack() as cleanup:
        running = start_server(data)
        cleanup.callback(running.cleanup)
        cleanup.enter_context(stop_if_this_process_dies(running.get_postmaster_info().pid, "INT"))
        yield {**settings_from(running.get_uri()), "NAME": primary["NAME"]}
