"""An example that serves JSON, as a client meets it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]


class Server:
    """The API of an example, in a process of its own."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"

    def __call__(self, path: str, **query: Any) -> Any:
        return self.send(f"{path}?{urlencode(query)}")

    def send(self, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer; with a body, of that to a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.root}{path}", data=data, headers={"Content-Type": "application/json"})  # noqa: S310  # our own server
        with urlopen(request, timeout=60) as answer:  # noqa: S310  # as above
            return json.load(answer)

    def refuses(self, path: str, **query: Any) -> int:
        with pytest.raises(HTTPError) as refused:
            self(path, **query)
        refused.value.close()
        return refused.value.code


@contextmanager
def served(command: tuple[str, ...], url: str) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [sys.executable, "-m", *command, "--port", str(port)]
    variables = {**os.environ, "DATABASE_URL": url}
    with subprocess.Popen(arguments, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True) as process:
        try:
            server = Server(port)
            wait_for(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def wait_for(server: Server, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            server("/openapi.json")
            return
        except URLError:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)
