"""Writers of bulk loads, as steps for sync and async connections.

``Dialect.loading.method`` names the writer: ``copy``, ``executemany`` or ``values``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from dorm.db.connection import router_db_for_write
from dorm.query import _validate_identifier
from dorm.queryset import QuerySet

from ..dialects.base import Dialect
from ..engines.open_transactions import TransactionIsOpen
from ..exceptions import at_row
from ..steps import Execute, Script, Steps, Write
from . import copy_format
from .batches import Batch
from .steps import Copy, Many, RawConnection

_STAGING = "dorm_vector_load"

_MAX_PARAMETERS = 60_000


@dataclass(frozen=True)
class BulkLoad:
    """The target of a load: a model, and its fields in the order of the columns of each batch."""

    model: Any
    fields: Sequence[Any]
    dialect: Dialect
    on_conflict: str | None

    def __post_init__(self) -> None:
        for name in (self.table, *self.columns):
            _validate_identifier(name)
        if self.on_conflict == "update" and not set(self.keys) <= set(self.columns):
            raise ValueError(f"on_conflict='update' finds rows by {', '.join(self.keys)}: give it with every row.")

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)

    @cached_property
    def columns(self) -> list[str]:
        return [field.column for field in self.fields]

    @cached_property
    def keys(self) -> list[str]:
        """The columns of the primary key."""
        key = self.model._meta.pk
        names = getattr(key, "field_names", None)
        return [self.model._meta.get_field(name).column for name in names] if names else [key.column]

    @cached_property
    def into(self) -> str:
        return f'INSERT INTO "{self.table}" ({_quoted(self.columns)})'

    @cached_property
    def conflict(self) -> str:
        """The clause that ends the INSERT."""
        others = [column for column in self.columns if column not in self.keys]
        if self.on_conflict is None:
            return ""
        if self.on_conflict == "ignore" or not others:
            return " " + self.dialect.loading.keep_existing.format(key=_quoted(self.keys), first=f'"{self.keys[0]}"')
        new = self.dialect.loading.inserted_value
        assignments = ", ".join(f'"{name}" = {new.format(column=_quoted([name]))}' for name in others)
        overwrite = self.dialect.loading.overwrite_existing.format(key=_quoted(self.keys), assignments=assignments)
        return f" {self.dialect.loading.inserted_row}{overwrite}"

    @cached_property
    def one_row(self) -> str:
        return f"{self.into} VALUES ({', '.join(['%s'] * len(self.columns))}){self.conflict}"


class ExecutemanyWriter:
    """A writer that runs a prepared INSERT once per row."""

    def __init__(self, load: BulkLoad) -> None:
        self.load = load

    def open(self) -> Steps[None]:
        yield from ()

    def close(self) -> Steps[None]:
        yield from ()

    def write(self, batch: Batch) -> Steps[int]:
        changed = yield Many(self.load.one_row, batch.rows())
        return int(changed)


class ValuesWriter(ExecutemanyWriter):
    """A writer that inserts many rows per INSERT statement."""

    def write(self, batch: Batch) -> Steps[int]:
        changed = 0
        for rows in self._portions(batch):
            changed += yield from self._insert(rows)
        # MySQL and MariaDB count an overwritten row twice.
        return len(batch) if self.load.on_conflict == "update" else changed

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> Steps[int]:
        row = f"({', '.join(['%s'] * len(rows[0]))})"
        sql = f"{self.load.into} VALUES {', '.join([row] * len(rows))}{self.load.conflict}"
        changed = yield Write(sql, list(chain.from_iterable(rows)))
        return int(changed)

    def _portions(self, batch: Batch) -> Iterable[list[tuple[Any, ...]]]:
        dialect, rows = self.load.dialect, list(batch.rows())
        most = min(dialect.loading.rows, _MAX_PARAMETERS // len(batch.columns))
        if dialect.loading.bytes:
            return _weighed(rows, most, dialect.loading.bytes)
        return (rows[at : at + most] for at in range(0, len(rows), most))


def _weighed(rows: list[tuple[Any, ...]], most: int, heaviest: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield portions of at most ``most`` rows and ``heaviest`` bytes; a heavier row is a portion of its own."""
    portion: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        weight = sum(len(value) for value in row if isinstance(value, (bytes, str)))
        if portion and (len(portion) >= most or size + weight > heaviest):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += weight
    if portion:
        yield portion


