"""Servers of libSQL in a process of their own, to be killed and started again: sqld and hrana_server.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from backends import sqld
from backends.servers.process import free_port
from tests.helpers.project import ROOT

KEY = Ed25519PrivateKey.generate()
TOKEN = jwt.encode({"name": "a secret"}, KEY, "EdDSA")


class Server:
    """The small server, of the folder's databases; with a certificate it speaks TLS."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self.certificate, self.port = folder, certificate, free_port()
        self.start()

    def command(self) -> list[str]:
        more = [str(self.certificate)] if self.certificate else []
        return [sys.executable, "-m", "tests.helpers.hrana_server", str(self.folder), str(self.port), TOKEN, *more]

    def start(self) -> None:
        if self.process is not None:
            self.process.wait()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=ROOT, stdout=log, stderr=log)
        while not self.listens():
            assert self.process.poll() is None, (self.folder / "log").read_text()

    def listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def freeze(self) -> None:
        """Stop every thread of it where it is, and wait until they are."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def settings(self, name: str = "default", token: str = TOKEN, scheme: str = "ws") -> dict[str, Any]:
        return {"ENGINE": "hrana", "URL": f"{scheme}://127.0.0.1:{self.port}/{name}", "AUTH_TOKEN": token}


class Sqld(Server):
    """sqld with one database, whatever its name; who has a token of our key may use it."""

    def command(self) -> list[str]:
        key = self.folder / "key.pem"
        key.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return sqld.command(self.folder, self.port, "--auth-jwt-key-file", str(key))

    def settings(self, name: str = "default", token: str = TOKEN, scheme: str = "ws") -> dict[str, Any]:
        # It knows no paths.
        return {"ENGINE": "hrana", "URL": f"{scheme}://127.0.0.1:{self.port}", "AUTH_TOKEN": token}
