"""Estimate a search before it runs: how many rows pass its filter, and what finding them takes.

It uses the planner's statistics of the values, or a sample of the rows if there are none. An estimate is reused for a
few seconds by searches with the same filter values; the same shape is not enough.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from dorm.expressions import Q
from dorm.fields import AutoField, IntegerField, JSONField
from dorm.lookups import parse_lookup_key

from ...dialects.base import Dialect
from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...engines.postgresql.citus import with_literals
from ...steps import Execute, Steps
from ..filter_sql import filter_of
from .plan import Estimate, ExactPlan

_SECONDS = 10.0
_MOST = 512
"""The most estimates that are kept for a connection."""


class Table(NamedTuple):
    """The database's statistics of a table: its rows, and the bounds of their integer key, if they have one.

    ``cache`` is the size of what the database keeps of an index in memory, if it has a limit.
    """

    rows: float
    key: str
    low: int | None
    high: int | None
    shards: int = 1
    cache: float | None = None


class Filter(NamedTuple):
    """The rows that pass a filter, and the milliseconds to find them, if the database estimates that."""

    passing: float
    reading: float | None = None
    shards: int = 1


class Source:
    """The FROM and WHERE of a search, in parts, as a sample needs them."""

    def __init__(self, table: str, alias: str, joins: str, where: str, params: list[Any]) -> None:
        self.table, self.alias, self.joins = table, alias, joins
        self.where, self.params = where, params

    def rows(self) -> str:
        """Return the FROM and WHERE; AND may follow it."""
        return f'FROM "{self.table}" AS "{self.alias}"{self.joins} WHERE ({self.where or "TRUE"})'


def known_estimate(query: Any, connection: Any) -> Estimate | None:
    """Return the estimate of an equal search a moment ago, without a query to the database; None if there is none."""
    known, dialect = _known_of(connection), dialect_for(connection)
    table = _kept(known, query.get_table())
    if table is None or not table.rows:
        return None
    whole = _whole(query, table)
    if _is_small(whole, dialect):
        return whole
    found = _kept(known, _key(source_of(query, connection)))
    return _filtered(whole, found) if found is not None else None


def estimated(query: Any, connection: Any, *, fresh: bool = False) -> Steps[Estimate | None]:
    """Return the database's estimates for the search; None without statistics, as before the first ANALYZE."""
    known, dialect = _known_of(connection), dialect_for(connection)
    table = None if fresh else _kept(known, query.get_table())
    if table is None:
        table = _keep(known, query.get_table(), (yield from _table(query, dialect)))
    if not table.rows:
        return None
    whole = _whole(query, table)
    if _is_small(whole, dialect):
        return whole
    source = source_of(query, connection)
    found = _keep(known, _key(source), (yield from _filter(query, source, table, dialect)))
    return _filtered(whole, found)


def _whole(query: Any, table: Table) -> Estimate:
    field = query._resolve_field([query.search.field_path])
    shards, cache = table.shards, table.cache
    return Estimate(table.rows, table.rows, field.dimensions or 0, query.candidates(), shards=shards, cache=cache)


def _filtered(whole: Estimate, found: Filter) -> Estimate:
    dimensions, wanted, shards = whole.dimensions, whole.wanted, whole.shards
    return Estimate(whole.rows, found.passing, dimensions, wanted, found.reading, shards, whole.cache)


def _is_small(whole: Estimate, dialect: Dialect) -> bool:
    """Return whether no filter makes an index cheaper than measuring every row."""
    return ExactPlan().cost(whole.of_shard(), dialect.costs) <= dialect.costs.least(whole.dimensions)


def _table(query: Any, dialect: Dialect) -> Steps[Table]:
    key = dialect.estimating.row_key or query.model._meta.pk.column
    if not dialect.estimating.table:
        found = yield from _explained(f'FROM "{query.get_table()}"', [], dialect)
        return Table(found.passing, key, None, None, found.shards) if found is not None else Table(0.0, key, None, None)
    (row,) = yield Execute(dialect.estimating.table.format(table=query.get_table(), key=key))
    low, high = row["low"], row["high"]
    is_counted = bool(dialect.estimating.row_key) or isinstance(query.model._meta.pk, (AutoField, IntegerField))
    low, high = (int(low), int(high)) if is_counted and low is not None else (None, None)
    spanned = high - low + 1 if low is not None and high is not None else 0
    rows = spanned if row["rows"] is None else row["rows"]
    cache = float(row["cache"]) if row["cache"] is not None else None
    return Table(max(float(rows), 0.0), key, low, high, cache=cache)


