"""The bare driver of each database, at its best: the same stem as its dialect and its backend."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def get(name: str, settings: dict[str, Any]) -> Any:
    """Return a connection of the bare driver to the database of these DATABASES settings."""
    return import_module(f"benchmarks.bare.{name}").Bare(settings)


def configure(name: str, settings: dict[str, Any]) -> None:
    """Give an empty database what all who are measured need."""
    module = import_module(f"benchmarks.bare.{name}")
    if hasattr(module, "configure"):
        module.configure(settings)
