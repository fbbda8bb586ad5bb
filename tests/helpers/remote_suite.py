"""The suite over libSQL's remote transport, in separate processes while the rest runs: it takes minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import backends
from backends.servers.url import url_from
from tests.helpers.hrana_process import TOKEN, Server
from tests.helpers.project import ROOT

WHOLE = ["tests/conformance"]
_PARTS = (
    "connections/test_threads",
    "fields/test_roundtrip",
    "queries/test_async",
    "queries/test_compiled_sql",
    "queries/test_queries",
    "search/test_search",
)
PART = [f"tests/conformance/{name}.py" for name in _PARTS]


class RemoteSuite:
    """Runs that have begun: of a part on the small server, of all on sqld where the run is about libSQL."""

    def __init__(self, chosen: Sequence[str]) -> None:
        with ExitStack() as cleanup:
            self.folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="dorm-vector-")))
            small = Server(self.folder)
            cleanup.callback(small.kill)
            runs = {"small": self._begun("small", PART, f"{small.settings()['URL']}?authToken={TOKEN}")}
            if "libsql" in chosen:
                sqld = cleanup.enter_context(backends.get("sqld").start())
                runs["sqld"] = self._begun("sqld", WHOLE, url_from(sqld.settings))
            self.runs, self._cleanup = runs, cleanup.pop_all()

    def finished(self, name: str) -> tuple[int, str]:
        """Wait for the end of a run, and return its exit code and what it printed."""
        return self.runs[name].wait(), (self.folder / f"{name}.out").read_text()

    def stop(self) -> None:
        for run in self.runs.values():
            run.kill()
            run.wait()
        self._cleanup.close()

    def _begun(self, name: str, suite: Sequence[str], url: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", *suite, "-q", "--backend", "libsql", "--show-capture=no"]
        environment = {**os.environ, "DORM_VECTOR_LIBSQL_URL": url}
        with (self.folder / f"{name}.out").open("wb") as output:
            return subprocess.Popen(
                [*command, "--no-skips"], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
