"""Repairs of the fields of ``dorm.contrib.extra_fields``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...patching.registry import repair

_MODULE = "dorm.contrib.extra_fields"


def _binds_amounts() -> bool:
    from dorm.contrib.extra_fields import MoneyField

    field = MoneyField()
    read = field.from_db_value(0.1)
    return isinstance(field.get_db_prep_value(1), str) and bool(read.amount == Decimal("0.1"))


@repair(f"{_MODULE}:MoneyField", "get_db_prep_value", is_fixed=_binds_amounts)
def amounts_of_money(original: Any, field: Any, value: Any) -> Any:
    """Write and read a MoneyField as djanorm does a DecimalField.

    Symptom: on SQLite and libSQL, a row with money cannot be saved: "type 'decimal.Decimal' is not supported". On
    Turso, 0.10 is read as ``Decimal(0.1)``, with 55 digits. Cause: the field passes a Decimal to the driver, and
    converts the float that the driver returns digit by digit. djanorm 4.3 to 4.5.
    """
    if hasattr(value, "as_sql"):
        return value
    written = original(field, value)
    return None if written is None else str(written)


@repair(f"{_MODULE}:MoneyField", "from_db_value", name="amounts_of_money", is_fixed=_binds_amounts)
def _read_amount(original: Any, field: Any, value: Any, *rest: Any) -> Any:
    return original(field, str(value) if isinstance(value, float) else value, *rest)
