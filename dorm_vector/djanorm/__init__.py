"""The seam: every touch of a private name of djanorm or of a driver, one repair a function."""

from __future__ import annotations

import sys

from . import (  # noqa: F401  # imported for the repairs they register
    aggregating,
    arrays,
    async_transactions,
    connections,
    generated,
    migrations,
    models,
    rebuilding,
    repairs,
    turso,
    writer,
)


def install() -> None:
    """Put the repairs in place; those of a database backend follow when a connection of it is made."""
    for module in sorted(repairs.modules()):
        if not module.startswith("dorm.db.backends.") or module in sys.modules:
            repairs.install(module)
    connections.prepare_open_connections()
