"""Drop the indexes of a table before a load, and build them after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE
from dorm.transaction import aatomic, atomic

from ..exceptions import UnsupportedByDatabase
from ..indexes.contents import columns_of
from ..indexes.vector import VectorIndex
from ..schema.ddl import condition_of, rows_query
from ..steps import Execute, Script, Steps, Write, arun, run
from .writers import Load


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


def _indexes(load: Load) -> list[tuple[VectorIndex, str]]:
    meta = load.model._meta
    declared = [index for index in getattr(meta, "indexes", ()) if isinstance(index, VectorIndex)]
    return [(index, meta.get_field(index.fields[0]).column) for index in declared]
