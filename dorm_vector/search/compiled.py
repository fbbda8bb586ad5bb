"""The information that compiling a search passes to the code that runs its statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.facts import NOTHING
from ..engines.statement import searches_in
from .plans.plan import Plan
from .warnings import warn_of_a_miss
from .width import fits_one_scan, option_widths


class CompiledSearch:
    """A search in a statement.

    Args:
        query: The query that searches.
        width: How many rows the index must find for it, or 0 without an index.
        widths: The least value of the option that limits how many rows the index finds; empty without an index.
        goes_on: Whether the index must continue if its first candidates are not enough.
        plan: The plan that the statement was compiled for; None for a plain SELECT.
        is_whole: Whether the rows of the search are the rows of the statement, so that the runner can check them on
            arrival.
    """

    is_bare = False
    """Whether ``needs_nothing()`` is known to be true."""

    def __init__(
        self,
        query: Any,
        width: int = 0,
        widths: Mapping[str, int] = NOTHING,
        goes_on: bool = False,
        plan: Any = None,
        is_whole: bool = False,
    ) -> None:
        self.query, self.width, self.widths, self.goes_on = query, width, widths, goes_on
        self.plan, self.is_whole = plan, is_whole

    def needs_nothing(self, dialect: Dialect) -> bool:
        """Return whether its statement is sent as it is, without an estimate, an option of the server or a fallback."""
        plan, query, options = self.plan, self.query, dialect.tuning.options
        if plan is not None and (plan.is_companion or plan.is_client or plan.labels is not None):
            return False
        # A plan of a filtered search may have to be estimated; without a plan, the database decides.
        if self.goes_on or (plan is not None and query.search is not None and query.is_filtered()):
            return False
        return not any(width > int(options[name].default) for name, width in self.widths.items())


def compiled_search(
    query: Any, dialect: Dialect, plan: Plan | None = None, *, is_whole: bool = False
) -> CompiledSearch:
    """Return what the runner must do for a slice that the database ranks."""
    if plan is not None and plan.is_exact:
        return CompiledSearch(query)
    if plan is not None and (plan.is_companion or plan.is_client):
        return CompiledSearch(query, plan=plan, is_whole=is_whole)
    is_unasked = dialect.index_use.probe and query.search is not None and not query.search.approximate
    has_index = dialect.is_approximate or dialect.index_use.probe
    if not (query.ranks() and has_index) or dialect.companions or is_unasked:
        return CompiledSearch(query)
    warn_of_a_miss(query)
    goes_on = query.is_filtered() or not fits_one_scan(dialect, query)
    width = plan.width(plan.estimate, dialect.costs) if plan is not None and plan.estimate is not None else 0
    is_filtered = query.is_filtered() and (plan is None or plan.labels is None)
    width = max(query.candidates(), width)
    widths = option_widths(dialect, query, width, is_filtered)
    return CompiledSearch(query, width, widths, goes_on, plan, is_whole=is_whole)


def whole_search(sql: str) -> CompiledSearch | None:
    """Return the search that makes up the whole statement, or None if there is none or it is only a part."""
    found: Sequence[CompiledSearch] = searches_in(sql)
    # The last search found belongs to the outermost query, because that one is compiled last.
    return found[-1] if found and found[-1].is_whole else None
