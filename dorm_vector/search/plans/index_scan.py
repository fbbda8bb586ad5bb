"""Plan a slice of nearest() over the rows that an index finds; the rest of the query applies to those rows."""

from __future__ import annotations

import math
from typing import Any

from ...dialects.base import Dialect
from ...dialects.shared.costs import PlanCosts
from ...engines import dialect_for
from ...expressions.compiled import CompiledSQL
from ...expressions.index_match import implies
from ...expressions.operands import VALUES
from ...indexes.contents import index_contents
from ...introspection import indexes_of
from ..spec import Within
from ..width import rows_asked
from .labels import label_condition
from .plan import Estimate, ExactPlan, Plan
from .shortlist import shortlisted

# A filtered search loses neighbors unless the index holds more candidates than those that the filter leaves enough of:
# on 40,000 rows in clusters it finds 0.81 of them at a share of 2 % with the default width, and 1.00 with this one.
_WIDER = 1.5
# Five times more where all rows pass, because the default width is four times the rows wanted there: with half of
# 399,800 GloVe vectors passing, the default width finds 0.85 of the neighbors, and 0.89 if all pass.
_WIDER_FOR_ALL = 5
# If the index cannot hold that many, the plan's cost is multiplied by this, because it loses rows.
_LOSSES = 3
# As it does where an index restarts more often than this: 0.78 with 4 searches of 8,000 x 1536, 0.55 with 20.
_MOST_SEARCHES = 3


class IndexScanPlan(Plan):
    """A plan in which an index, named in the SQL or chosen by the database, finds approximate nearest neighbors.

    The runner sorts the rows on arrival, and removes those that are too far. ``index`` is None if the database decides.
    """

    kind = "index"

    def __init__(self, connection: Any, index: Any, labels: CompiledSQL | None = None) -> None:
        """Take as ``labels`` the condition by which the index answers the filter itself."""
        self.connection, self.index, self.labels = connection, index, labels

    def title(self, query: Any, dialect: Dialect) -> str:
        shortlist = query.search.shortlist
        if shortlist is not None and shortlist.index.precision == "bit":
            return "sign bits"
        if self.labels is not None:
            return "index with labels"
        return "index with iterative scan" if dialect.tuning.filtered and query.is_filtered() else self.kind

    def cost(self, estimate: Estimate, costs: PlanCosts) -> float:
        wanted = estimate.wanted * costs.spare
        if self.labels is not None:
            # It visits rows with the labels alone.
            return estimate.searched(costs, min(max(wanted, costs.at_once), estimate.rows))
        if costs.again:
            searches = estimate.reached(1)
            cost = estimate.searched(costs, max(wanted, costs.at_once) * (1 + costs.again * (searches - 1)))
            return cost * (_LOSSES if searches > _MOST_SEARCHES else 1)
        reached, most = max(estimate.reached(wanted), costs.at_once), costs.most or float("inf")
        width = self.width(estimate, costs)
        cost = estimate.searched(costs, max(width, min(reached, most, estimate.rows)))
        if reached > most:
            # It finds too few, and the search is repeated exactly.
            return cost + ExactPlan().cost(estimate, costs)
        is_too_wide = costs.widest and _width(estimate) > costs.widest
        return cost * (_LOSSES if is_too_wide else 1)

    def width(self, estimate: Estimate, costs: PlanCosts) -> int:
        if self.labels is not None:
            return 0
        return min(costs.widest, _width(estimate))

    def narrowed(self, query: Any) -> Any:
        query.where_nodes = [node for node in query.where_nodes if not isinstance(node, Within)]
        query.alias_only_names -= {query.order_by_fields[0]}
        if query.search.shortlist is not None:
            query = shortlisted(query, self.connection)
        if self.labels is not None:
            query.where_nodes = [*query.where_nodes, self.labels]
        return query if self.index is None else probed(query, self.connection, self.index)


def _width(estimate: Estimate) -> int:
    """Return how many candidates the index must hold so that enough of the nearest pass the filter."""
    share = 1 / estimate.reached(1)
    return math.ceil((_WIDER + _WIDER_FOR_ALL * share) * estimate.reached(estimate.wanted))


def index_scan_plan(query: Any, connection: Any, dialect: Dialect) -> IndexScanPlan | None:
    """Return the plan of a slice of ``nearest()``, or None if no index can answer it."""
    if not query.ranks():
        return None
    index = asked_index(query, dialect)
    if index is None and not dialect.is_approximate:
        return None
    return IndexScanPlan(connection, index, label_condition(query, dialect))


def asked_index(query: Any, dialect: Dialect) -> Any:
    """Return the index that a slice of ``nearest(exact=False)`` names; None if the database decides or none fits."""
    search = query.search
    if (
        not dialect.index_use.probe
        or not search.approximate
        or not 1 <= query.candidates() <= dialect.index_use.probe_width
    ):
        return None
    field, distance = query._resolve_field(search.field_path.split("__")), query.annotations[search.name]
    if not isinstance(distance.vector, VALUES):
        return None
    return next((index for index in indexes_of(field) if _serves(index, field, distance, query, dialect)), None)


def probed(query: Any, connection: Any, index: Any) -> Any:
    """Return the query over the most rows that the index can find, because fewer would take it as long."""
    dialect, search = dialect_for(connection), query.search
    path = search.field_path.split("__")
    column, field = query._resolve_column(path, connection), query._resolve_field(path)
    row = column.rpartition(".")[0] or f'"{query._alias()}"'
    sql = dialect.index_use.probe.format(
        row=row, index=index.name, vector=dialect.placeholder, count=dialect.index_use.probe_width
    )
    query.limit_val = rows_asked(dialect, query)
    query.where_nodes = [*query.where_nodes, CompiledSQL(sql, [field.to_vector(query.annotations[search.name].vector)])]
    return query


def _serves(index: Any, field: Any, distance: Any, query: Any, dialect: Any) -> bool:
    if not index.serves(field, distance.metric, dialect) or index_contents(index, field, dialect) is None:
        return False
    return index.condition is None or implies(query, index.condition)
