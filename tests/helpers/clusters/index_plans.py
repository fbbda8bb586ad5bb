"""Whether an index serves a search: what the plan shows, wherever the rows are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from tests.databases import Database


def serves(database: Database, queryset: Any, index: str) -> bool:
    """Return whether the index serves a search. On a cluster, shards are small enough for a scan, so scans are off."""
    with only_indexes(database) if database.dialect.planning.shard_count else nullcontext():
        return database.dialect.uses_index(queryset.explain(), index)


@contextmanager
def only_indexes(database: Database) -> Iterator[None]:
    """Make scans expensive, on the workers of a cluster too, if the database has a switch for that."""
    planning, tuning = database.dialect.planning, database.dialect.tuning
    with database.connection.atomic():
        if planning.switch:
            off = tuning.assignment.format(variable=planning.switch, value="'off'")
            database.connection.execute(tuning.for_transaction.format(assignments=off))
        yield
