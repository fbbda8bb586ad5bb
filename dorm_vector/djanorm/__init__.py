"""The seam: every touch of a private name of djanorm or of a driver, one repair a function."""

from __future__ import annotations

from . import (  # noqa: F401  # imported for the repairs they register
    aggregating,
    arrays,
    async_transactions,
    binary,
    companion_migrations,
    concurrent,
    connections,
    deferred,
    embedding_loads,
    generated,
    hrana_migrations,
    inspecting,
    migrations,
    models,
    mysql,
    mysql_async,
    mysql_drivers,
    mysql_migrations,
    negating,
    pooling,
    postgresql_loops,
    rebuilding,
    references,
    relations,
    renaming,
    repairs,
    serializing,
    sqlite_loops,
    text_migrations,
    transactions,
    turso,
    turso_errors,
    writer,
)
from .importing import install_when_imported


def install() -> None:
    """Put the repairs in place: now, or when somebody imports what they repair."""
    for module in sorted(repairs.modules()):
        install_when_imported(module)
    connections.prepare_open_connections()
