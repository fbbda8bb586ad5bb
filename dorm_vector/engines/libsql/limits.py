"""Statement timeouts of libSQL: for a server, ``Remote`` stops waiting; other databases have none."""

from __future__ import annotations

from typing import Any

from ...dialects import dialect_named


def limited(wrapper: Any, _seconds: float) -> None:
    """Raise UnsupportedByDatabase for a file or an in-memory database; the driver cannot end their statements."""
    if not wrapper._address.is_remote:
        dialect_named("libsql").require_limits_in_process()