def _filter(query: Any, source: Source, table: Table, dialect: Dialect) -> Steps[Filter]:
    # Planners assume that values of a joined table are equally frequent, so joins are sampled instead.
    is_sampled = bool(source.joins) or _is_opaque(query)
    if not dialect.estimating.samples_subqueries and "SELECT " in source.where:
        is_sampled = False
    if dialect.estimating.filter and not is_sampled:
        found = yield from _explained(source.rows(), source.params, dialect)
        if found is not None:
            return found
    return Filter((yield from _sampled(source, table, dialect)))


def _explained(source: str, params: list[Any], dialect: Dialect) -> Steps[Filter | None]:
    """Return what the planner estimates of a FROM and WHERE; None if its plan does not tell."""
    estimating, sql = dialect.estimating, dialect.estimating.filter.format(source=source)
    if not dialect.planning.explains_parameters:
        sql, params = with_literals(sql, params), []
    rows = yield Execute(sql, params)
    plan = "\n".join(str(next(iter(row.values()))) for row in rows)
    found = re.search(estimating.filter_found, plan)
    if found is None:
        return None
    parts = re.search(estimating.shards_found, plan) if estimating.shards_found else None
    shards = int(parts[1]) if parts else 1
    return Filter(float(found[2]) * shards, float(found[1]) * dialect.costs.unit, shards)


def _sampled(source: Source, table: Table, dialect: Dialect) -> Steps[float]:
    """Estimate from a sample how many rows of the table pass."""
    sql, params = _sample(source, table, dialect)
    (row,) = yield Execute(sql, params)
    seen = int(row["seen"] or 0)
    return table.rows * int(row["passing"] or 0) / seen if seen else table.rows


def _sample(source: Source, table: Table, dialect: Dialect) -> SQL:
    estimating, name = dialect.estimating, source.table
    passing = f'SUM(CASE WHEN {source.where} THEN 1 ELSE 0 END) AS "passing"'
    head = f'SELECT COUNT(*) AS "seen", {passing} FROM'
    if estimating.part:
        percent = min(100.0, 100.0 * estimating.sampled / table.rows)
        part = estimating.part.format(table=name, alias=source.alias, percent=percent)
        return f"{head} {part}{source.joins}", source.params
    if table.low is None or table.high is None:
        part = f'(SELECT * FROM "{name}" LIMIT {estimating.sampled}) AS "{source.alias}"'
        return f"{head} {part}{source.joins}", source.params
    keys = ", ".join(str(random.randint(table.low, table.high)) for _ in range(estimating.sampled))  # noqa: S311
    chosen = f'"{source.alias}"."{table.key}" IN ({keys})'
    return f'{head} "{name}" AS "{source.alias}"{source.joins} WHERE {chosen}', source.params


def source_of(query: Any, connection: Any) -> Source:
    """Compile the filter of a search, with the tables that it joins."""
    found = filter_of(query, connection)
    joins = "".join(f' {kind} JOIN "{table}" AS "{alias}" ON {on}' for kind, table, alias, on in found.joins)
    return Source(query.get_table(), query._alias(), joins, found.sql, found.params)


def _is_opaque(query: Any) -> bool:
    """Return whether the filter reads JSON documents, for which planners have no statistics."""
    paths = [parts for node in query.where_nodes for parts in _paths(node)]
    starts = (parts[:count] for parts in paths for count in range(1, len(parts) + 1))
    return any(isinstance(query._resolve_field(start), JSONField) for start in starts)


def _paths(node: Any) -> Iterator[list[str]]:
    if isinstance(node, Q):
        for child in node.children:
            yield from _paths(child if isinstance(child, Q) else (list(parse_lookup_key(child[0])[0]),))
    elif isinstance(node, tuple):
        yield list(node[0])


# what is kept of a connection


def _known_of(connection: Any) -> dict[Any, tuple[float, Any]]:
    return _known.setdefault(getattr(connection, "_connection", connection), {})


def _key(source: Source) -> int:
    # A hash, because a filter may list thousands of keys.
    return hash((source.joins, source.where, repr(source.params)))


def _kept(known: dict[Any, tuple[float, Any]], key: Any) -> Any:
    until, value = known.get(key, (0.0, None))
    return value if until > time.monotonic() else None


def _keep(known: dict[Any, tuple[float, Any]], key: Any, value: Any) -> Any:
    if len(known) >= _MOST:
        known.clear()
    known[key] = time.monotonic() + _SECONDS, value
    return value


_known: WeakKeyDictionary[Any, dict[Any, tuple[float, Any]]] = WeakKeyDictionary()
