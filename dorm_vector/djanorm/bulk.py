"""Each way in which many rows reach a database, as steps that a sync or an async connection takes.

``Dialect.load`` names the way: ``copy``, ``executemany`` or ``values``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from dorm.db.connection import router_db_for_write
from dorm.db.utils import ASYNC_ATOMIC_STATE
from dorm.query import _validate_identifier
from dorm.transaction import aatomic, atomic

from ..batches import Batch
from ..dialects import Dialect
from ..exceptions import UnsupportedByDatabase
from ..indexes import VectorIndex
from ..steps import Steps, arun, run
from . import copying
from .building import columns_of, condition_of, rows_query
from .bulk_steps import Copy, Many, RawConnection, Script
from .open_transactions import TransactionIsOpen
from .steps import Execute, Write

_STAGING = "dorm_vector_load"
_MAX_PARAMETERS = 60_000


@dataclass(frozen=True)
class Load:
    """What is loaded where: the model's fields, in the order of the batches' columns."""

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
        """The end of the INSERT."""
        others = [column for column in self.columns if column not in self.keys]
        if self.on_conflict is None:
            return ""
        if self.on_conflict == "ignore" or not others:
            return " " + self.dialect.keep_existing.format(key=_quoted(self.keys), first=f'"{self.keys[0]}"')
        new = self.dialect.inserted_value
        assignments = ", ".join(f'"{name}" = {new.format(column=_quoted([name]))}' for name in others)
        overwrite = self.dialect.overwrite_existing.format(key=_quoted(self.keys), assignments=assignments)
        return f" {self.dialect.inserted_row}{overwrite}"

    @cached_property
    def one_row(self) -> str:
        return f"{self.into} VALUES ({', '.join(['%s'] * len(self.columns))}){self.conflict}"


class Executemany:
    """A prepared INSERT, once a row."""

    def __init__(self, load: Load) -> None:
        self.load = load

    def open(self) -> Steps[None]:
        yield from ()

    def close(self) -> Steps[None]:
        yield from ()

    def write(self, batch: Batch) -> Steps[int]:
        changed = yield Many(self.load.one_row, batch.rows())
        return int(changed)


class Values(Executemany):
    """INSERT statements of many rows."""

    def write(self, batch: Batch) -> Steps[int]:
        changed = 0
        for rows in self._portions(batch):
            changed += yield from self._insert(rows)
        # An overwritten row counts twice on MySQL and MariaDB.
        return len(batch) if self.load.on_conflict == "update" else changed

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> Steps[int]:
        row = f"({', '.join(['%s'] * len(rows[0]))})"
        sql = f"{self.load.into} VALUES {', '.join([row] * len(rows))}{self.load.conflict}"
        changed = yield Write(sql, list(chain.from_iterable(rows)))
        return int(changed)

    def _portions(self, batch: Batch) -> Iterable[list[tuple[Any, ...]]]:
        dialect, rows = self.load.dialect, list(batch.rows())
        most = min(dialect.load_rows, _MAX_PARAMETERS // len(batch.columns))
        if dialect.load_bytes:
            return _weighed(rows, most, dialect.load_bytes)
        return (rows[at : at + most] for at in range(0, len(rows), most))


def _weighed(rows: list[tuple[Any, ...]], most: int, heaviest: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows by no more than ``most``, of no more bytes than ``heaviest``."""
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


class Copying(Executemany):
    """A binary COPY; on conflict, into a temporary table and from there."""

    encoders: Sequence[copying.Encode] = ()

    def open(self) -> Steps[None]:
        rows = yield Execute(
            'SELECT a.attname AS "column", t.typname AS "type", t.oid AS "oid" FROM pg_attribute a'
            " JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0",
            [f'"{self.load.table}"'],
        )
        types = {row["column"]: (row["type"], row["oid"]) for row in rows}
        if any(types.get(column, ("",))[0] not in copying.IS_BINARY for column in self.load.columns):
            return
        connection = yield RawConnection()
        self.encoders = [copying.encoder(*types[column], connection) for column in self.load.columns]
        if self.load.on_conflict:
            columns, table = _quoted(self.load.columns), self.load.table
            yield Script(f'CREATE TEMP TABLE "{_STAGING}" ON COMMIT DROP AS SELECT {columns} FROM "{table}" LIMIT 0')

    def write(self, batch: Batch) -> Steps[int]:
        if not self.encoders:
            changed = yield from Values(self.load).write(batch)
            return changed
        table, columns = self.load.table, _quoted(self.load.columns)
        target = _STAGING if self.load.on_conflict else table
        sql = f'COPY "{target}" ({columns}) FROM STDIN (FORMAT BINARY)'
        changed = yield Copy(sql, copying.copy_data(batch, self.encoders))
        if self.load.on_conflict:
            changed = yield Write(f"{self.load.into} {self._staged()}{self.load.conflict}")
            yield Script(f'TRUNCATE "{_STAGING}"')
        return int(changed)

    def _staged(self) -> str:
        columns, keys = _quoted(self.load.columns), _quoted(self.load.keys)
        if self.load.on_conflict == "ignore":
            return f'SELECT {columns} FROM "{_STAGING}" ORDER BY ctid'
        # One statement cannot update a row twice: of rows with one key the last one counts, as it does elsewhere.
        return f'SELECT DISTINCT ON ({keys}) {columns} FROM "{_STAGING}" ORDER BY {keys}, ctid DESC'

    def close(self) -> Steps[None]:
        if self.encoders and self.load.on_conflict:
            yield Script(f'DROP TABLE "{_STAGING}"')


