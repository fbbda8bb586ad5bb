"""Patch modules when they are imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from . import registry


def install_when_imported(module: str) -> None:
    """Patch the module now if it is already imported, otherwise on import."""
    if module in sys.modules:
        registry.install(module)
    else:
        _finder().awaited.add(module)


class Late:
    """A module that is imported on first attribute access."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)


class _Finder:
    """Find the awaited modules with the other finders, and patch them after they run."""

    def __init__(self) -> None:
        self.awaited: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.awaited:
            return None
        self.awaited.remove(fullname)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            loader: Any = _PatchingLoader(spec.loader)
            spec.loader = loader
        return spec


class _PatchingLoader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        registry.install(module.__name__)

    def __getattr__(self, name: str) -> Any:
        # Tracebacks and importlib.resources call get_source, get_data and others.
        return getattr(self._loader, name)


def _finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    sys.meta_path.insert(0, _Finder())
    return _finder()
