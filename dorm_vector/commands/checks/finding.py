"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass

PROBLEM, NOTE = "problem", "note"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a database, what was expected, and the command that fixes it."""

    check: str
    """A stable name for programs."""
    subject: str
    """The model, field, index or setting that it is about."""
    problem: str
    expected: str
    fix: str
    severity: str = PROBLEM
    """``problem`` sets the exit code; a ``note`` does not."""
