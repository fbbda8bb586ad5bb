"""The Hrana server of tests/hrana_server.py, in a process that can be killed and started again."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from backends._process import free_port
from tests.project import ROOT

TOKEN = "eyJhbGciOiJFZERTQSJ9-a-secret"  # noqa: S105  # of a server that lives as long as the test


class Server:
    """A server of the folder's databases; with a certificate it speaks TLS."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self.certificate, self.port = folder, certificate, free_port()
        self.start()

    def start(self) -> None:
        arguments = [self.folder, self.port, TOKEN, *([self.certificate] if self.certificate else [])]
        self.process = subprocess.Popen([sys.executable, "-m", "tests.hrana_server", *map(str, arguments)], cwd=ROOT)
        while not self.listens():
            assert self.process.poll() is None

    def listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def settings(self, name: str = "default", token: str = TOKEN, scheme: str = "ws") -> dict[str, Any]:
        return {"ENGINE": "hrana", "URL": f"{scheme}://127.0.0.1:{self.port}/{name}", "AUTH_TOKEN": token}
