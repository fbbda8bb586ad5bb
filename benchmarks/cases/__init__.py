"""What is measured: one module a case, each with ``groups(bench)``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


def names() -> list[str]:
    """Return the cases: the tree is the registry."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def get(name: str) -> Any:
    return import_module(f"benchmarks.cases.{name}")
