"""Run a program in the foreground of the terminal, while one of our servers runs in the background."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run_in_foreground(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a program and return its exit code. It handles Ctrl-C; this process keeps running to stop the server."""
    with subprocess.Popen(command, env=environment) as program:
        before = (
            # Handlers rather than SIG_IGN, which the program would inherit, so that it could not be interrupted.
            signal.signal(signal.SIGINT, lambda *_: None),
            signal.signal(signal.SIGTERM, lambda *_: program.terminate()),
        )
        try:
            return program.wait()
        finally:
            signal.signal(signal.SIGINT, before[0])
            signal.signal(signal.SIGTERM, before[1])
