"""Errors of MySQL and MariaDB for rows that violate a check."""

from __future__ import annotations

from typing import Any

from dorm.exceptions import IntegrityError

from ..patching.registry import repair

# The error numbers of MySQL and MariaDB for a violated CHECK.
_VIOLATED = (3819, 4025)


def _says_integrity() -> bool:
    import pymysql
    from dorm.db.backends.mysql import _normalize_exception

    return isinstance(_normalize_exception(pymysql.err.OperationalError(_VIOLATED[0], "")), IntegrityError)


@repair("dorm.db.backends.mysql", "_normalize_exception", is_fixed=_says_integrity)
def violated_checks(original: Any, error: Exception) -> Exception:
    """Raise IntegrityError if a CheckConstraint rejects a row, as on every other database.

    Symptom: MySQL and MariaDB raise ``OperationalError``, which programs treat as a lost connection. Cause: both
    servers classify it as a general error, and the driver does the same. djanorm 4.3 to 4.5.
    """
    if error.args and error.args[0] in _VIOLATED:
        return IntegrityError(str(error))
    found: Exception = original(error)
    return found
