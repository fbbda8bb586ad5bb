"""What Turso's driver raises, as djanorm's exceptions."""

from __future__ import annotations

from typing import Any

from dorm import exceptions
from dorm.db import utils

from .repairs import repair


@repair("dorm.db.backends.sqlite", "normalize_db_exception")
def turso_errors(original: Any, error: Exception) -> None:
    """Raise IntegrityError and its siblings where Turso refuses a row.

    Symptom: ``except dorm.exceptions.IntegrityError`` does not catch a broken unique constraint. Cause: djanorm knows
    the exceptions of sqlite3 and psycopg. djanorm 4.3 to 4.5.
    """
    raise_turso_error(error)
    original(error)


def normalize(error: Exception) -> None:
    """Raise djanorm's exception for one of a driver, where there is one."""
    raise_turso_error(error)
    utils.normalize_db_exception(error)


def raise_turso_error(error: Exception) -> None:
    if type(error).__module__.partition(".")[0] == "turso":
        raise getattr(exceptions, type(error).__name__, exceptions.DatabaseError)(str(error)) from error
