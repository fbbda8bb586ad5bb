"""Statement timeouts of libSQL: a server's answer is waited for no longer; ``Remote`` does so."""

from __future__ import annotations

from typing import Any

from ...dialects import dialect_named


def limited(wrapper: Any, _seconds: float) -> None:
    """Refuse a file or memory, whose driver cannot end a statement."""
    if not wrapper._address.is_remote:
        dialect_named("libsql").require_limits_in_process()
