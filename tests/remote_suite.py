"""The suite over libSQL's remote transport, in a process of its own beside the rest of the run: it takes minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hrana_process import TOKEN, Server
from tests.project import ROOT

WHOLE = ["tests/conformance"]
# Where libSQL is not among the databases that the run is about.
PART = [f"tests/conformance/test_{name}.py" for name in ("roundtrip", "queries", "async", "threads", "search", "sql")]


class RemoteSuite:
    """A run that has begun, and its server."""

    def __init__(self, backends: Sequence[str]) -> None:
        self.folder = TemporaryDirectory(prefix="dorm-vector-")
        self.server = Server(Path(self.folder.name))
        self.output = (Path(self.folder.name) / "output").open("w+")
        suite = WHOLE if "libsql" in backends else PART
        command = [sys.executable, "-m", "pytest", *suite, "-q", "--backend", "libsql", "--show-capture=no"]
        environment = {**os.environ, "DORM_VECTOR_LIBSQL_URL": f"{self.server.settings()['URL']}?authToken={TOKEN}"}
        self.process = subprocess.Popen(
            [*command, "--no-skips"], cwd=ROOT, env=environment, stdout=self.output, stderr=subprocess.STDOUT
        )

    def finished(self) -> tuple[int, str]:
        """Wait for its end, and return its exit code and what it printed."""
        code = self.process.wait()
        self.output.seek(0)
        return code, self.output.read()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.server.kill()
        self.output.close()
        self.folder.cleanup()
