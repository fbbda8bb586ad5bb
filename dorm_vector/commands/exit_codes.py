"""The exit codes of every command."""

from __future__ import annotations

DONE = 0
"""All is well."""
FOUND = 1
"""Something was found that needs attention, or the command failed."""
USAGE = 2
"""The command line or the settings are wrong; nothing was changed."""

ALL_IS_WELL = "All is well."
WRONG_USAGE = "The command line or the settings are wrong, and nothing was changed."


class UsageError(Exception):
    """The command line names something that does not exist."""
