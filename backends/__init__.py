"""Get a real database for tests: one module per database, with the same stem as its dialect.

``with get("postgresql").start() as running: dorm.configure(DATABASES={"default": running.new_database()})``
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from backends.servers.backend import Backend, BackendUnavailable, Running, Settings

__all__ = ["Backend", "BackendUnavailable", "Running", "Settings", "get", "names"]


def names() -> list[str]:
    """Return the stems of the modules in this folder, which is the registry."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def get(name: str) -> Backend:
    if name not in names():
        raise LookupError(f"No backend is called {name!r}. There are: {', '.join(names())}.")
    backend: Backend = import_module(f"backends.{name}").BACKEND
    return backend
