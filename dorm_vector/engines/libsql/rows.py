"""Rows and cursors with the interface of Python's sqlite3 module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any


@dataclass(frozen=True)
class Result:
    """The result of a statement: its columns (empty if it returns no rows), its rows, and its row count."""

    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    changed: int = -1
    last_id: int | None = None


class Columns:
    """The names and positions of a result's columns."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.positions: dict[str, int] = {}
        for position, name in enumerate(self.names):
            self.positions.setdefault(name, position)

    def position(self, name: str) -> int:
        """Return the position of a column; case-insensitive, as in sqlite3."""
        found = self.positions.get(name)
        if found is None:
            found = {known.lower(): at for known, at in reversed(self.positions.items())}.get(name.lower())
        if found is None:
            raise IndexError(f"No column {name!r}. There are {', '.join(self.names)}.")
        return found


class Row(Sequence[Any]):
    """One row, by position or by column name."""

    __slots__ = ("_columns", "_values")

    def __init__(self, columns: Columns, values: tuple[Any, ...]) -> None:
        self._columns, self._values = columns, values

    def keys(self) -> list[str]:
        return list(self._columns.names)

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._columns.position(key) if isinstance(key, str) else key]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and (self.keys(), [*self]) == (other.keys(), [*other])

    def __hash__(self) -> int:
        return hash((self._columns.names, self._values))

    def __repr__(self) -> str:
        return f"Row({dict(zip(self._columns.names, self._values, strict=True))!r})"


class Cursor:
    """A completed statement, with all of its rows."""

    arraysize = 1
    row_factory: type[Row] | None = Row
    """None returns tuples; as in sqlite3, it applies to rows that are not fetched yet."""

    def __init__(self, result: Result) -> None:
        self._columns, self._values = Columns(result.columns), iter(result.rows)
        self.description = [(name, *[None] * 6) for name in result.columns] or None
        self.rowcount, self.lastrowid = result.changed, result.last_id

    def fetchone(self) -> Any:
        return next(iter(self), None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return list(islice(self, size or self.arraysize))

    def fetchall(self) -> list[Any]:
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        if self.row_factory is None:
            return self._values
        return map(self.row_factory, repeat(self._columns), self._values)

    def close(self) -> None:
        self._values = iter([])
