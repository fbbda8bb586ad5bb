"""djanorm's exceptions for what the drivers raise: they tell by their messages alone."""

from __future__ import annotations

from dorm.exceptions import DatabaseError, IntegrityError, OperationalError, ProgrammingError

from ...exceptions import ConnectionLost

__all__ = ["LOCKED", "ConnectionLost", "translated"]

# "database table is locked" is the other kind: a statement of this same connection, which no waiting ends.
LOCKED = "database is locked"


def translated(message: str) -> DatabaseError:
    """Return what djanorm raises on SQLite for the same mistake."""
    message = message.removeprefix("SQLite error: ")
    if message == "Response is too large":
        message += "; what it was to write is written. Ask for fewer rows, or raise sqld's --max-response-size."
    if "constraint failed" in message or "datatype mismatch" in message:
        return IntegrityError(message)
    if "number of arguments" in message or "bind" in message.lower():
        return ProgrammingError(message)
    return OperationalError(message)
