"""tursodb, the server whose database a replica is: the machine's own, or the one that npm carries. It serves one file.

https://docs.turso.tech/sync
"""

from __future__ import annotations

import platform
import re
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backends import BackendUnavailable, _npm
from backends._process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE, PACKAGE_VERSION = "@tursodatabase/cli-linux-x64-gnu", "0.7.0"
VERSION = re.compile(r"Turso (\d+)\.(\d+)\.\d+")
LOWEST = (0, 7)
MISSING = """\
DORM_VECTOR_TURSO_URL is not set, no tursodb 0.7 or newer is on the PATH, and npm's {package} could not be fetched:
{failed}
On Debian: sudo apt-get install npm
Anywhere:  export DORM_VECTOR_TURSO_URL='libsql+http://HOST:PORT?NAME=replica.turso'"""

_started: dict[str, ExitStack] = {}


def machines_own() -> str | None:
    program = shutil.which("tursodb")
    if program is None:
        return None
    found = VERSION.search(subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout)
    return program if found and (int(found[1]), int(found[2])) >= LOWEST else None


def source() -> str:
    if own := machines_own():
        return own
    if not is_carried():
        return "not here: npm carries tursodb for Linux on x86-64"
    carried = f"tursodb {PACKAGE_VERSION} of npm's {PACKAGE}"
    if _npm.folder(PACKAGE, PACKAGE_VERSION).exists():
        return f"{carried}, from the cache"
    return f"{carried}, fetched at the first start" if shutil.which("npm") else "not here: no npm"


def is_carried() -> bool:
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def program() -> str:
    """Return the path of the server. May fetch it."""
    if own := machines_own():
        return own
    if not is_carried():
        raise BackendUnavailable(MISSING.format(package=PACKAGE, failed="It is for Linux on x86-64."))
    try:
        return str(_npm.unpacked(PACKAGE, PACKAGE_VERSION) / "tursodb")
    except OSError as failed:
        raise BackendUnavailable(MISSING.format(package=PACKAGE, failed=failed)) from failed


@contextmanager
def serving_a_file(database: Path) -> Iterator[str]:
    """Serve a database file, which need not exist yet, and give the URL."""
    port = free_port()
    # An index of texts that a replica makes is made by the server as well.
    command = [program(), str(database), "--experimental-index-method", "--sync-server", f"127.0.0.1:{port}"]
    with serving(command, database.with_name(f"{database.name}.log"), lambda: _answers(port)):
        yield f"http://127.0.0.1:{port}"


def _answers(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def start(database: Path) -> str:
    """Serve a database file until ``stop()``, or the end of this process, and return the URL."""
    with ExitStack() as cleanup:
        url = cleanup.enter_context(serving_a_file(database))
        _started[url] = cleanup.pop_all()
    return url


def stop(url: str) -> None:
    if url in _started:
        _started.pop(url).close()


def is_of_this_machine(url: str) -> bool:
    return urlsplit(url).hostname == "127.0.0.1"
