"""Drop the vector indexes of a table before a bulk load, and rebuild them afterwards."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from dorm.db.utils import ASYNC_ATOMIC_STATE
from dorm.transaction import aatomic, atomic

from ..exceptions import UnsupportedByDatabase
from ..indexes.build_progress import BuildReport, Progress
from ..indexes.conditions import condition_of
from ..indexes.contents import columns_of
from ..indexes.sign_columns import SignBits
from ..indexes.vector import VectorIndex
from ..schema.ddl import rows_query
from ..steps import Execute, Script, Step, Steps, Write, arun, run
from .writers import BulkLoad


@dataclass(eq=False, repr=False)
class WithoutIndexes(Step):
    """Drop the vector indexes, run a step, and rebuild them, even if the step fails."""

    load: BulkLoad
    alias: str
    step: Step
    progress: Progress | None = None

    def run(self, wrapper: Any) -> Any:
        with nullcontext() if _commits(self.load, wrapper) else atomic(self.alias):
            run(_drop(self.load), wrapper)
            try:
                result = self.step.run(wrapper)
            except BaseException:
                run(_rebuild(self.load, wrapper), wrapper)
                raise
            with self._reported():
                run(_create(self.load, wrapper), wrapper)
        return result

    async def arun(self, wrapper: Any) -> Any:
        async with nullcontext() if _commits(self.load, wrapper) else aatomic(self.alias):
            await arun(_drop(self.load), wrapper)
            try:
                result = await self.step.arun(wrapper)
            except BaseException:
                await arun(_rebuild(self.load, wrapper), wrapper)
                raise
            async with self._reported():
                await arun(_create(self.load, wrapper), wrapper)
        return result

    def _reported(self) -> BuildReport:
        return BuildReport(self.progress, self.alias, self.load.dialect, self.load.table)


def _commits(load: BulkLoad, wrapper: Any) -> bool:
    """Return whether DROP and CREATE commit; raise UnsupportedByDatabase if that would end the caller's transaction."""
    if not load.dialect.loading.ddl_commits:
        return False
    state = ASYNC_ATOMIC_STATE.get()
    if getattr(wrapper, "_atomic_depth", 0) or (state is not None and state[0] is wrapper):
        raise UnsupportedByDatabase(
            f"{load.dialect.title} commits the transaction when an index is dropped: call"
            " bulk_load(defer_indexes=True) outside of atomic()."
        )
    return True


def _drop(load: BulkLoad) -> Steps[None]:
    for index, column in _indexes(load):
        if index.holds_signs(load.dialect):
            yield from _sign_bits(load, index, column).drop()
            continue
        for statement in load.dialect.drop_index(index.kind, index.get_name(load.model.__name__), load.table):
            yield _ddl(load, index, statement)


def _create(load: BulkLoad, connection: Any) -> Steps[None]:
    for index, column in _indexes(load):
        name, condition = index.get_name(load.model.__name__), condition_of(index, connection)
        counted = (yield Execute(rows_query(load.table, condition))) if index.counts_rows else [{"rows": 0}]
        if index.holds_signs(load.dialect):
            yield from _sign_bits(load, index, column).build()
            continue
        field, rows = load.model._meta.get_field(index.fields[0]), int(counted[0]["rows"])
        columns = columns_of(load.model._meta._field_cache, connection) if _is_companion(load, index) else None
        for statement in index.statements(
            load.dialect, name, load.table, column, condition, field=field, rows=rows, columns=columns
        ):
            yield _ddl(load, index, statement)


def _sign_bits(load: BulkLoad, index: VectorIndex, column: str) -> SignBits:
    name, field = index.get_name(load.model.__name__), load.model._meta.get_field(index.fields[0])
    return SignBits(index, load.dialect, name, load.table, column, field.dimensions)


def _ddl(load: BulkLoad, index: VectorIndex, statement: str) -> Script | Write:
    # On SQLite, a script ends the transaction if it creates a trigger, and always on an async connection.
    return Write(statement) if _is_companion(load, index) else Script(statement)


def _is_companion(load: BulkLoad, index: VectorIndex) -> bool:
    return index.kind in load.dialect.companions


def _rebuild(load: BulkLoad, connection: Any) -> Steps[None]:
    # On other databases, the rollback restores the indexes.
    if load.dialect.loading.ddl_commits:
        yield from _create(load, connection)


def _indexes(load: BulkLoad) -> list[tuple[VectorIndex, str]]:
    meta = load.model._meta
    declared = [index for index in getattr(meta, "indexes", ()) if isinstance(index, VectorIndex)]
    return [(index.on(load.dialect), meta.get_field(index.fields[0]).column) for index in declared]
