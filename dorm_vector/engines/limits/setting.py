"""The setting of the statement timeout, and the limiter of each database's connections."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from dorm.exceptions import ImproperlyConfigured

from ...exceptions import UnsupportedByDatabase
from .. import folder_of

NAME = "statement_timeout"

CLIENT_RANKING = "client_ranking_max_bytes"

GRACE = 1.0
"""Seconds that the client waits longer than the server, before it gives the connection up."""


def statement_timeout(settings: Mapping[str, Any]) -> float | None:
    """Return the number of seconds that a statement may take; None for no limit."""
    seconds = (settings.get("OPTIONS") or {}).get(NAME)
    if seconds is None:
        return None
    try:
        # It is a string if DATABASES is a URL.
        number = -1.0 if isinstance(seconds, bool) else float(seconds)
    except (TypeError, ValueError):
        number = -1.0
    # The servers count in milliseconds, and 0 turns their limit off.
    if not 0.001 <= number <= 2_000_000:
        raise ImproperlyConfigured(
            f"DATABASES OPTIONS['{NAME}'] is {seconds!r}: give seconds from 0.001 to 2,000,000, such as 5 or 0.5. Leave"
            " it out for no limit."
        )
    return number


def limit(wrapper: Any) -> None:
    """Give a wrapper its statement timeout, if its settings have one."""
    seconds = statement_timeout(wrapper.settings)
    # The drivers do not know our options. MySQL's _dsn is the settings.
    for given in (getattr(wrapper, "_kwargs", None), getattr(wrapper, "_dsn", None)):
        if isinstance(given, dict) and given is not wrapper.settings:
            given.pop(NAME, None)
            given.pop(CLIENT_RANKING, None)
    if seconds is None:
        return
    folder = folder_of(wrapper)
    if not folder:
        raise UnsupportedByDatabase(
            f"dorm_vector limits no statements on {wrapper.vendor!r}: leave OPTIONS['{NAME}'] out of DATABASES."
        )
    import_module(f"..{folder}.limits", __package__).limited(wrapper, seconds)
