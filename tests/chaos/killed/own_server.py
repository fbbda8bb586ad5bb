"""A server of a test's own behind a proxy, so that it can be killed, stopped and started again on its port."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import backends
from tests.chaos.proxy import Proxy
from tests.databases import Database, create_tables

# The suite's servers lose the last second when they are killed, which makes them fast; these two need not.
KEEPS_ITS_COMMITS = {
    "postgresql": "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()",
    "mariadb": "SET GLOBAL innodb_flush_log_at_trx_commit = 2",
    "mysql": "SET GLOBAL innodb_flush_log_at_trx_commit = 2",
}


class OwnServer:
    """A server, and a database of it whose address is that of the proxy."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        self._backend = backends.get("sqld" if name == "libsql" else name)
        self._running = ExitStack()
        self._settings = self._started()
        self._inside = self._backend.create(self._settings, "dorm_vector_chaos")
        self.proxy = Proxy(self._address())
        options = {**self._inside.get("OPTIONS", {}), "connect_timeout": 2}
        self.settings = {**_moved(self._inside, self.proxy.port), "OPTIONS": options}

    def kill(self) -> None:
        """Kill the server and the processes that it started."""
        killed = _processes_of(self._folder)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        if self.name == "postgresql":
            # It is no child of this process, and its lock file holds until somebody has buried it.
            deadline = time.monotonic() + 120
            while any(Path(f"/proc/{pid}").exists() for pid in killed):
                assert time.monotonic() < deadline, f"nobody waits for the killed processes {killed}"
                time.sleep(0.01)
        self._running.close()

    def stop(self) -> None:
        """Stop the server as an operating system does that shuts down."""
        self._running.close()

    def start(self) -> None:
        self._settings = self._started()
        self.proxy.target = self._address()

    def _started(self) -> dict[str, Any]:
        settings = self._running.enter_context(self._backend.launch(self._folder))
        for statement in filter(None, KEEPS_ITS_COMMITS.get(self.name, "").split("; ")):
            _execute(self.name, settings, statement)
        return settings

    def _address(self) -> int | str:
        if "URL" in self._settings:
            return int(self._settings["URL"].rpartition(":")[2])
        host, port = self._settings["HOST"], int(self._settings.get("PORT") or 5432)
        return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else port


@contextmanager
def own_server(database: Database) -> Iterator[tuple[OwnServer, Database]]:
    """Start a server of the same kind, and make an empty database of it the default one."""
    with TemporaryDirectory(prefix="dorm-vector-") as folder:
        server = OwnServer(database.name, Path(folder))
        inside = replace(database, settings=server.settings)
        inside.use()
        create_tables(inside.connection)
        yield server, inside
        database.use()
        server.proxy.close()
        server.stop()


def _execute(name: str, settings: dict[str, Any], statement: str) -> None:
    if name == "postgresql":
        from backends.postgresql import execute
    else:
        from backends.servers.mysql_protocol import execute
    execute(settings, statement)


def _moved(settings: dict[str, Any], port: int) -> dict[str, Any]:
    if "URL" in settings:
        return {**settings, "URL": f"{settings['URL'].rpartition(':')[0]}:{port}"}
    return {**settings, "HOST": "127.0.0.1", "PORT": port}


def _processes_of(folder: Path) -> list[int]:
    """Return the processes that were started with the folder, and theirs."""
    parents, named = {}, set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, stat = (process / "cmdline").read_bytes(), (process / "stat").read_text()
        except OSError:
            # It has ended meanwhile.
            continue
        state, parent = stat.rpartition(") ")[2].split()[:2]
        if state != "Z":
            parents[int(process.name)] = int(parent)
            named |= {int(process.name)} if str(folder).encode() in command else set()
    return [pid for pid, parent in parents.items() if pid in named or parent in named]
