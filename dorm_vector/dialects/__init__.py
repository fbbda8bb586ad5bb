"""Which database is this? The only place that reads a connection's vendor, class or server version."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from .._addresses import resolver
from ..engines import _BY_VENDOR
from ..values.wire import Wire
from .base import Dialect, Distance, Unsupported
from .shared.operands import Operand

__all__ = ["DIALECTS", "Dialect", "Distance", "Operand", "Unsupported", "dialect_for", "dialect_named", "wire_of"]

DIALECTS = ("postgresql", "sqlite", "turso", "libsql", "mariadb", "mysql")


def wire_of(connection: Any) -> Wire:
    """Return how the database hands vectors over; nothing is asked of a server."""
    vendor = getattr(connection, "dialect", None) or connection.vendor
    return dialect_named(_BY_VENDOR[vendor]).wire if vendor in _BY_VENDOR else Wire.PACKED


@cache
def dialect_named(name: str, variant: str = "DIALECT") -> Dialect:
    dialect: Dialect = getattr(importlib.import_module(f"{__name__}.{name}"), variant)
    return dialect


__getattr__ = resolver(__name__)
