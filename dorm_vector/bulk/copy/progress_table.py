"""The table in the target that says how far a copy is, written in the transactions of the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...exceptions import CopyRefused
from ...steps import Execute, Script, Steps, Write
from .checksums import MODULUS, from_text, to_text
from .values import key_from_text, key_to_text

TABLE = "dorm_vector_copy"

ROWS, REFERENCES, DONE = "rows", "references", "done"
"""The stages of a table: its rows, then the references that its first pass had to leave out, then nothing."""

_CREATE = (
    f'CREATE TABLE IF NOT EXISTS "{TABLE}" ("copied_table" VARCHAR(190) NOT NULL PRIMARY KEY,'
    ' "origin" VARCHAR(190) NOT NULL, "stage" VARCHAR(20) NOT NULL, "last_key" TEXT, "copied" BIGINT NOT NULL,'
    ' "checksum" VARCHAR(40) NOT NULL)'
)

_SELECT = f'SELECT "copied_table", "origin", "stage", "last_key", "copied", "checksum" FROM "{TABLE}"'

_INSERT = f'INSERT INTO "{TABLE}" ("copied_table", "origin", "stage", "copied", "checksum") VALUES (%s, %s, %s, 0, %s)'

_UPDATE = (
    f'UPDATE "{TABLE}" SET "stage" = %s, "last_key" = %s, "copied" = %s, "checksum" = %s'
    ' WHERE "copied_table" = %s AND "stage" = %s AND "copied" = %s'
)


@dataclass
class Progress:
    """How far the copy of one table is."""

    table: str
    origin: str
    stage: str = ROWS
    last_key: Sequence[Any] | None = None
    copied: int = 0
    checksum: int | None = 0
    """That of the rows; None if some were copied without one, or by another process."""

    def advanced(self, rows: int, key: Sequence[Any] | None, more: int | None = 0) -> Progress:
        checksum = None if self.checksum is None or more is None else (self.checksum + more) % MODULUS
        return Progress(self.table, self.origin, self.stage, key, self.copied + rows, checksum)

    def at(self, stage: str) -> Progress:
        return Progress(self.table, self.origin, stage, None, self.copied, self.checksum)


def create() -> Steps[None]:
    yield Script(_CREATE)


def drop() -> Steps[None]:
    yield Script(f'DROP TABLE IF EXISTS "{TABLE}"')


def begin(tables: Sequence[str], origin: str) -> Steps[dict[str, Progress]]:
    """Note that the copy of these tables has begun; call it in a transaction."""
    for table in tables:
        yield Write(_INSERT, [table, origin, ROWS, to_text(0)])
    return {table: Progress(table, origin) for table in tables}


def standing() -> Steps[dict[str, Progress]]:
    """Return how far an interrupted copy is, by table; empty if there is none."""
    rows = yield Execute(_SELECT)
    found = {}
    for row in map(dict, rows):
        key = key_from_text(row["last_key"]) if row["last_key"] else None
        copied = int(row["copied"])
        number = copied, from_text(row["checksum"]) if copied else 0
        found[row["copied_table"]] = Progress(row["copied_table"], row["origin"], row["stage"], key, *number)
    return found


def save(before: Progress, after: Progress) -> Steps[None]:
    """Note what the current transaction has copied.

    Raises:
        CopyRefused: Another process continues the same copy.
    """
    key = key_to_text(after.last_key) if after.last_key is not None else None
    new = [after.stage, key, after.copied, to_text(after.checksum)]
    changed = yield Write(_UPDATE, [*new, before.table, before.stage, before.copied])
    if changed != 1:
        raise CopyRefused(f"Another process is copying the table {before.table!r} to this database. Stop one of them.")
