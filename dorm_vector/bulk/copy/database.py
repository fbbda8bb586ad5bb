"""copy_database(): copy the rows of every model to another database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, closing
from time import monotonic
from typing import Any

from dorm.db.connection import get_async_connection, get_connection

from ...engines import dialect_for
from ...engines.keys import keys_counted
from ...engines.limits.exempt import exempt
from ...steps import Execute, InTransaction, Steps, arun, run
from .. import writers
from ..batches import Batch
from . import progress_table
from .ahead import Background, PagesAhead
from .checksums import checksum
from .emptying import emptied
from .pages import Reader
from .preparation import Prepared, begun, prepared
from .progress_table import DONE, REFERENCES, ROWS, Progress
from .report import CopyReport, TableCopy
from .sample_searches import same_searches
from .tables import Row, Table, has_table, installed_models, tables_of
from .verification import Checksum, read_values, require_equal

CopyProgress = Callable[[int, int], object]

BATCH_SIZE = 2_000


@exempt
def copy_database(
    from_database: str,
    to_database: str,
    models: Iterable[Any] | None = None,
    *,
    overwrite: bool = False,
    verify: bool = True,
    batch_size: int = BATCH_SIZE,
    progress: CopyProgress | None = None,
) -> CopyReport:
    """Copy the rows of every model, and of their many-to-many fields, to another database with the same tables.

    Keys, vectors and embedding hashes are copied as they are, so nothing is embedded again. If interrupted, call it
    again: it resumes after the last row that is stored. Stop writing to both databases while it runs.

    Args:
        from_database: The alias of the source.
        to_database: The alias of the target; its tables must exist and be empty.
        models: The models to copy; by default, those of the installed apps. Other models that they refer to must
            already be in the target.
        overwrite: Whether to delete the rows of the target's tables first, and to start an interrupted copy again.
        verify: Whether to compare both databases afterwards: the number of rows, the checksums of their values as
            models read them, and sample searches.
        batch_size: The maximum number of rows to hold in memory; fewer if they are large.
        progress: A function that is called with the number of rows done and the total. Deleted and verified rows count
            as well.

    Raises:
        CopyRefused: A table is missing, the target has other rows, or it has a copy under way from somewhere else.
        CopyDiffers: The verification has found rows that differ.
    """
    copy = _Copy(from_database, to_database, models, overwrite, verify, batch_size, progress)
    target = get_connection(to_database)
    with closing(copy.background):
        report = run(copy.steps(get_connection(from_database), target), target)
    for model in copy.models:
        writers.forget_cached(model, to_database)
    return report


@exempt
async def acopy_database(
    from_database: str,
    to_database: str,
    models: Iterable[Any] | None = None,
    *,
    overwrite: bool = False,
    verify: bool = True,
    batch_size: int = BATCH_SIZE,
    progress: CopyProgress | None = None,
) -> CopyReport:
    """Do what ``copy_database()`` does, on async connections."""
    copy = _Copy(from_database, to_database, models, overwrite, verify, batch_size, progress)
    target = get_async_connection(to_database)
    async with aclosing(copy.background):
        report = await arun(copy.steps(get_async_connection(from_database), target), target)
    for model in copy.models:
        await writers.aforget_cached(model, to_database)
    return report


class _Copy:
    """One call of ``copy_database()``; its steps run on the connection of the target."""

    def __init__(
        self,
        source: str,
        target: str,
        models: Iterable[Any] | None,
        overwrite: bool,
        verify: bool,
        batch_size: int,
        progress: CopyProgress | None,
    ) -> None:
        if source == target:
            raise ValueError(f"copy_database({source!r}, {target!r}): want two aliases of DATABASES.")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"copy_database(batch_size={batch_size!r}): want a whole number from 1.")
        self.models = installed_models() if models is None else [_with_table(model) for model in models]
        self._aliases = source, target
        self._overwrite, self._verify, self._most, self._progress = overwrite, verify, batch_size, progress
        self._done = self._total = 0
        self.background = Background()

    def steps(self, source: Any, target: Any) -> Steps[CopyReport]:
        began = monotonic()
        self._connections = source, target
        ready = yield from prepared(tables_of(self.models), self._aliases, self._connections)
        yield from self._count(ready)
        if self._overwrite:
            yield from self._emptied(ready)
        yield from begun(ready, self._aliases)
        self._tell(sum(known.copied for known in ready.known.values()))
        copied = {}
        for table in ready.tables:
            copied[table.name] = yield from self._table(table, ready)
        for table in ready.tables:
            yield from self._references(table, ready)
        searches = (yield from self._verified(ready)) if self._verify else 0
        yield from progress_table.drop()
        return CopyReport(
            *self._aliases,
            tuple(
                TableCopy(table.label, table.name, ready.known[table.name].copied, copied[table.name])
                for table in ready.tables
            ),
            monotonic() - began,
            ready.resumed,
            self._verify,
            searches,
            tuple(ready.skipped),
        )

    def _count(self, ready: Prepared) -> Steps[None]:
        for table in ready.tables:
            rows = yield from ready.source(table).count()
            self._total += rows * (2 if self._verify else 1)

    def _emptied(self, ready: Prepared) -> Steps[None]:
        rows = 0
        for table in ready.tables:
            rows += yield from ready.target(table).count()
        self._total += rows
        self._tell(0)
        yield InTransaction(self._aliases[1], emptied(ready.tables, self._tell, self._tell))
        yield from progress_table.drop()
        # Cascades delete rows that no statement counts.
        self._done = rows

    def _tell(self, rows: int) -> None:
        self._done += rows
        if self._progress is not None:
            self._progress(self._done, max(self._done, self._total))

    # rows

    def _pages(self, table: Table, reader: Reader, after: Sequence[Any] | None = None, where: str = "") -> PagesAhead:
        return PagesAhead(table, reader, self.background, self._most, after, where)

    def _table(self, table: Table, ready: Prepared) -> Steps[int]:
        """Copy the rows that are not there yet, and return how many there were."""
        known = ready.known[table.name]
        before, pages = known.copied, self._pages(table, ready.source(table), known.last_key)
        while known.stage == ROWS:
            rows = yield from pages.next()
            following = self._following(table, known, rows)
            yield InTransaction(self._aliases[1], following)
            known = ready.known[table.name] = self._reached
            self._tell(len(rows))
        return known.copied - before

    def _following(self, table: Table, known: Progress, rows: Sequence[Row]) -> Steps[None]:
        """Write a page, and how far the copy is with it; after the last page, what completes the table."""
        if not rows:
            counted = keys_counted(table.model._meta, dialect_for(self._connections[1]))
            if counted:
                yield Execute(counted)
            self._reached = known.at(REFERENCES if table.later else DONE)
        else:
            columns = read_values(table, rows, self._connections[0])
            more = checksum(table.columns, columns) if self._verify else None
            self._reached = known.advanced(len(rows), table.key(rows[-1]), more)
            yield from self._written(table, _without_later(table, columns), None)
        yield from progress_table.save(known, self._reached)

    def _written(self, table: Table, columns: list[list[Any]], on_conflict: str | None) -> Steps[None]:
        dialect = dialect_for(self._connections[1])
        load = writers.BulkLoad(table.model, table.columns, dialect, on_conflict)
        writer = writers.writer(load)
        pairs = zip(table.columns, columns, strict=True)
        batch = Batch(0, tuple(column.bound(values, dialect) for column, values in pairs))
        yield from writer.open()
        try:
            yield from writer.write(batch)
        except Exception as error:
            first, last = (table.key([values[at] for values in columns]) for at in (0, -1))
            error.add_note(f"While copying {table.label}, rows {first} to {last}. The rows before are stored.")
            raise
        yield from writer.close()

    # references to rows that were copied later

    def _references(self, table: Table, ready: Prepared) -> Steps[None]:
        known = ready.known[table.name]
        pages = self._pages(table, ready.source(table), known.last_key, _has_later(table))
        while known.stage == REFERENCES:
            rows = yield from pages.next()
            yield InTransaction(self._aliases[1], self._completed(table, known, rows))
            known = ready.known[table.name] = self._reached
            self._tell(0)

    def _completed(self, table: Table, known: Progress, rows: Sequence[Row]) -> Steps[None]:
        if rows:
            yield from self._written(table, read_values(table, rows, self._connections[0]), "update")
            self._reached = known.advanced(0, table.key(rows[-1]))
        else:
            self._reached = known.at(DONE)
        yield from progress_table.save(known, self._reached)

    # verification

    def _checksum(self, table: Table, reader: Reader, connection: Any, counts: int) -> Steps[Checksum]:
        """Read a table; each row counts that often in the progress."""
        found, pages = Checksum(), self._pages(table, reader)
        while rows := (yield from pages.next()):
            found.add(table, read_values(table, rows, connection))
            self._tell(counts * len(rows))
        return found

    def _verified(self, ready: Prepared) -> Steps[int]:
        searches = 0
        for table in ready.tables:
            source = ready.known[table.name].checksum
            if source is None:
                source = (yield from self._checksum(table, ready.source(table), self._connections[0], 0)).sum
            found = yield from self._checksum(table, ready.target(table), self._connections[1], 1)
            counted = yield from ready.source(table).count()
            if (found.rows, found.rows, found.sum) != (counted, ready.known[table.name].copied, source):
                yield from require_equal(table, ready.source(table), ready.target(table), self._connections, self._most)
            searches += yield from same_searches(table, self._aliases, self._connections, self._tell)
        return searches


def _with_table(model: Any) -> Any:
    if not isinstance(model, type) or not hasattr(model, "_meta") or not has_table(model):
        name = getattr(model, "__name__", repr(model))
        raise TypeError(f"copy_database(models=…): {name} has no table of its own. Give models: [Author, Document].")
    return model


def _without_later(table: Table, columns: list[list[Any]]) -> list[list[Any]]:
    """Return the columns without the references to rows that may not be there yet."""
    if not table.later:
        return columns
    keys, found = columns[table.key_positions[0]], list(columns)
    for reference in table.later:
        held = columns[reference.position]
        found[reference.position] = [
            _instead(table, reference, key) if table.is_later(reference, value, key) else value
            for value, key in zip(held, keys, strict=True)
        ]
    return found


def _instead(table: Table, reference: Any, key: Any) -> Any:
    """Return NULL, or where that is not allowed, a reference to the row itself."""
    return None if reference.may_be_null or reference.table != table.name else key


def _has_later(table: Table) -> str:
    """Return the condition of the rows whose references were left out."""
    parts = [
        f'"{each.column}" > "{table.keys[0]}"' if table.is_ordered(each) else f'"{each.column}" IS NOT NULL'
        for each in table.later
    ]
    return f"({' OR '.join(parts)})"