class CopyWriter(ExecutemanyWriter):
    """A writer that uses binary COPY; with ``on_conflict``, it copies into a temporary table and inserts from there."""

    encoders: Sequence[copy_format.Encode] = ()

    def open(self) -> Steps[None]:
        rows = yield Execute(
            'SELECT a.attname AS "column", t.typname AS "type", t.oid AS "oid" FROM pg_attribute a'
            " JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0",
            [f'"{self.load.table}"'],
        )
        types = {row["column"]: (row["type"], row["oid"]) for row in rows}
        if any(types.get(column, ("",))[0] not in copy_format.IS_BINARY for column in self.load.columns):
            return
        connection = yield RawConnection()
        self.encoders = [copy_format.encoder(*types[column], connection) for column in self.load.columns]
        if self.load.on_conflict:
            columns, table = _quoted(self.load.columns), self.load.table
            yield Script(f'CREATE TEMP TABLE "{_STAGING}" ON COMMIT DROP AS SELECT {columns} FROM "{table}" LIMIT 0')

    def write(self, batch: Batch) -> Steps[int]:
        if not self.encoders:
            changed = yield from ValuesWriter(self.load).write(batch.with_vectors())
            return changed
        table, columns = self.load.table, _quoted(self.load.columns)
        target = _STAGING if self.load.on_conflict else table
        sql = f'COPY "{target}" ({columns}) FROM STDIN (FORMAT BINARY)'
        changed = yield Copy(sql, copy_format.copy_data(batch, self.encoders))
        if self.load.on_conflict:
            counted = self.load.dialect.loading.count_written
            changed = yield Write(f"{self.load.into} {self._staged()}{self.load.conflict}{counted}")
            yield Script(f'TRUNCATE "{_STAGING}"')
        return int(changed)

    def _staged(self) -> str:
        columns, keys = _quoted(self.load.columns), _quoted(self.load.keys)
        if self.load.on_conflict == "ignore":
            return f'SELECT {columns} FROM "{_STAGING}" ORDER BY ctid'
        # One statement cannot update a row twice, so the last row with a key wins, as on other databases.
        return f'SELECT DISTINCT ON ({keys}) {columns} FROM "{_STAGING}" ORDER BY {keys}, ctid DESC'

    def close(self) -> Steps[None]:
        if self.encoders and self.load.on_conflict:
            yield Script(f'DROP TABLE "{_STAGING}"')


WRITERS = {"copy": CopyWriter, "executemany": ExecutemanyWriter, "values": ValuesWriter}


def writer(load: BulkLoad) -> ExecutemanyWriter:
    return WRITERS[load.dialect.loading.method](load)


def failure(load: BulkLoad, batch: Batch, error: Exception) -> Steps[Exception]:
    """Insert the rows of a failed batch one at a time, and return its error with the index of the row that fails.

    The surrounding transaction will be rolled back. If it has already ended, this inserts nothing, because the rows
    would be stored, and the error names no row.
    """
    if not (yield TransactionIsOpen()):
        return error
    for position in range(len(batch)):
        try:
            yield Write(load.one_row, batch.row(position))
        except Exception as of_row:  # noqa: BLE001  # it is returned, or the error of the batch is
            return at_row(of_row if load.dialect.loading.copy_hides_errors else error, batch.start + position)
    return error


def write_alias(model: Any, using: str | None) -> str:
    return str(using or router_db_for_write(model))


def forget_cached(model: Any, alias: str) -> None:
    """Invalidate the model in djanorm's query cache."""
    QuerySet(model, alias)._invalidate_cache_after_bulk_write()


async def aforget_cached(model: Any, alias: str) -> None:
    await QuerySet(model, alias)._ainvalidate_cache_after_bulk_write()


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
