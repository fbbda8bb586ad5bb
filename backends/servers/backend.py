"""What a backend is, before it is started and while it runs."""

from __future__ import annotations

import atexit
import os
import tempfile
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from backends.servers.url import settings_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

Settings = dict[str, Any]


class BackendUnavailable(RuntimeError):
    """No such database on this machine: what was tried, and the remedy to copy."""


@dataclass(frozen=True)
class Backend:
    """How one database is obtained, and what is said to it besides a model's own SQL."""

    name: str
    title: str
    source: Callable[[], str]  # where its server comes from on this machine, in one line
    launch: Callable[[Path], AbstractContextManager[Settings]]
    version: Callable[[Settings], str]
    create: Callable[[Settings, str], Settings]
    drop: Callable[[Settings], None]
    shell: Callable[[Settings], int]
    reached_by: str = ""  # the backend that takes its URL, where that is another

    @property
    def variable(self) -> str:
        return f"DORM_VECTOR_{(self.reached_by or self.name).upper()}_URL"

    def how(self) -> str:
        return f"URL in {self.variable}" if os.environ.get(self.variable) else self.source()

    def start(self, directory: Path | None = None) -> Running:
        """Reach the server of the URL variable, else launch one with its data in `directory`, or in a temporary one."""
        with ExitStack() as cleanup:
            if url := os.environ.get(self.variable):
                settings = settings_from(url)
            else:
                directory = directory or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="dorm-vector-")))
                settings = cleanup.enter_context(self.launch(directory))
            version = self.version(settings)
            running = Running(self.name, self.title, version, self.how(), settings, self, cleanup.pop_all())
        atexit.register(running.stop)
        return running


@dataclass(frozen=True)
class Running:
    """A server that answers queries. `settings` is the DATABASES entry of its default database."""

    name: str
    title: str
    version: str
    how: str  # the server was obtained, in one line
    settings: Settings
    backend: Backend
    cleanup: ExitStack

    def new_database(self) -> Settings:
        """Return the DATABASES entry of a fresh, empty database."""
        return self.backend.create(self.settings, f"dorm_vector_{uuid.uuid4().hex[:12]}")

    def drop_database(self, settings: Settings) -> None:
        self.backend.drop(settings)

    def stop(self) -> None:
        """Stop the server if it was launched here; the server of a URL stays. Safe to call twice."""
        self.cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
