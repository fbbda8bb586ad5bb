"""ISO 8601 dates as text that sorts by time, in the forms that a filter compares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

# What Haystack compares as a date with ==: not "2025", nor "20250203".
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ].*)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Moment:
    """A date and time, with six digits of the second; ``utc`` is None if it has no time zone."""

    wall: str
    """What a clock shows at the place of the time zone."""

    utc: str | None


def moment(value: Any) -> Moment | None:
    """Return the moment of an ISO 8601 text, a datetime or a date; None for anything else."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001  # a date has no time zone
    if not isinstance(value, datetime):
        return None
    try:
        utc = None if value.tzinfo is None else _text(value.astimezone(UTC))
    except OverflowError:
        return None
    return Moment(_text(value), utc)


def moments_in(metadata: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the dates in metadata as ``{"wall": {path: text}, "utc": {path: text}}``, without empty parts.

    A path joins the keys of nested objects with dots, as a filter does, which cannot name a key that has a dot.
    """
    found: dict[str, dict[str, str]] = {"wall": {}, "utc": {}}
    _collect(metadata, "", found)
    return {name: texts for name, texts in found.items() if texts}


def _collect(metadata: Mapping[str, Any], prefix: str, found: dict[str, dict[str, str]]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or "." in key:
            continue
        if isinstance(value, Mapping):
            _collect(value, f"{prefix}{key}.", found)
        elif (at := moment(value) if isinstance(value, str) else None) is not None:
            found["wall"][prefix + key] = at.wall
            if at.utc is not None:
                found["utc"][prefix + key] = at.utc


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="microseconds")
