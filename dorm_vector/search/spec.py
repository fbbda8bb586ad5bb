"""The state that ``nearest()`` stores in a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dorm.expressions import Q

if TYPE_CHECKING:
    from .options import Options


class Search:
    """The parameters of ``nearest()``: ``name`` is the annotation to rank by, ``excluded`` how many rows it skips."""

    # Querysets that were pickled by an earlier release lack some of these.
    excluded: int = 0
    exact: bool = False
    approximate: bool = False
    """Whether to use an index on a database that uses one only on request."""
    shortlist: Shortlist | None = None

    def __init__(
        self,
        name: str,
        field_path: str,
        excluded: int = 0,
        exact: bool = False,
        approximate: bool = False,
        shortlist: Shortlist | None = None,
    ) -> None:
        self.name, self.field_path, self.excluded = name, field_path, excluded
        self.exact, self.approximate, self.shortlist = exact, approximate, shortlist

    def shape(self) -> tuple[Any, ...]:
        """Return all that the SQL depends on, for a key."""
        listed = self.shortlist and (self.shortlist.size, self.shortlist.index)
        return Search, self.name, self.field_path, self.excluded, self.exact, self.approximate, listed

    def exactly(self) -> Search:
        """Return the same search, but one that no index may answer."""
        return Search(self.name, self.field_path, self.excluded, True, self.approximate, self.shortlist)

    def over(self, shortlist: Shortlist) -> Search:
        """Return the same search over a shortlist."""
        return Search(self.name, self.field_path, self.excluded, self.exact, self.approximate, shortlist)


EVERY_ROW = Search("", "", exact=True)
"""The search of a query not made by ``nearest()``, if no index may answer it."""


class Shortlist:
    """How many rows to find, and with which index, before they are ranked exactly."""

    def __init__(self, size: int, index: Any) -> None:
        self.size, self.index = size, index


SIGNS_NOT_REQUESTED = (
    "not-asked-for",
    "An index of signs or 8-bit integers can lose rows, so a search is exact unless it requests the index.",
    "Use nearest(..., exact=False), or nearest(...).rerank(400).",
)
"""Code, problem and remedy of a search that could use an index of signs and does not request it."""

OTHER_KEY = "other-key"
"""The code of a search whose rows a table of signs cannot name."""


class SearchCondition(Q):
    """A condition that belongs to the search and does not make it a filtered search."""


class Within(SearchCondition):
    """The maximum distance of a search; on a slice it is applied on arrival, so that it cannot starve an index."""


def as_search(queryset: Any, search: Search, conditions: list[SearchCondition]) -> Any:
    """Set the search and its conditions in a queryset that nobody else has, and return it."""
    query = queryset._query
    query.search = search
    # The conditions of an earlier search are ordinary filters of this one.
    query.where_nodes = [_as_filter(node) for node in query.where_nodes] + conditions
    return queryset


def _as_filter(node: Any) -> Any:
    if not isinstance(node, SearchCondition):
        return node
    condition = Q(*node.children)
    condition.negated, condition.connector = node.negated, node.connector
    return condition


def with_options(queryset: Any, options: Options) -> Any:
    found = queryset._clone()
    found._query.options = {**found._query.options, **options}
    return found
