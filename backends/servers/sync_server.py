"""tursodb, the server of a Turso replica: the installed program, or npm's package. It serves one file.

https://docs.turso.tech/sync
"""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backends.servers.npm_programs import MACHINE, NpmProgram
from backends.servers.process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = NpmProgram(
    program="tursodb",
    version=re.compile(r"Turso (\d+)\.(\d+)\.\d+"),
    lowest=(0, 7),
    # The package exists for Linux on x86-64; elsewhere npm reports that it does not exist.
    package=f"@tursodatabase/cli-{MACHINE}-gnu",
    package_version="0.7.0",
    program_version="0.7.0",
    variable="DORM_VECTOR_TURSO_URL",
    url="libsql+http://HOST:PORT?NAME=replica.turso",
)

_started: dict[str, ExitStack] = {}


@contextmanager
def serving_a_file(database: Path) -> Iterator[str]:
    """Serve a database file, which need not exist yet, and yield the URL."""
    port = free_port()
    # The server also builds each text index that a replica creates.
    command = [PROGRAM.path(), str(database), "--experimental-index-method", "--sync-server", f"127.0.0.1:{port}"]
    with serving(command, database.with_name(f"{database.name}.log"), lambda: _answers(port)):
        yield f"http://127.0.0.1:{port}"


def _answers(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def start(database: Path) -> str:
    """Serve a database file until ``stop()`` or the end of this process, and return the URL."""
    with ExitStack() as cleanup:
        url = cleanup.enter_context(serving_a_file(database))
        _started[url] = cleanup.pop_all()
    return url


def stop(url: str) -> None:
    if url in _started:
        _started.pop(url).close()


def is_of_this_machine(url: str) -> bool:
    return urlsplit(url).hostname == "127.0.0.1"
