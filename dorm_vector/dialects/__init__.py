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
        return dialect_named("mariadb" if _server(connection).is_mariadb else "mysql")
    if vendor not in _BY_VENDOR:
        raise UnsupportedByDatabase(
            f"dorm_vector does not know the database {vendor!r}. It knows {', '.join(sorted(DIALECTS))}."
        )
    return dialect_named(_BY_VENDOR[vendor])


def _server(connection: Any) -> Any:
    # Late: the seam needs the dialects.
    from ..djanorm.mysql_servers import server_of

    return server_of(connection)


@cache
def dialect_named(name: str) -> Dialect:
    dialect: Dialect = importlib.import_module(f"{__name__}.{name}").DIALECT
    return dialect
