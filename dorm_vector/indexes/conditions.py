"""The condition of a partial index, as SQL."""

from __future__ import annotations

from typing import Any

from dorm.fields import _inline_literal
from dorm.functions import _compile_condition

from .vector import VectorIndex


def condition_of(index: VectorIndex, connection: Any) -> str:
    """Return the condition with its values written into it, because DDL takes no parameters; empty without one."""
    if index.condition is None:
        return ""
    sql, params = _compile_condition(index.condition, connection=connection)
    return str(_inline_literal(sql, params) if params else sql)
