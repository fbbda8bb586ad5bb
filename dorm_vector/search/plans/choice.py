"""Choose the plan of a search; no other module does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...dialects.base import Dialect
from ...engines import dialect_for
from ...introspection import has_companions
from .index_order import index_order_plan
from .index_scan import index_scan_plan
from .late_materialization import late_plan
from .plan import Plan, Purpose

Choose = Callable[[Any, Any, Dialect], Plan | None]


def plan_for(query: Any, connection: Any, purpose: Purpose) -> Plan | None:
    """Return the plan of a search, or None if a plain SELECT is enough and the database decides."""
    dialect = dialect_for(connection)
    for choose in _PLANS[purpose]:
        plan = choose(query, connection, dialect)
        if plan is not None:
            return plan
    return None


def _companion_plan(query: Any, connection: Any, dialect: Dialect) -> Plan | None:
    if query.limit_val is None or not has_companions(query.model, dialect.companions):
        return None
    # Imported late, because few models have a companion.
    from .companion import companion_plan

    return companion_plan(query, connection, dialect)


# The first plan that can answer is used.
_PLANS: Mapping[Purpose, tuple[Choose, ...]] = {
    Purpose.STATEMENT: (_companion_plan, index_scan_plan),
    Purpose.SELECT: (index_order_plan, late_plan),
    Purpose.PART: (),
    Purpose.SUBQUERY: (index_order_plan,),
}
