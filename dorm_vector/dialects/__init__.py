"""Identify the database; only this package reads a connection's vendor, class or server version."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

from .._addresses import resolver

if TYPE_CHECKING:
    from .base import Dialect, Distance
    from .shared.operands import Operand
    from .shared.unsupported import Unsupported

__all__ = ["DIALECTS", "Dialect", "Distance", "Operand", "Unsupported", "dialect_for", "dialect_named"]

DIALECTS = ("postgresql", "sqlite", "turso", "libsql", "mariadb", "mysql")


@cache
def dialect_named(name: str, variant: str = "DIALECT") -> Dialect:
    dialect: Dialect = getattr(importlib.import_module(f"{__name__}.{name}"), variant)
    return dialect


# Imported on first use: a process may define models without a query.
_LATER = {"Dialect": "base", "Distance": "base", "Operand": "shared.operands", "Unsupported": "shared.unsupported"}

_moved = resolver(__name__)


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    return _moved(name)
