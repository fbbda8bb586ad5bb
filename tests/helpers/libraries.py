"""Other libraries that a documentation page moves data from: PyPI's wheels, in a folder of the cache.

They are no dependencies of the tests, because their own pins contradict: langchain-postgres refuses the pgvector that
the tests use. So each page pins what it needs beyond the tests' environment, and pip resolves nothing.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from backends.servers.cache import cache, only_one_process


def installed(requirements: list[str]) -> Path:
    """Return a folder for PYTHONPATH with exactly these distributions; download them the first time."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(" ".join([version, *sorted(requirements)]).encode()).hexdigest()[:12]
    root = cache(f"libraries-{key}")
    with only_one_process(root.name):
        if not root.exists():
            with TemporaryDirectory(prefix=root.name, dir=root.parent) as work:
                target = Path(work) / "libraries"
                command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
                command += ["--only-binary", ":all:", "--target", str(target), *requirements]
                subprocess.run(command, check=True)
                target.rename(root)
    return root
