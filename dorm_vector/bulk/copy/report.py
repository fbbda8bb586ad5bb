"""What a copy has done."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class TableCopy:
    """One copied table.

    Attributes:
        label: The model, such as ``shop.Order``, or its many-to-many field, such as ``shop.Order.tags``.
        table: The name of the table.
        rows: The number of its rows in the target.
        copied: The number of rows that this call has copied; fewer if it resumed an interrupted copy.
    """

    label: str
    table: str
    rows: int
    copied: int


@dataclass(frozen=True)
class CopyReport:
    """What ``copy_database()`` has done.

    Attributes:
        from_database: The alias of the source.
        to_database: The alias of the target.
        tables: The copied tables, in the order in which they were copied.
        seconds: How long it took.
        resumed: Whether the call has finished an interrupted copy.
        verified: Whether both databases were compared afterwards.
        searches: The number of sample searches that gave the same rows on both databases.
        skipped: The tables that neither database has, because no migration has created them.
    """

    from_database: str
    to_database: str
    tables: tuple[TableCopy, ...]
    seconds: float
    resumed: bool = False
    verified: bool = False
    searches: int = 0
    skipped: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        """The number of rows of all copied tables in the target."""
        return sum(table.rows for table in self.tables)

    @property
    def copied(self) -> int:
        """The number of rows that this call has copied."""
        return sum(table.copied for table in self.tables)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON has."""
        return {**asdict(self), "rows": self.rows, "copied": self.copied}


@dataclass(frozen=True)
class Difference:
    """A row that differs between the source and the target.

    Attributes:
        label: The model or the many-to-many field.
        key: The key of the row: a value, or a tuple of the values of a composite key.
        columns: The columns whose values differ; empty if the row is missing in the target.
    """

    label: str
    key: object
    columns: tuple[str, ...]

    def __str__(self) -> str:
        what = f"differs in {', '.join(self.columns)}" if self.columns else "is missing in the target"
        return f"{self.label} {self.key!r} {what}"
