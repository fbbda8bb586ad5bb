"""Aggregate vectors in each partition of a table, and combine what the partitions return.

PostgreSQL would otherwise fetch every vector of a partition on another server: it combines no partial aggregates there.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from typing import Any

from dorm.aggregates import Aggregate, Count

from ..dialects.shared.groups import Partitions
from ..engines import dialect_for
from ..expressions.aggregates import VectorAggregate, VectorAvg
from ..expressions.outputs import decoded, decoders
from ..expressions.scope import FieldResolver
from ..search.partitions.sessions import is_on_several, learn_servers
from ..steps import Execute, Steps
from ..values.elements import Element
from .derived import DerivedQuery, is_multiplied


def of_partitions(query: Any, aggregates: dict[str, Aggregate], connection: Any) -> Steps[dict[str, Any] | None]:
    """Return the aggregates of a table with foreign partitions; None if the database has to compute them at once."""
    dialect, table = dialect_for(connection), query.get_table()
    if not isinstance(dialect.partitions, Partitions):
        return None
    yield from learn_servers(connection, dialect)
    if not is_on_several(table, connection) or not _is_divisible(query, aggregates, connection):
        return None
    counts = {f"{name}_rows": Count(found.expression, filter=found.filter) for name, found in aggregates.items()}
    sql, params = DerivedQuery(query).as_aggregate({**aggregates, **counts}, connection)
    # A filter may read the table, too, and not its partition.
    source = re.compile(rf'FROM "{re.escape(table)}"( AS "[^"]+")?')
    found = source.findall(sql)
    if len(found) != 1:
        return None
    alias = found[0] or f' AS "{table}"'
    parts = yield Execute(dialect.partitions.parts, [table])
    # One statement, so that the servers work at the same time.
    each = [source.sub(f'FROM "{part["name"]}"{alias}', sql) for part in parts]
    rows = yield Execute(" UNION ALL ".join(each), [*params] * len(each))
    reading = decoders(query, dict(aggregates))
    values = [decoded(dict(row), reading, connection) for row in rows]
    return {name: _combined(aggregate, name, values) for name, aggregate in aggregates.items()}


def _is_divisible(query: Any, aggregates: dict[str, Aggregate], connection: Any) -> bool:
    names = FieldResolver(query, query.model)
    is_whole = (
        query.limit_val is None and not query.offset_val and not query.group_by_fields and not query.distinct_flag
    )
    return (
        is_whole
        and not is_multiplied(query, connection)
        and all(isinstance(found, (VectorAggregate, Count)) and not found.distinct for found in aggregates.values())
        # A sum of sparse vectors is not a list of numbers.
        and not any(
            found.shape(names).element is Element.SPARSE
            for found in aggregates.values()
            if isinstance(found, VectorAggregate)
        )
    )


def _combined(aggregate: Aggregate, name: str, rows: Sequence[dict[str, Any]]) -> Any:
    counts = [int(row[f"{name}_rows"]) for row in rows]
    if isinstance(aggregate, Count):
        return sum(int(row[name]) for row in rows)
    parts = [(row[name], count) for row, count in zip(rows, counts, strict=True) if row[name] is not None]
    if not parts:
        return None
    total = sum(count for _vector, count in parts)
    weights = [count / total if isinstance(aggregate, VectorAvg) else 1.0 for _vector, count in parts]
    columns = zip(*(vector for vector, _count in parts), strict=True)
    numbers = array("f", (math.fsum(map(_product, column, weights)) for column in columns))
    first = parts[0][0]
    # A field with as_numpy=True reads arrays.
    return numbers.tolist() if isinstance(first, list) else first * 0 + numbers


def _product(number: float, weight: float) -> float:
    return float(number) * weight