_WAYS = {"copy": Copying, "executemany": Executemany, "values": Values}


def way(load: Load) -> Executemany:
    return _WAYS[load.dialect.load](load)


def find_row(load: Load, batch: Batch) -> Steps[int | None]:
    """Insert the rows of a batch that failed one by one, and return the index of the one that fails.

    The transaction around it is going to be rolled back. Where it has ended already, rows would be stored: none is
    inserted, and None is returned.
    """
    if not (yield TransactionIsOpen()):
        return None
    for position in range(len(batch)):
        try:
            yield Write(load.one_row, batch.row(position))
        except Exception:  # noqa: BLE001  # the error of the batch is the one that is raised
            return batch.start + position
    return None


@contextmanager
def indexes_deferred(load: Load, connection: Any, alias: str, wanted: bool) -> Iterator[None]:
    """Drop the vector indexes before the block and build them after it, and where it fails."""
    if not wanted:
        yield
        return
    with nullcontext() if _commits(load, connection) else atomic(alias):
        run(_drop(load), connection)
        try:
            yield
        except BaseException:
            run(_rebuild(load, connection), connection)
            raise
        run(_create(load, connection), connection)


@asynccontextmanager
async def aindexes_deferred(load: Load, connection: Any, alias: str, wanted: bool) -> AsyncIterator[None]:
    """Do the same on an async connection."""
    if not wanted:
        yield
        return
    async with nullcontext() if _commits(load, connection) else aatomic(alias):
        await arun(_drop(load), connection)
        try:
            yield
        except BaseException:
            await arun(_rebuild(load, connection), connection)
            raise
        await arun(_create(load, connection), connection)


def _commits(load: Load, wrapper: Any) -> bool:
    """Tell whether DROP and CREATE end the transaction here; UnsupportedByDatabase where that would be the caller's."""
    if not load.dialect.ddl_commits:
        return False
    state = ASYNC_ATOMIC_STATE.get()
    if getattr(wrapper, "_atomic_depth", 0) or (state is not None and state[0] is wrapper):
        raise UnsupportedByDatabase(
            f"{load.dialect.title} commits the transaction when an index is dropped: call"
            " bulk_load(defer_indexes=True) outside of atomic()."
        )
    return True


def _drop(load: Load) -> Steps[None]:
    for index, _column in _indexes(load):
        for statement in load.dialect.drop_index(index.kind, index.get_name(load.model.__name__), load.table):
            yield _ddl(load, index, statement)


def _create(load: Load, connection: Any) -> Steps[None]:
    for index, column in _indexes(load):
        name, condition = index.get_name(load.model.__name__), condition_of(index, connection)
        counted = (yield Execute(rows_query(load.table, condition))) if index.counts_rows else [{"rows": 0}]
        field, rows = load.model._meta.get_field(index.fields[0]), int(counted[0]["rows"])
        columns = columns_of(load.model._meta._field_cache, connection) if _is_companion(load, index) else None
        for statement in index.statements(
            load.dialect, name, load.table, column, condition, field=field, rows=rows, columns=columns
        ):
            yield _ddl(load, index, statement)


def _ddl(load: Load, index: VectorIndex, statement: str) -> Script | Write:
    # A script of SQLite's ends the transaction where it is a trigger, and on an async connection always.
    return Write(statement) if _is_companion(load, index) else Script(statement)


def _is_companion(load: Load, index: VectorIndex) -> bool:
    return index.kind in load.dialect.companions


def _rebuild(load: Load, connection: Any) -> Steps[None]:
    # Elsewhere the rollback brings them back.
    if load.dialect.ddl_commits:
        yield from _create(load, connection)


def write_alias(model: Any, using: str | None) -> str:
    return str(using or router_db_for_write(model))


def forget_cached(model: Any, alias: str) -> None:
    """Let djanorm's query cache forget the model."""
    model.objects.using(alias)._invalidate_cache_after_bulk_write()


async def aforget_cached(model: Any, alias: str) -> None:
    await model.objects.using(alias)._ainvalidate_cache_after_bulk_write()


def _indexes(load: Load) -> list[tuple[VectorIndex, str]]:
    meta = load.model._meta
    declared = [index for index in getattr(meta, "indexes", ()) if isinstance(index, VectorIndex)]
    return [(index, meta.get_field(index.fields[0]).column) for index in declared]


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
