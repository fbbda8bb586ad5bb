"""What a copy requires before its first row: tables that match, and a target that is empty or has this copy's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...exceptions import CopyRefused
from ...steps import InTransaction, Steps
from . import progress_table
from .pages import On, Reader, TableColumns
from .progress_table import Progress
from .tables import Table, in_order, without_number


@dataclass
class Prepared:
    """The tables to copy, in order, how far each of them is, and how to read them."""

    tables: list[Table]
    skipped: list[str]
    known: dict[str, Progress]
    resumed: bool
    connections: tuple[Any, Any]
    types: tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]

    def source(self, table: Table) -> Reader:
        return Reader(table, self.connections[0], self.types[0][table.name])

    def target(self, table: Table) -> Reader:
        return Reader(table, self.connections[1], self.types[1][table.name])


def prepared(tables: Sequence[Table], aliases: tuple[str, str], connections: tuple[Any, Any]) -> Steps[Prepared]:
    """Look at the tables in both databases.

    Raises:
        CopyRefused: Tables or columns are missing.
    """
    types = yield from _types(tables, connections)
    tables, skipped = _standing(tables, types, aliases)
    return Prepared(in_order(tables), skipped, {}, False, connections, types)


def begun(ready: Prepared, aliases: tuple[str, str]) -> Steps[None]:
    """Note in the target that the copy has begun, or how far it is.

    Raises:
        CopyRefused: The target has other rows, or it has a copy under way from somewhere else.
    """
    if (yield TableColumns(progress_table.TABLE)):
        ready.known = yield from progress_table.standing()
    ready.resumed = bool(ready.known)
    if ready.resumed:
        yield from _require_same_copy(ready, aliases)
    else:
        yield from _require_empty(ready, aliases)
        yield from progress_table.create()
        names = [table.name for table in ready.tables]
        ready.known = yield InTransaction(aliases[1], progress_table.begin(names, aliases[0]))


def _types(tables: Sequence[Table], connections: tuple[Any, Any]) -> Steps[Any]:
    found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for types, connection in zip(found, connections, strict=True):
        for table in tables:
            types[table.name] = yield On(connection, TableColumns(table.name))
    return found


def _standing(tables: Sequence[Table], types: Any, aliases: tuple[str, str]) -> tuple[list[Table], list[str]]:
    """Return the tables of the source, as they exist there, and the names of those that neither database has."""
    found, skipped, missing = [], [], []
    for each in tables:
        source, target = (known[each.name] for known in types)
        if not source and not target:
            skipped.append(each.name)
            continue
        table = without_number(each) if each.keys == ("id",) and source and "id" not in source else each
        found.append(table)
        missing += _lacking(table, source, aliases[0]) + _lacking(table, target, aliases[1])
    if missing:
        raise CopyRefused(
            f"{'; '.join(missing)}. Migrate both databases to the same state first. `dorm migrate` migrates the"
            ' database "default", so run it with settings whose "default" is the other database:'
            " dorm migrate --settings other_settings."
        )
    return found, skipped


def _lacking(table: Table, types: dict[str, str], alias: str) -> list[str]:
    if not types:
        return [f"The database {alias!r} has no table {table.name!r}, of {table.label}"]
    lacking = [column.column for column in table.columns if column.column not in types]
    return [f"The table {table.name!r} of the database {alias!r} has no column {', '.join(lacking)}"] if lacking else []


def _require_empty(ready: Prepared, aliases: tuple[str, str]) -> Steps[None]:
    counted = {}
    for table in ready.tables:
        counted[table.label] = yield from ready.target(table).count()
    filled = [f"{label} ({rows:,})" for label, rows in counted.items() if rows]
    if filled:
        raise CopyRefused(
            f"The database {aliases[1]!r} already has rows of {', '.join(filled)}. Copy to empty tables, or delete"
            f" those rows first: copy_database({aliases[0]!r}, {aliases[1]!r}, overwrite=True)."
        )


def _require_same_copy(ready: Prepared, aliases: tuple[str, str]) -> Steps[None]:
    again = (
        f"Or start again: copy_database({aliases[0]!r}, {aliases[1]!r}, overwrite=True) deletes what is there first."
    )
    origins = {known.origin for known in ready.known.values()}
    if origins != {aliases[0]}:
        raise CopyRefused(
            f"The database {aliases[1]!r} has an unfinished copy from {', '.join(map(repr, origins))}, not from"
            f" {aliases[0]!r}. Finish that one first. {again}"
        )
    names = {table.name for table in ready.tables}
    if names != set(ready.known):
        raise CopyRefused(
            f"The database {aliases[1]!r} has an unfinished copy of {', '.join(sorted(ready.known))}; this is one of"
            f" {', '.join(sorted(names))}. Finish it with the same models. {again}"
        )
    for table in ready.tables:
        counted, copied = (yield from ready.target(table).count()), ready.known[table.name].copied
        if counted != copied:
            raise CopyRefused(
                f"{table.label} has {counted:,} rows in the database {aliases[1]!r}, and the unfinished copy has"
                f" written {copied:,}. Something else writes to it. {again}"
            )
