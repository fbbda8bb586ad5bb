"""Late materialization: sort a slice by its rank, and compute the distance only for the rows that it returns.

Otherwise the server evaluates the selected expressions for every row that it sorts, not only for those it returns.
"""

from __future__ import annotations

from typing import Any

from dorm.query import SQLQuery

from ...dialects.base import Dialect
from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...engines.statement import Statement
from ...expressions.compiled import CompiledSQL
from .index_order import SORTED_BY, is_grouped
from .plan import Plan


class LatePlan(Plan):
    """The rank that sorts the slice, and the template that computes the annotation ``name`` from it."""

    def __init__(self, name: str, rank: SQL, shown: str) -> None:
        self.name, self.rank, self.shown = name, rank, shown

    def select(self, query: Any, head: Any, connection: Any) -> SQL:
        head.annotations = {**head.annotations, SORTED_BY: CompiledSQL(*self.rank)}
        head.alias_only_names = head.alias_only_names | {self.name}
        found, params = SQLQuery.as_select(head, connection)
        order = dialect_for(connection).ordering.ascending.format(rank=f'"{SORTED_BY}"', value=f'"{SORTED_BY}"')
        shown = self.shown.format(rank=f'"{SORTED_BY}"')
        sql = (
            f'SELECT *, {shown} AS "{self.name}" FROM ({found} ORDER BY {order}{query._limits()}) AS "found"'
            f" ORDER BY {order}"
        )
        return Statement(sql, binary=True) if head.is_binary else sql, params


def late_plan(query: Any, connection: Any, dialect: Dialect) -> LatePlan | None:
    """Return the plan that measures each row once, or None if the plain SELECT already does or cannot."""
    if not dialect.ordering.late_materialization or query.limit_val is None or query.ctes or is_grouped(query):
        return None
    distance = query.sole_distance()
    name = query.order_by_fields[0] if distance is not None else ""
    if distance is None or query.annotations.get(name) is not distance or not query._is_projected(name):
        return None
    measured = distance.as_late_materialization(query._alias(), model=query.model, connection=connection, query=query)
    if measured is None:
        return None
    (rank, params), shown = measured
    sorted_by = dialect.ordering.exact_rank.format(rank=rank) if query._is_searched_exactly(name) else rank
    return None if (sorted_by, shown) == (rank, "{rank}") else LatePlan(name, (sorted_by, params), shown)
