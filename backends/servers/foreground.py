"""A program that has the terminal, while a server of ours runs behind it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run_in_foreground(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Return the exit code of a program, which decides what Ctrl-C means: this process goes on, to stop the server."""
    with subprocess.Popen(command, env=environment) as program:
        before = (
            # Functions, since a program would inherit SIG_IGN from us, and could not be interrupted at all.
            signal.signal(signal.SIGINT, lambda *_: None),
            signal.signal(signal.SIGTERM, lambda *_: program.terminate()),
        )
        try:
            return program.wait()
        finally:
            signal.signal(signal.SIGINT, before[0])
            signal.signal(signal.SIGTERM, before[1])
