"""What a query knows of the search in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from dorm.query import SQLQuery

from ..engines import dialect_for
from ..expressions.distances import VectorDistance, VectorSimilarity
from ..expressions.scope import note_search
from .compiled import compiled_search
from .connection import SearchConnection
from .options import NO_OPTIONS, Options
from .spec import EVERY_ROW, Search, SearchCondition, Within
from .width import fits_one_scan


class SearchQuery(SQLQuery):
    """SQLQuery that may be a search."""

    search: Search | None = None
    options: Options = NO_OPTIONS

    def ranks(self) -> bool:
        """Tell whether this is a slice of a search, in the order of its distance."""
        if self.search is None or self.search.exact or self.limit_val is None:
            return False
        return self.order_by_fields[:1] == [self.search.name] and not (self.distinct_flag or self.group_by_fields)

    def is_filtered(self) -> bool:
        """Tell whether rows that the search would find are left out."""
        return bool(self.having_nodes) or any(not isinstance(node, SearchCondition) for node in self.where_nodes)

    def candidates(self) -> int:
        """Return how many rows the search has to find for its slice."""
        excluded = self.search.excluded if self.search is not None else 0
        shortlist = self.search.shortlist if self.search is not None else None
        return max((self.limit_val or 0) + (self.offset_val or 0) + excluded, shortlist.size if shortlist else 0)

    def takes_an_index(self) -> bool:
        """Tell whether the order of this query is one that an index may decide."""
        return self.limit_val is not None and not (self.search is not None and self.search.exact)

    def greatest_distance(self) -> float | None:
        bounds = [node.children[0][1] for node in self.where_nodes if isinstance(node, Within)]
        return min(bounds, default=None)

    def exactly(self) -> Self:
        """Return the same search as one that no index answers."""
        query: Any = self.clone()
        query.search = replace(self.search, exact=True) if self.search is not None else EVERY_ROW
        exact: Self = query
        return exact

    def inside(self, connection: Any) -> Self:
        """Return the search for a place where its rows cannot be looked at on arrival."""
        tuned = isinstance(connection, SearchConnection) and fits_one_scan(dialect_for(connection), self)
        bounded = any(isinstance(node, Within) for node in self.where_nodes)
        listed = self.search is not None and self.search.shortlist is not None
        if not tuned or bounded or listed or self.is_filtered():
            self.search = replace(self.search, exact=True) if self.search is not None else None
        else:
            note_search(compiled_search(self, dialect_for(connection)))
        return self

    def sole_distance(self) -> VectorDistance | None:
        """Return the distance that the query is sorted by, where by nothing else, and nearest first."""
        if len(self.order_by_fields) != 1:
            return None
        name, descending = self.order_by_fields[0].removeprefix("-"), self.order_by_fields[0].startswith("-")
        expression = self.annotations.get(name)
        if isinstance(expression, VectorSimilarity):
            # The highest similarity is the least distance.
            expression, descending = expression.distance, not descending
        return expression if isinstance(expression, VectorDistance) and not descending else None

    def is_by_distance(self) -> bool:
        first = self.annotations.get(self.order_by_fields[0]) if self.order_by_fields else None
        return hasattr(first, "as_ranking_sql")
