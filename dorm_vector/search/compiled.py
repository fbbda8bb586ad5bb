"""What the compilation of a search tells the runner of its statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..dialects.base import Dialect
from ..engines.statement import searches_in
from .plans.plan import Plan
from .warnings import warn_of_a_miss
from .width import fits_one_scan


@dataclass(eq=False, repr=False)
class CompiledSearch:
    """A search in a statement; ``width`` is how many rows the index has to find for it, 0 where none is asked."""

    query: Any
    width: int = 0
    goes_on: bool = False
    """Whether the index has to go on where its first candidates do not suffice."""
    companion: Any = None
    """The plan of the companion that answers it."""
    is_whole: bool = False
    """Whether its rows are those of the statement, to be looked at on arrival."""


def compiled_search(
    query: Any, dialect: Dialect, plan: Plan | None = None, *, is_whole: bool = False
) -> CompiledSearch:
    """Return what a slice that is ranked by the database needs of its runner."""
    if plan is not None and plan.is_companion:
        return CompiledSearch(query, companion=plan, is_whole=is_whole)
    is_unasked = dialect.index_use.probe and query.search is not None and not query.search.approximate
    if not query.ranks() or dialect.companions or is_unasked:
        return CompiledSearch(query)
    warn_of_a_miss(query)
    goes_on = query.is_filtered() or not fits_one_scan(dialect, query)
    return CompiledSearch(query, query.candidates(), goes_on, is_whole=is_whole)


def whole_search(sql: str) -> CompiledSearch | None:
    """Return the search that the statement is; None where it is none, or only has some inside."""
    found: Sequence[CompiledSearch] = searches_in(sql)
    # The outermost query is compiled last.
    return found[-1] if found and found[-1].is_whole else None
