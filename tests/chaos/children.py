"""Forked children for tests: what a child returns or raises comes back, and none is waited for longer than a while."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any

SECONDS = 120.0


class Child:
    """A process forked from this one, which runs one function and ends without a word to anybody else."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._answer, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._answer)
            _report(work, answer)
        os.close(answer)

    def result(self, seconds: float = SECONDS) -> Any:
        """Return what the function returned; raises AssertionError where it raised, or took too long."""
        data, deadline = b"", time.monotonic() + seconds
        while select.select([self._answer], [], [], max(0, deadline - time.monotonic()))[0]:
            part = os.read(self._answer, 65536)
            if not part:
                break
            data += part
        else:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self._answer)
        os.waitpid(self.pid, 0)
        assert data, f"the child did not answer within {seconds} seconds"
        failed, value = pickle.loads(data)  # noqa: S301  # written by this same test
        assert not failed, value
        return value


def _report(work: Callable[[], Any], answer: int) -> None:
    try:
        outcome = (False, work())
    except BaseException:  # noqa: BLE001  # it is the parent that fails
        outcome = (True, traceback.format_exc())
    os.write(answer, pickle.dumps(outcome))
    os._exit(0)


class Client:
    """A forked process that works, calls what it is given after each piece that was acknowledged, and can be killed."""

    def __init__(self, work: Callable[[Callable[[], object]], object]) -> None:
        self._reports, report = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reports)
            _work(lambda: work(lambda: os.write(report, b".")))
        os.close(report)

    def killed(self, after: float) -> int:
        """Kill it, some seconds after its first report, and return how many pieces it has reported."""
        assert select.select([self._reports], [], [], SECONDS)[0], f"nothing was done within {SECONDS} seconds"
        time.sleep(after)
        os.kill(self.pid, signal.SIGKILL)
        _pid, status = os.waitpid(self.pid, 0)
        with os.fdopen(self._reports, "rb") as reports:
            done = len(reports.read())
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL), "the client failed: see its traceback"
        return done


def _work(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001  # it is the parent that fails
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def forked(work: Callable[[], Any]) -> Any:
    """Run a function in a child and return its result."""
    return Child(work).result()
