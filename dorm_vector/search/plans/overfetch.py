"""Plan a filtered search over more rows than it returns: an index finds the nearest, and the filter applies to those.

An index that restarts whenever the filter has rejected all rows that it found loses neighbors at each restart.
"""

from __future__ import annotations

import math
from typing import Any

from ...dialects.base import Dialect
from ...dialects.shared.costs import PlanCosts
from ...engines import dialect_for
from ...introspection import key_names
from ..spec import Within
from .keys import among, found_keys
from .plan import Estimate, Plan

_SPARE = 6
"""How many times the rows that should hold enough: with 4, recall is 0.90 at a share of 25 % (8,000 x 1536)."""


class OverfetchPlan(Plan):
    """A plan in which an index finds so many rows, whatever the filter, that enough of them should pass it.

    If too few do, the runner repeats the search exactly.
    """

    kind = "overfetch"

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def title(self, query: Any, dialect: Dialect) -> str:
        return "index before the filter"

    def cost(self, estimate: Estimate, costs: PlanCosts) -> float:
        count = _count(estimate, costs)
        return estimate.searched(costs, count) if count <= costs.most_overfetched else float("inf")

    def narrowed(self, query: Any) -> Any:
        if self.estimate is None:
            raise RuntimeError("OverfetchPlan.narrowed(): it needs an estimate. Choose the plan with plan_for().")
        found, name = (
            found_keys(query, _count(self.estimate, dialect_for(self.connection).costs)),
            query.order_by_fields[0],
        )
        found.where_nodes, found.annotations, found.alias_only_names = [], {name: query.annotations[name]}, {name}
        nodes = [node for node in query.where_nodes if not isinstance(node, Within)]
        query.alias_only_names -= {name}
        query.where_nodes = [*nodes, among(found)]
        # No index is needed to sort the few rows found.
        query.search = query.search.exactly()
        return query


def overfetch_plan(query: Any, connection: Any, dialect: Dialect) -> OverfetchPlan | None:
    """Return the plan of a filtered slice of ``nearest()``; None if an index there continues instead of restarting."""
    if not dialect.costs.most_overfetched or not query.is_filtered() or not query.ranks():
        return None
    search = query.search
    is_plain = search is not None and search.shortlist is None and len(key_names(query.model)) == 1
    return OverfetchPlan(connection) if is_plain and query.sole_distance() is not None else None


def _count(estimate: Estimate, costs: PlanCosts) -> int:
    """Return how many rows the index must find."""
    return max(costs.at_once, math.ceil(_SPARE * estimate.reached(estimate.wanted)))
