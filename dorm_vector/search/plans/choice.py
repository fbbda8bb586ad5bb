"""Choose the plan of a search; no other module does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...dialects.base import Dialect
from ...engines import dialect_for
from ...expressions.index_match import implies
from ...introspection import has_companions, indexes_of
from ..options import block_options
from .client_ranking import client_ranking_plan
from .combined_candidates import combined_candidates_plan
from .estimates import known_estimate
from .group_candidates import group_candidates_plan
from .index_order import index_order_plan
from .index_scan import index_scan_plan
from .late_materialization import late_plan
from .overfetch import overfetch_plan
from .plan import Estimate, ExactPlan, Plan, Purpose

Choose = Callable[[Any, Any, Dialect], Plan | None]


def plan_for(query: Any, connection: Any, purpose: Purpose, estimate: Estimate | None = None) -> Plan | None:
    """Return the plan of a search, or None if a plain SELECT is enough and the database decides.

    Of the candidates, the cheapest is chosen by an estimate, given or still known; without one, the first.
    """
    candidates, dialect = candidates_for(query, connection, purpose), dialect_for(connection)
    if not candidates:
        return None
    if estimate is None and purpose is Purpose.STATEMENT and is_open(query, dialect):
        estimate = known_estimate(query, connection)
    if estimate is None:
        return candidates[0]
    found = estimate.of_shard()
    plan = min(candidates, key=lambda plan: plan.cost(found, dialect.costs))
    plan.estimate = found
    return plan


def candidates_for(query: Any, connection: Any, purpose: Purpose) -> Sequence[Plan]:
    """Return the plans that can answer a search, in order of preference; empty if there is only the plain SELECT."""
    dialect = dialect_for(connection)
    if query.group is not None or query.combined is not None:
        return _of_candidates(query, connection, purpose, dialect)
    plans = [choose(query, connection, dialect) for choose in _PLANS[purpose]]
    found = [plan for plan in plans if plan is not None]
    return [*found, ExactPlan()] if found and purpose is Purpose.STATEMENT and query.search is not None else found


def is_open(query: Any, dialect: Dialect) -> bool:
    """Return whether costs decide: the search is filtered, sets no plan, and a declared index can answer it."""
    search = query.search
    if search is None or query.group is not None or query.combined is not None or "__" in search.field_path:
        return False
    if not dialect.costs.at_once or not query.is_filtered():
        return False
    # exact=False makes the index a candidate on databases that require a request; on others, it decides.
    if query.options or block_options() or (search.approximate and not dialect.index_use.probe):
        return False
    serving = _serving(query, dialect)
    # All rows of a partial index pass a filter that implies its condition, so none is visited in vain.
    partial = any(index.condition is not None and implies(query, index.condition) for index in serving)
    return not partial and any(index.condition is None for index in serving)


def _serving(query: Any, dialect: Dialect) -> list[Any]:
    """Return the declared indexes that can serve the search."""
    field = query._resolve_field(query.search.field_path.split("__"))
    metric = query.annotations[query.search.name].metric
    return [index for index in indexes_of(field) if index.serves(field, metric, dialect)]


def _of_candidates(query: Any, connection: Any, purpose: Purpose, dialect: Dialect) -> Sequence[Plan]:
    """Return the plan over rows that another plan finds faster than measuring all rows, if there is such a plan."""
    if purpose is not Purpose.STATEMENT:
        return ()
    found: Any = group_candidates_plan(query) if query.group is not None else combined_candidates_plan(query)
    if found is None:
        return ()
    first = found.first(query)
    plan = plan_for(first, connection, Purpose.STATEMENT)
    is_served = plan is not None and (plan.is_client or plan.is_companion or bool(_serving(first, dialect)))
    return (found,) if is_served else ()


def _companion_plan(query: Any, connection: Any, dialect: Dialect) -> Plan | None:
    if query.limit_val is None or not has_companions(query.model, dialect):
        return None
    # Imported late, because few models have a companion.
    from .companion import companion_plan

    return companion_plan(query, connection, dialect)


def _sign_bits_plan(query: Any, connection: Any, dialect: Dialect) -> Plan | None:
    if dialect.sign_column is None or query.search is None or query.limit_val is None:
        return None
    # Imported late, because few models have sign bits.
    from .sign_bits import sign_bits_plan

    return sign_bits_plan(query, connection, dialect)


_PLANS: Mapping[Purpose, tuple[Choose, ...]] = {
    Purpose.STATEMENT: (_companion_plan, index_scan_plan, overfetch_plan, _sign_bits_plan, client_ranking_plan),
    Purpose.SELECT: (index_order_plan, late_plan),
    Purpose.PART: (),
    Purpose.SUBQUERY: (index_order_plan,),
}
