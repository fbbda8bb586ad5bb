"""Stop a server when the process that started it ends, however it ends."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stop_if_this_process_dies(pid: int, signal: str = "TERM") -> Iterator[None]:
    """Keep a shell at the other end of a pipe, which closes even if this process is killed.

    PR_SET_PDEATHSIG needs no shell, but it fires when the *thread* that started the server ends.
    """
    script = f'cat >/dev/null; kill -{signal} "$0" 2>/dev/null'
    command = ["sh", "-c", script, str(pid)]
    # A new session, so that Ctrl-C does not end the watcher before the server.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        try:
            yield
        finally:
            watcher.kill()
