"""The search state of a query."""

from __future__ import annotations

from typing import Any, Self

from dorm.query import SQLQuery

from ..engines import dialect_for
from ..expressions.combined_distances import CombinedDistance
from ..expressions.distances import VectorDistance, VectorSimilarity
from ..expressions.scope import note_search
from .compiled import compiled_search
from .connection import SearchConnection
from .grouping import OnePerGroup
from .options import NO_OPTIONS, Options
from .spec import EVERY_ROW, Search, SearchCondition, Within
from .width import fits_one_scan


class SearchQuery(SQLQuery):
    """A SQLQuery that may be a search."""

    search: Search | None = None
    options: Options = NO_OPTIONS

    @property
    def group(self) -> OnePerGroup | None:
        """The condition that keeps one row of each group, if there is one."""
        for node in self.where_nodes:
            if isinstance(node, OnePerGroup):
                return node
        return None

    @property
    def combined(self) -> CombinedDistance | None:
        """The distance from several vectors that the rows are searched by; None in a search by one vector."""
        found = self.annotations.get(self.search.name) if self.search is not None else None
        return found if isinstance(found, CombinedDistance) else None

    def searched_model(self) -> Any:
        """Return the model whose indexes can serve the search."""
        combined, group = self.combined, self.group
        if combined is not None and combined.holder_model is not None:
            return combined.holder_model
        return self.model if group is None else group.holder_model

    def is_exact(self) -> bool:
        """Return whether no index may order the rows of this query itself."""
        is_plain = self.group is None and self.combined is None
        return self.search is not None and (self.search.exact or not is_plain)

    def ranks(self) -> bool:
        """Return whether this is a slice of a search, sorted by its distance."""
        if self.search is None or self.is_exact() or self.limit_val is None:
            return False
        return self.order_by_fields[:1] == [self.search.name] and not (self.distinct_flag or self.group_by_fields)

    def is_filtered(self) -> bool:
        """Return whether a filter excludes rows that the search would find."""
        return bool(self.having_nodes or self.filters())

    def filters(self) -> list[Any]:
        """Return the conditions that do not belong to the search."""
        return [node for node in self.where_nodes if not isinstance(node, SearchCondition)]

    def candidates(self) -> int:
        """Return how many rows the search must find for its slice."""
        excluded = self.search.excluded if self.search is not None else 0
        shortlist = self.search.shortlist if self.search is not None else None
        return max((self.limit_val or 0) + (self.offset_val or 0) + excluded, shortlist.size if shortlist else 0)

    def takes_an_index(self) -> bool:
        """Return whether an index may decide the order of this query."""
        return self.limit_val is not None and not self.is_exact()

    def greatest_distance(self) -> float | None:
        bounds = [node.children[0][1] for node in self.where_nodes if isinstance(node, Within)]
        return min(bounds, default=None)

    def exactly(self) -> Self:
        """Return the same search, but one that no index may answer."""
        query: Any = self.clone()
        query.search = self.search.exactly() if self.search is not None else EVERY_ROW
        exact: Self = query
        return exact

    def inside(self, connection: Any) -> Self:
        """Prepare the search for use inside another statement, where its rows cannot be checked on arrival."""
        tuned = isinstance(connection, SearchConnection) and fits_one_scan(dialect_for(connection), self)
        bounded = any(isinstance(node, Within) for node in self.where_nodes)
        listed = self.search is not None and self.search.shortlist is not None
        if not tuned or bounded or listed or self.is_filtered():
            self.search = self.search.exactly() if self.search is not None else None
        else:
            note_search(compiled_search(self, dialect_for(connection)))
        return self

    def sole_distance(self) -> VectorDistance | None:
        """Return the distance if it is the query's only sort key, nearest first; otherwise None."""
        if len(self.order_by_fields) != 1:
            return None
        name, descending = self.order_by_fields[0].removeprefix("-"), self.order_by_fields[0].startswith("-")
        expression = self.annotations.get(name)
        if isinstance(expression, VectorSimilarity):
            # The highest similarity is the smallest distance.
            expression, descending = expression.distance, not descending
        return expression if isinstance(expression, VectorDistance) and not descending else None

    def is_by_distance(self) -> bool:
        first = self.annotations.get(self.order_by_fields[0]) if self.order_by_fields else None
        return hasattr(first, "as_ranking_sql")
