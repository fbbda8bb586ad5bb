"""Run a server from Debian packages, unpacked into a folder: no root rights, nothing installed."""

from __future__ import annotations

import os
import subprocess
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from backends.servers.cache import cache, only_one_process

if TYPE_CHECKING:
    from collections.abc import Sequence

# State, lists and cache are private, and the status file is empty, so apt assumes that nothing is installed and
# downloads every dependency, libc included. `Dir::Etc::parts` hides the machine's own configuration, because its hooks
# act on the machine, such as the one in container images that empties apt's cache.
CONFIGURATION = """
Dir::State "{work}/state";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
"""

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpacked(suite: str, packages: Sequence[str], without: str = "") -> Path:
    """Return the folder with these packages of a Debian suite and their dependencies; download them the first time.

    ``without`` is a package to leave out: libc6 for a program that has to start copies of itself, which needs the
    machine's own loader.
    """
    root = folder(suite, packages)
    with only_one_process(root.name):
        if not root.exists():
            with TemporaryDirectory(prefix=root.name, dir=root.parent) as work:
                _fetch(suite, packages, Path(work), without).rename(root)
    return root


def folder(suite: str, packages: Sequence[str]) -> Path:
    return cache(f"{packages[0]}-{suite}")


def command(root: Path, program: str) -> list[str]:
    """Return the command that runs a program of the folder with the folder's own loader and libc."""
    # Debian 12 and older have it in /lib.
    loader = next(chain(root.glob("usr/lib/*/ld-linux-*.so.*"), root.glob("lib/*/ld-linux-*.so.*")))
    libraries = f"{loader.parent}{os.pathsep}{root / 'usr/lib' / loader.parent.name}"
    found = next(chain(root.glob(f"usr/*bin/{program}"), root.glob(f"usr/lib/postgresql/*/bin/{program}")))
    return [str(loader), "--library-path", libraries, str(found)]


def _fetch(suite: str, packages: Sequence[str], work: Path, without: str) -> Path:
    for empty in ("state/lists/partial", "cache/archives/partial", "root"):
        (work / empty).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n")
    # Use the machine's proxies and certificates.
    acquire = _output(["apt-config", "dump", "Acquire"])
    (work / "apt.conf").write_text(f'{acquire}Acquire::Languages "none";{CONFIGURATION.format(work=work)}')
    private = {**os.environ, "APT_CONFIG": str(work / "apt.conf")}
    _output(["apt-get", "update", "--error-on=any"], private)
    _output(["apt-get", "install", "--download-only", "--yes", *packages], private)
    for package in sorted(work.glob("cache/archives/*.deb")):
        if package.name.partition("_")[0] != without:
            _output(["dpkg-deb", "--extract", str(package), str(work / "root")])
    return work / "root"


def _mirror() -> str:
    """Return the URL of the Debian archive that this machine's apt uses."""
    lines = _output(["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)"]).splitlines()
    for line in lines:
        if line.rstrip("/").endswith("/debian"):
            return line
    raise OSError(f"apt knows no Debian archive here, only {', '.join(sorted(set(lines))) or 'nothing'}")


def _output(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
