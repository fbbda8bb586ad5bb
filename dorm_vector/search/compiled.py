"""What the compilation of a search tells the runner of its statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.search_options import SearchOption
from ..engines.statement import searches_in
from .warnings import warn_of_a_miss

_TO_SPARE = 4


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


def compiled_search(query: Any, dialect: Dialect, *, is_whole: bool = False) -> CompiledSearch:
    """Return what a slice that is ranked by the database needs of its runner."""
    is_unasked = dialect.probe and query.search is not None and not query.search.approximate
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


def fits_one_scan(dialect: Dialect, query: Any) -> bool:
    """Tell whether the index can have as many candidates at once as the query asks for."""
    option = dialect.search_options.get(dialect.width_option)
    return option is None or query.candidates() <= greatest(option)


def rows_asked(dialect: Dialect, query: Any) -> int:
    """Return how many rows a slice asks an index for: to spare, where it finds a fixed number before the filter.

    The last of those are far from all that there are at that distance; where the filter leaves few, they would be among
    the answer.
    """
    return int(query.limit_val) * (_TO_SPARE if dialect.probe and query.is_filtered() else 1)


def greatest(option: SearchOption) -> int:
    """Return the highest value of an option that is a number."""
    return int(option.allowed[-1])
