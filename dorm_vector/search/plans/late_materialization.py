"""Late materialization: a ranked slice is sorted by its rank, and the distance is computed for the rows it returns.

The server evaluates what a query shows for every row that it sorts, not for those alone that it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dorm.query import SQLQuery

from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...engines.statement import Statement
from ...expressions.compiled import Rank
from .index_order import SORTED_BY, is_grouped


@dataclass(eq=False, repr=False)
class LatePlan:
    """What the slice is sorted by, and the template that makes the annotation ``name`` of it."""

    name: str
    rank: SQL
    shown: str

    def select(self, query: Any, head: Any, connection: Any) -> SQL:
        """Return the outermost SELECT; ``head`` is all of it that stands before ORDER BY."""
        head.annotations = {**head.annotations, SORTED_BY: Rank(self.rank)}
        head.alias_only_names = head.alias_only_names | {self.name}
        found, params = SQLQuery.as_select(head, connection)
        order = dialect_for(connection).ascending.format(rank=f'"{SORTED_BY}"', value=f'"{SORTED_BY}"')
        shown = self.shown.format(rank=f'"{SORTED_BY}"')
        sql = (
            f'SELECT *, {shown} AS "{self.name}" FROM ({found} ORDER BY {order}{query._limits()}) AS "found"'
            f" ORDER BY {order}"
        )
        return Statement(sql, binary=True) if head._is_binary else sql, params


def late_plan(query: Any, connection: Any) -> LatePlan | None:
    """Return how the query measures once; None where it does so as it is, or cannot."""
    name = query.order_by_fields[0] if len(query.order_by_fields) == 1 else ""
    if query.limit_val is None or query.ctes or is_grouped(query) or not query._is_projected(name):
        return None
    measure, dialect = getattr(query.annotations[name], "as_late_materialization", None), dialect_for(connection)
    once = measure and measure(query._alias(), model=query.model, connection=connection, query=query)
    if not once:
        return None
    (rank, params), shown = once
    is_exact = query._is_searched_exactly(name)
    sorted_by = dialect.exact_rank.format(rank=rank) if is_exact else rank
    return None if (sorted_by, shown) == (rank, "{rank}") else LatePlan(name, (sorted_by, params), shown)
