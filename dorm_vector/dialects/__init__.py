"""Which database is this? The only place that reads a connection's vendor, class or server version."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from ..exceptions import UnsupportedByDatabase
from .base import Dialect, Distance, Operand, Unsupported

__all__ = ["DIALECTS", "Dialect", "Distance", "Operand", "Unsupported", "dialect_for", "dialect_named"]

DIALECTS = ("postgresql", "sqlite", "turso", "libsql", "mariadb", "mysql")
_BY_VENDOR = {"postgresql": "postgresql", "sqlite": "sqlite", "libsql": "turso", "hrana": "libsql"}


def dialect_for(connection: Any) -> Dialect:
    """Return the dialect of a djanorm connection; UnsupportedByDatabase where there is none."""
    vendor = getattr(connection, "dialect", None) or connection.vendor
    if vendor == "mysql":
        return _of_server(_server(connection))
    if vendor not in _BY_VENDOR:
        raise UnsupportedByDatabase(
            f"dorm_vector does not know the database {vendor!r}. It knows {', '.join(sorted(DIALECTS))}."
        )
    return dialect_named(_BY_VENDOR[vendor])


def _server(connection: Any) -> Any:
    # Late: the seam needs the dialects.
    from ..djanorm.mysql_servers import server_of

    return server_of(connection)


def _of_server(server: Any) -> Dialect:
    if server.is_mariadb:
        return dialect_named("mariadb")
    return dialect_named("mysql", "WITH_DISTANCE" if server.has_distance else "DIALECT")


@cache
def dialect_named(name: str, variant: str = "DIALECT") -> Dialect:
    dialect: Dialect = getattr(importlib.import_module(f"{__name__}.{name}"), variant)
    return dialect
