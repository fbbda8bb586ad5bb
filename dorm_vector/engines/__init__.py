"""Drivers and connections, one folder per database, and the function that identifies the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dialects import DIALECTS, dialect_named
from ..exceptions import UnsupportedByDatabase
from ..values.wire import Wire

if TYPE_CHECKING:
    from ..dialects.base import Dialect

_BY_VENDOR = {
    "postgresql": "postgresql",
    "cockroachdb": "postgresql",
    "sqlite": "sqlite",
    "libsql": "turso",
    "hrana": "libsql",
}


def dialect_for(connection: Any) -> Dialect:
    """Return the dialect of a djanorm connection; raise UnsupportedByDatabase if there is none."""
    known: Dialect | None = getattr(connection, "known_dialect", None)
    if known is not None:
        return known
    vendor = getattr(connection, "dialect", None) or connection.vendor
    if vendor == "mysql":
        return _of_server(_server(connection))
    if vendor not in _BY_VENDOR:
        raise UnsupportedByDatabase(
            f"dorm_vector does not know the database {vendor!r}. It knows {', '.join(sorted(DIALECTS))}."
        )
    if vendor == "cockroachdb":
        _other_servers().warned_of("CockroachDB (the engine of djanorm)")
    return dialect_named(_BY_VENDOR[vendor])


def is_whole(connection: Any) -> bool:
    """Return whether the server is known to keep its tables on one machine, without a query to it."""
    vendor = getattr(connection, "vendor", "")
    return vendor != "postgresql" or getattr(connection, "_dorm_vector_citus", connection) is None


def dialect_of_vendor(vendor: str) -> Dialect:
    """Return a dialect for djanorm's ``vendor``; as djanorm does, treat an unknown one as SQLite."""
    name = _BY_VENDOR.get(vendor, vendor)
    return dialect_named(name if name in DIALECTS else "sqlite")


def folder_of(connection: Any) -> str:
    """Return the name of the database's folder under engines/, without a query to the server; "" if it has none."""
    vendor = getattr(connection, "dialect", None) or connection.vendor
    return "mysql" if vendor == "mysql" else _BY_VENDOR.get(vendor, "")


def wire_of(connection: Any) -> Wire:
    """Return the wire format of the database's vectors, without a query to the server."""
    vendor = getattr(connection, "dialect", None) or connection.vendor
    return dialect_named(_BY_VENDOR[vendor]).wire if vendor in _BY_VENDOR else Wire.PACKED


def _server(connection: Any) -> Any:
    # Imported late, because mysql.server imports the dialects.
    from .mysql.server import server_of

    return server_of(connection)


def _other_servers() -> Any:
    # Imported late, because few projects have one.
    from ..dialects.shared import other_servers

    return other_servers


def _of_server(server: Any) -> Dialect:
    if server.is_mariadb:
        return dialect_named("mariadb")
    return dialect_named("mysql", "WITH_DISTANCE" if server.has_distance else "DIALECT")


# The vendor whose SQL djanorm uses for each of these.
_SPEAKS = {"libsql": "sqlite"}


def _rebuilds(connection: Any) -> bool:
    return _speaks_of_rebuilding(connection.vendor)


def _speaks_of_rebuilding(vendor: str) -> bool:
    return _SPEAKS.get(vendor, vendor) in _SPEAKS.values()


def dialect_of_index_sql(vendor: str) -> Dialect | None:
    """Return the dialect for ``Index.create_sql(vendor=…)``; ``vendor`` is djanorm's name of a database or ours.

    None for databases that alter a table by rebuilding it. There, djanorm runs the SQL of the index during the rebuild,
    and migrations build the index.
    """
    name = _BY_VENDOR.get(vendor, vendor)
    return dialect_named(name) if name in DIALECTS and not _speaks_of_rebuilding(vendor) else None
