"""``dorm-vector explain``: which index serves a search, or why none does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from .exit_codes import DONE, FOUND
from .output import Output
from .project import add_database_argument
from .rows import add_query_arguments, search_of

HELP = "Show which index serves a search, or every reason why none does."

EXIT_1 = "No index serves the search, and something can be done about it."

# The answer is exact, and there is nothing to do.
_FINE = frozenset({"no-such-index", "exact", "small-table", "selective-filter"})


def add_arguments(parser: Any) -> None:
    add_query_arguments(parser)
    parser.add_argument("--plan", action="store_true", help="also print the database's own query plan")
    add_database_argument(parser)


def run(options: Any, output: Output) -> int:
    """Print how the database runs a search; the exit code is 1 if something keeps it from its index."""
    search, _field = search_of(options)
    plan = search.explain_search()
    data = {**asdict(plan), "served": plan.index is not None}
    output.show(data, _lines(plan, show_plan=options.plan))
    return DONE if plan.index is not None or {reason.code for reason in plan.reasons} <= _FINE else FOUND


def _lines(plan: Any, *, show_plan: bool) -> Iterator[str]:
    yield str(plan)
    if show_plan:
        yield from ("", plan.plan)
