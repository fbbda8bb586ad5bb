"""The operands of a dialect's SQL, and how to fill a template with them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from string import Formatter
from typing import Any

SQL = tuple[str, list[Any]]


class Operand:
    """One side of a distance: SQL, its parameters, whether it can be NULL, and whether it is the same for all rows."""

    def __init__(self, sql: str, params: tuple[Any, ...] = (), nullable: bool = True, constant: bool = False) -> None:
        self.sql, self.params, self.nullable, self.constant = sql, params, nullable, constant

    def inside(self, template: str) -> Operand:
        """Return the operand with its SQL in a template, as ``{operand}``."""
        return Operand(template.format(operand=self.sql), self.params, self.nullable, self.constant)


def compose(template: str, operands: Mapping[str, Operand]) -> SQL:
    """Fill a template, and collect the parameters in the order of its operands."""
    params: list[Any] = []
    sql = ""
    for text, name in parsed(template):
        sql += text
        if name:
            sql += operands[name].sql
            params += operands[name].params
    return sql, params


@functools.cache
def parsed(template: str) -> list[tuple[str, str | None]]:
    """Return each literal text of a template, with the name of the placeholder after it."""
    return [(text, name) for text, name, _, _ in Formatter().parse(template)]
