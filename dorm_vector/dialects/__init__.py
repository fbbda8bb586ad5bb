"""Identify the database; only this package reads a connection's vendor, class or server version."""

from __future__ import annotations

import importlib
from functools import cache

from .._addresses import resolver
from .base import Dialect, Distance
from .shared.operands import Operand
from .shared.unsupported import Unsupported

__all__ = ["DIALECTS", "Dialect", "Distance", "Operand", "Unsupported", "dialect_for", "dialect_named"]

DIALECTS = ("postgresql", "sqlite", "turso", "libsql", "mariadb", "mysql")


@cache
def dialect_named(name: str, variant: str = "DIALECT") -> Dialect:
    dialect: Dialect = getattr(importlib.import_module(f"{__name__}.{name}"), variant)
    return dialect


__getattr__ = resolver(__name__)
