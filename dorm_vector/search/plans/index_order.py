"""Plan a search that an index serves, on a database that requires a special form of ORDER BY for it."""

from __future__ import annotations

from typing import Any

from dorm.aggregates import Aggregate
from dorm.query import SQLQuery

from ...dialects.base import Dialect
from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...expressions.compiled import CompiledSQL
from .plan import Plan

SORTED_BY = "_sorted_by"


class IndexOrderPlan(Plan):
    """The ORDER BY and WHERE of such a search; ``expression`` is the distance that users read."""

    def __init__(self, expression: Any, rank: SQL, condition: CompiledSQL | None, candidates: int) -> None:
        self.expression, self.rank, self.condition, self.candidates = expression, rank, condition, candidates

    def narrowed(self, query: Any) -> Any:
        if self.condition is not None:
            query.where_nodes = [*query.where_nodes, self.condition]
        return query

    def found(self, sql: str, params: list[Any]) -> SQL:
        """Return the SELECT followed by the ORDER BY and LIMIT of the search."""
        rank, rank_params = self.rank
        return f"{sql} ORDER BY {rank} ASC LIMIT {self.candidates}", [*params, *rank_params]

    def select(self, query: Any, head: Any, connection: Any) -> SQL:
        name = query.order_by_fields[0]
        if query.annotations.get(name) is not self.expression or not query._is_projected(name):
            name = SORTED_BY
        # Rows without a distance are left out, so the remaining rows sort by the value that they show.
        head.annotations = {**head.annotations, name: CompiledSQL(*self.rank)}
        sql, params = SQLQuery.as_select(self.narrowed(head), connection)
        found = f'{sql} ORDER BY "{name}" ASC LIMIT {self.candidates}'
        template = dialect_for(connection).index_use.sort_found
        return template.format(select=found, value=f'"{name}"', limits=query._limits()), params


def index_order_plan(query: Any, connection: Any, dialect: Dialect) -> IndexOrderPlan | None:
    """Return the plan of a search that an index serves, or None if none does or a plain ORDER BY already suffices.

    Such a search is a slice, sorted only by one distance, nearest first, from a vector that is not all zeros.
    """
    if not dialect.index_use.sort_found or query.limit_val is None or is_grouped(query):
        return None
    expression = query.sole_distance()
    if expression is None or query._is_searched_exactly(query.order_by_fields[0]):
        return None
    found = expression.as_index_order(query._alias(), model=query.model, connection=connection, query=query)
    if found is None:
        return None
    rank, (condition, params) = found
    candidates = max(query.candidates(), dialect.index_use.candidates)
    return IndexOrderPlan(expression, rank, CompiledSQL(condition, params) if condition else None, candidates)


def is_grouped(query: Any) -> bool:
    """Return whether the query groups, aggregates, deduplicates or locks its rows."""
    return bool(query.distinct_flag or query.group_by_fields or query.having_nodes or query.for_update_flag) or any(
        isinstance(annotation, Aggregate) for annotation in query.annotations.values()
    )
