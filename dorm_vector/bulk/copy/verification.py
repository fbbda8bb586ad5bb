"""Compare a copy with its source: numbers of rows, and checksums of their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...engines import wire_of
from ...engines.row_source import reading_from
from ...exceptions import CopyDiffers
from ...steps import Steps
from .checksums import MODULUS, checksum
from .pages import Reader
from .report import Difference
from .tables import Row, Table
from .values import token

_SHOWN = 10


def read_values(table: Table, rows: Sequence[Row], connection: Any) -> list[list[Any]]:
    """Return the columns of the rows as models read them, with packed vectors."""
    wire, columns = wire_of(connection), zip(*rows, strict=True)
    with reading_from(connection):
        return [column.read(values, wire) for column, values in zip(table.columns, columns, strict=True)]


@dataclass
class Checksum:
    """The number of rows of a table, and the checksum of their values."""

    rows: int = 0
    sum: int = 0

    def add(self, table: Table, columns: Sequence[Sequence[Any]]) -> None:
        self.rows += len(columns[0])
        self.sum = (self.sum + checksum(table.columns, columns)) % MODULUS


def require_equal(table: Table, source: Reader, target: Reader, connections: tuple[Any, Any], most: int) -> Steps[None]:
    """Raise CopyDiffers, with the first rows that differ."""
    found: list[Difference] = []
    after, seen = None, 0
    while rows := (yield from source.page(after, min(most, 200))):
        after, seen = table.key(rows[-1]), seen + len(rows)
        there = yield from _same_keys(table, target, rows)
        found += _differences(table, rows, there, connections)
        if len(found) >= _SHOWN:
            break
    counted = yield from target.count()
    more = counted - seen
    extra = f" The target has {more:,} rows that the source does not have." if not found and more > 0 else ""
    error = CopyDiffers(
        f"The copy of {table.label} differs from its source: {'; '.join(map(str, found[:_SHOWN])) or 'see below'}."
        f"{extra} If the source was written to during the copy, stop its writers and copy again with overwrite=True."
    )
    error.differences = tuple(found[:_SHOWN])
    raise error


def _same_keys(table: Table, target: Reader, rows: Sequence[Row]) -> Steps[list[Row]]:
    keys = [table.key(row) for row in rows]
    each = " AND ".join(f'"{name}" = %s' for name in table.keys)
    found: list[Row] = yield from target.rows(
        f" WHERE {' OR '.join([f'({each})'] * len(keys))}", [part for key in keys for part in key]
    )
    return found


def _differences(
    table: Table, rows: Sequence[Row], there: Sequence[Row], connections: tuple[Any, Any]
) -> Iterable[Difference]:
    sources = list(zip(*read_values(table, rows, connections[0]), strict=True))
    found = list(zip(*read_values(table, there, connections[1]), strict=True)) if there else []
    by_key = {tuple(map(token, table.key(row))): row for row in found}
    for row in sources:
        key, other = table.key(row), by_key.get(tuple(map(token, table.key(row))))
        names = [] if other is None else _differing(table, row, other)
        if other is None or names:
            yield Difference(table.label, key[0] if len(key) == 1 else tuple(key), tuple(names))


def _differing(table: Table, row: Row, other: Row) -> list[str]:
    values = zip(table.columns, row, other, strict=True)
    return [column.column for column, mine, theirs in values if column.tokens([mine]) != column.tokens([theirs])]
