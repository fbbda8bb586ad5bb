"""Run server processes: find a free port, start, wait for a query to succeed, stop; errors include the log's end."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.servers.watcher import stop_if_this_process_dies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


Process = subprocess.Popen[bytes]


class ServerError(RuntimeError):
    """A server did not start. The message ends with the last lines of its log."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def run(command: Sequence[str], log: Path, stdin: str | None = None, user: str | None = None) -> None:
    """Run a program until it exits, as another user if given."""
    with log.open("ab") as output:
        done = subprocess.run(
            command, check=False, input=stdin and stdin.encode(), stdout=output, stderr=output, user=user
        )
    if done.returncode:
        raise ServerError(_failure(command, f"ended with code {done.returncode}", log))


@contextmanager
def serving(
    command: Sequence[str],
    log: Path,
    ready: Callable[[], object],
    seconds: float = 60,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """Run a server for the duration of the block, which starts once `ready` succeeds; stop it by a signal."""
    with log.open("ab") as output:
        # Use a new session, so that Ctrl-C reaches us but not the server, and we can stop it cleanly.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    with stop_if_this_process_dies(process.pid, stop.name.removeprefix("SIG")):
        try:
            _wait(process, command, log, ready, time.monotonic() + seconds)
            yield
        finally:
            _stop(process, stop)


def _wait(process: Process, command: Sequence[str], log: Path, ready: Callable[[], object], deadline: float) -> None:
    while refused := _refusal(ready):
        if process.poll() is not None:
            raise ServerError(_failure(command, f"ended with code {process.returncode}", log)) from refused
        if time.monotonic() > deadline:
            raise ServerError(_failure(command, f"does not answer: {refused}", log)) from refused
        time.sleep(0.05)


def _refusal(ready: Callable[[], object]) -> Exception | None:
    try:
        ready()
    except ImportError:
        raise  # waiting does not help if the driver is missing
    except Exception as refused:  # noqa: BLE001 - every driver has its own error for "not ready yet"
        return refused
    return None


def _stop(process: Process, stop: signal.Signals) -> None:
    process.send_signal(stop)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
    finally:
        # Runs even if Ctrl-C ended the wait; it does nothing if the process has ended.
        process.kill()
        process.wait()


def _failure(command: Sequence[str], what: str, log: Path, lines: int = 20) -> str:
    with log.open(errors="replace") as text:
        return f"{Path(command[0]).name} {what}. The end of its log:\n" + "".join(deque(text, lines))
