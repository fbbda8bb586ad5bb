"""Delete the rows of the target's tables before a copy that overwrites them, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...steps import Execute, Steps, Write
from .tables import Table

AT_A_TIME = 5_000
"""Rows that one statement changes."""

Told = Callable[[int], object]


def emptied(tables: Sequence[Table], deleted: Told, waiting: Told) -> Steps[None]:
    """Delete all rows; call it in a transaction.

    Args:
        tables: The tables, each after those that it refers to.
        deleted: A function that is called with the number of rows that each statement has deleted.
        waiting: A function that is called with 0 after every other statement.
    """
    # Without references in a circle, because a long chain of cascades fails on MySQL.
    for table in tables:
        for reference in table.later:
            instead = "NULL" if reference.may_be_null else f'"{table.keys[0]}"'
            if reference.may_be_null or reference.table == table.name:
                change = f'UPDATE "{table.name}" SET "{reference.column}" = {instead}'
                yield from _in_parts(table, change, lambda _rows: waiting(0))
    for table in reversed(tables):
        yield from _in_parts(table, f'DELETE FROM "{table.name}"', deleted)


def _in_parts(table: Table, statement: str, told: Told) -> Steps[None]:
    """Run the statement for ranges of keys, and then for what is left."""
    key, conditions, params = f'"{table.keys[0]}"', "", list[Any]()
    # A part of a composite key may have many rows.
    while len(table.keys) == 1:
        rows = yield Execute(
            f'SELECT {key} AS "last" FROM "{table.name}"{conditions} ORDER BY {key} LIMIT 1 OFFSET {AT_A_TIME - 1}',
            params,
        )
        if not rows:
            break
        last = rows[0]["last"]
        told((yield Write(f"{statement}{conditions or ' WHERE 1 = 1'} AND {key} <= %s", [*params, last])))
        conditions, params = f" WHERE {key} > %s", [last]
    # SQLite allows keys that are NULL.
    rest = f"{conditions} OR {key} IS NULL" if conditions else ""
    told((yield Write(f"{statement}{rest}", params)))
