"""Map driver errors to djanorm's exceptions; the drivers distinguish errors only by message."""

from __future__ import annotations

from dorm.exceptions import DatabaseError, IntegrityError, OperationalError, ProgrammingError

from ...dialects.shared.stored_lengths import stored_mismatch
from ...exceptions import ConnectionLost

__all__ = ["LOCKED", "ConnectionLost", "translated"]

# "database table is locked" is different: a statement of the same connection holds the lock, so waiting never helps.
LOCKED = "database is locked"


def translated(message: str) -> DatabaseError:
    """Return the exception that djanorm raises on SQLite for the same error."""
    message = message.removeprefix("SQLite error: ")
    if message == "Response is too large":
        message += "; what it was to write is written. Ask for fewer rows, or raise sqld's --max-response-size."
    mismatch = stored_mismatch(message)
    if mismatch is not None:
        return mismatch
    if "constraint failed" in message or "datatype mismatch" in message:
        return IntegrityError(message)
    if "number of arguments" in message or "bind" in message.lower():
        return ProgrammingError(message)
    return OperationalError(message)
