"""Numbers of double precision on PostgreSQL."""

from __future__ import annotations

from typing import Any

from dorm.fields import FloatField

from ...patching.registry import repair
from ...patching.stand_ins import Statements

_DOUBLE = "DOUBLE PRECISION"


def _holds_a_float() -> bool:
    return FloatField().db_type(Statements("postgresql")) == _DOUBLE


@repair("dorm.fields:FloatField", "db_type", is_fixed=_holds_a_float)
def double_precision(original: Any, field: Any, connection: Any) -> str:
    """Create the column of a FloatField with double precision on PostgreSQL.

    Symptom: 149.99 is read back as 149.99000549316406, and ``filter(price=149.99)`` finds nothing. Cause: the column is
    REAL, which is four bytes on PostgreSQL and eight on every other database. Columns that exist keep their type until
    an ``AlterField`` of the same field, which ``dorm lint-migrations`` prints. djanorm 4.3 to 4.5.
    """
    return _DOUBLE if connection.vendor == "postgresql" else str(original(field, connection))
