"""A backend before it starts and while it runs."""

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
    """The database is not available on this machine; the message has what was tried, and a fix to copy."""


@dataclass(frozen=True)
class Backend:
    """How to start one database, and the operations that are not part of a model's own SQL."""

    name: str
    title: str
    source: Callable[[], str]  # where its server comes from on this machine, in one line
    launch: Callable[[Path], AbstractContextManager[Settings]]
    version: Callable[[Settings], str]
    create: Callable[[Settings, str], Settings]
    drop: Callable[[Settings], None]
    shell: Callable[[Settings], int]
    reached_by: str = ""  # the backend that accepts its URL, if it is another one

    @property
    def variable(self) -> str:
        return f"DORM_VECTOR_{(self.reached_by or self.name).upper()}_URL"

    def how(self) -> str:
        return f"URL in {self.variable}" if os.environ.get(self.variable) else self.source()

    def start(self, directory: Path | None = None) -> Running:
        """Connect to the URL variable's server, or launch one with its data in `directory` or a temporary folder."""
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
    """A running server. `settings` is the DATABASES entry of its default database."""

    name: str
    title: str
    version: str
    how: str  # how the server was obtained, in one line
    settings: Settings
    backend: Backend
    cleanup: ExitStack

    def new_database(self) -> Settings:
        """Return the DATABASES entry of a new, empty database."""
        return self.backend.create(self.settings, f"dorm_vector_{uuid.uuid4().hex[:12]}")

    def drop_database(self, settings: Settings) -> None:
        self.backend.drop(settings)

    def stop(self) -> None:
        """Stop the server if it was launched here; a server from a URL keeps running. Idempotent."""
        self.cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
