"""Read a table in pages by its primary key, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...engines import dialect_for
from ...frames.fetching import fastest
from ...steps import Execute, Step, Steps
from .tables import Row, Table

PAGE_BYTES = 8 * 2**20
"""About how much memory the values of one page take."""

_FIRST_PAGE = 200

_SAMPLED = 20


@dataclass(eq=False, repr=False)
class On(Step):
    """Run a step on another connection than that of the other steps."""

    connection: Any
    step: Step

    def run(self, wrapper: Any) -> Any:
        return self.step.run(self.connection)

    async def arun(self, wrapper: Any) -> Any:
        return await self.step.arun(self.connection)


@dataclass(eq=False, repr=False)
class TableColumns(Step):
    """Return the type of each column of a table, if the database reports one; empty if there is no such table."""

    table: str

    def run(self, wrapper: Any) -> dict[str, str]:
        return _types(wrapper.get_table_columns(self.table))

    async def arun(self, wrapper: Any) -> dict[str, str]:
        return _types(await wrapper.get_table_columns(self.table))


def _types(rows: Any) -> dict[str, str]:
    return {str(row["name"]): str(row.get("data_type") or "") for row in map(dict, rows)}


class Reader:
    """Reads the rows of a table from one database, in the order of their keys."""

    def __init__(self, table: Table, connection: Any, types: dict[str, str]) -> None:
        self._table, self.connection, self._types = table, connection, types
        self._dialect = dialect_for(connection)
        self._size = _FIRST_PAGE

    def page(self, after: Sequence[Any] | None, most: int, where: str = "") -> Steps[list[Row]]:
        """Return the rows after a key, as many as fit in a page."""
        condition, params = self._after(after)
        conditions = " AND ".join(filter(None, (where, condition)))
        rows = yield from self.rows(
            f"{f' WHERE {conditions}' if conditions else ''} ORDER BY {_quoted(self._table.keys)}"
            f" LIMIT {min(self._size, most)}",
            params,
        )
        self._size = _next_size(rows, most)
        return rows

    def rows(self, clauses: str, params: Sequence[Any]) -> Steps[list[Row]]:
        columns = ", ".join(self._read(column) for column in self._table.columns)
        sql = f'SELECT {columns} FROM "{self._table.name}"{clauses}'
        rows = yield On(self.connection, self._step()(sql, params))
        return [tuple(row.values()) for row in rows] if rows and isinstance(rows[0], dict) else rows

    def count(self) -> Steps[int]:
        rows = yield On(self.connection, Execute(f'SELECT COUNT(*) AS "count" FROM "{self._table.name}"'))
        return int(rows[0]["count"])

    def _read(self, column: Any) -> str:
        name = f'"{column.column}"'
        if column.is_vector:
            return str(self._dialect.form(column.field.element).read.format(column=name)) + f" AS {name}"
        # The driver would decode it, and a JSON text would look like a document.
        return f"{name}::text AS {name}" if self._types.get(column.column) in ("json", "jsonb") else name

    def _step(self) -> Any:
        plain = [self._types.get(column.column) for column in self._table.columns if not column.is_vector]
        # psycopg has no binary form of types that an extension or the user has added.
        return fastest(self.connection, reads_binary=not {"USER-DEFINED", "ARRAY"} & {*plain})

    def _after(self, key: Sequence[Any] | None) -> tuple[str, list[Any]]:
        if key is None:
            return "", []
        names = [f'"{name}"' for name in self._table.keys]
        # In this form, unlike (a, b) > (1, 2), every database uses the index of the key.
        parts: list[str] = []
        params: list[Any] = []
        for position, name in enumerate(names):
            parts.append(" AND ".join([*(f"{each} = %s" for each in names[:position]), f"{name} > %s"]))
            params += key[: position + 1]
        if len(names) == 1:
            return parts[0], params
        return f"{names[0]} >= %s AND ({' OR '.join(f'({part})' for part in parts)})", [key[0], *params]


def _next_size(rows: Sequence[Row], most: int) -> int:
    """Return how many rows like these fit in a page."""
    sample = rows[:: max(1, len(rows) // _SAMPLED)]
    weights = [sum(map(_weight, row)) for row in sample]
    heaviest = max([sum(weights) // len(weights), 1]) if weights else 1
    return max(1, min(most, PAGE_BYTES // heaviest))


def _weight(value: Any) -> int:
    return len(value) if isinstance(value, (bytes, bytearray, memoryview, str)) else 40


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
