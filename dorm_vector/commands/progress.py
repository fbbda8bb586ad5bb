"""A progress line on a terminal: done, total, rate and time left, from the first second."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

from ..bulk.progress import ProgressBar

_SECONDS_BETWEEN = 0.5


class TerminalProgress(ProgressBar):
    """A callback that keeps one line on stderr up to date: ``with TerminalProgress("Copying") as progress: …``.

    A thread redraws the line, so that it shows the elapsed time before the first rows are done. If stderr is not a
    terminal, nothing is printed.
    """

    def __init__(self, description: str, unit: str = "rows", stream: TextIO | None = None) -> None:
        self._description, self._unit = description, unit
        self._stream = sys.stderr if stream is None else stream
        self._started = self._since = time.monotonic()
        self._first: int | None = None
        self._total: int | None = None
        self._done, self._note, self._width = 0, "", 0
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        if self._stream.isatty():
            self._draw()
            self._thread = threading.Thread(target=self._redraw, name="dorm-vector progress", daemon=True)
            self._thread.start()

    def __call__(self, done: int, total: int | None) -> None:
        """Report how much is done, of a total if it is known."""
        if self._first is None:
            # What was done before, such as rows that a resumed copy skips, does not count for the rate.
            self._first, self._since = done, self._since if done == 0 else time.monotonic()
        self._done, self._total = done, total
        if self._thread is not None:
            self._draw()

    def note(self, text: str) -> None:
        """Show what is being done now, such as the name of a table."""
        self._note = text

    def close(self) -> None:
        """End the line."""
        if self._thread is not None:
            self._stopped.set()
            self._thread.join()
            self._thread = None
            self._draw()
            self._stream.write("\n")
            self._stream.flush()

    def line(self) -> str:
        """Return the line as it is now."""
        now, new = time.monotonic(), self._done - (self._first or 0)
        title = f"{self._description}{f' {self._note}' if self._note else ''}"
        parts = [f"{title}: {self._done:,} {self._unit}"]
        if self._total:
            share = self._done / self._total
            parts = [f"{title}: {self._done:,} of {self._total:,} {self._unit} ({share:.0%})"]
        rate = new / max(now - self._since, 1e-6)
        if new > 0:
            parts.append(f"{rate:,.0f} {self._unit}/s")
        parts.append(f"{_clock(now - self._started)} elapsed")
        if new > 0 and self._total:
            parts.append(f"{_clock((self._total - self._done) / rate)} left")
        return ", ".join(parts)

    def _redraw(self) -> None:
        while not self._stopped.wait(_SECONDS_BETWEEN):
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            line = self.line()
            self._stream.write(f"\r{line.ljust(self._width)}")
            self._stream.flush()
            self._width = len(line)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class BuildProgress(TerminalProgress):
    """The progress line of an index build: its phase, and how much is done, if the database reports it."""

    def __init__(self, description: str, stream: TextIO | None = None) -> None:
        super().__init__(description, "units", stream)

    def line(self) -> str:
        """Return the line as it is now."""
        if self._total is not None and self._total > 1:
            return super().line()
        return f"{self._description} {self._note}".strip() + f": {_clock(time.monotonic() - self._started)} elapsed"

    def note(self, text: str) -> None:
        """Show the phase; each one counts from zero."""
        self._first, self._since = None, time.monotonic()
        super().note(text)
