"""A running ``dorm-vector explore``, and its JSON API as a client meets it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.helpers.project import ENVIRONMENT, ROOT

MAIN = "import sys; from dorm_vector.commands.main import main; sys.exit(main())"

# The first map by UMAP compiles its functions, which takes half a minute on an idle machine.
PATIENCE_S = 500


@dataclass
class Answer:
    """A response of the explorer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Explorer:
    """The address, the port and the token that the command printed."""

    url: str
    port: int
    token: str | None

    @property
    def root(self) -> str:
        return self.url.partition("?")[0]

    def ask(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> Answer:
        """Send a request with the token, or with other headers instead."""
        own = headers or ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        data = None if body is None else json.dumps(body).encode()
        own = {**own, **({"Content-Type": "application/json"} if data else {})}
        request = Request(f"{self.root}{path}", data, own, method=method)  # noqa: S310  # our own server
        try:
            with urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310  # as above
                return Answer(response.status, response.headers, response.read())
        except HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.headers, refused.read())

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of an answer that has to be one."""
        answer = self.ask(f"api/{path}?{urlencode(parameters, doseq=True)}")
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, **body: Any) -> Any:
        answer = self.ask(f"api/{path}", body)
        assert answer.status == 200, answer.body
        return answer.json


@contextmanager
def exploring(folder: Path, *arguments: str) -> Iterator[Explorer]:
    """Serve the project in the folder on a free port."""
    command = [sys.executable, "-c", MAIN, "explore", "--port", "0", "--json", *arguments]
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{folder}:{ROOT}"}
    errors = folder / "explore.stderr"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            printed = ""
            while not printed.endswith("\n}\n") and (line := process.stdout.readline()):
                printed += line
            assert printed, errors.read_text()
            yield Explorer(**json.loads(printed))
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl+C does
            process.wait(60)
    assert (process.returncode, "Traceback" in errors.read_text()) == (0, False), errors.read_text()
