"""The base class of search plans, and the purposes that a plan is chosen for."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ...dialects.base import Dialect
from ...dialects.shared.costs import PlanCosts
from ...dialects.shared.operands import SQL


class Purpose(StrEnum):
    """What to plan: a statement's rows first, and then its SELECT if its SQL is not cached yet."""

    STATEMENT = "the rows of a statement, which its runner looks at on arrival"
    SELECT = "the outermost SELECT over those rows"
    PART = "one SELECT of a union, whose rows cannot be told from those of another on arrival"
    SUBQUERY = "a SELECT inside of another statement"


class Estimate:
    """What is known of a search before it runs; the costs of its plans follow from it.

    Args:
        rows: The rows of the table.
        passing: The rows that pass the filter.
        dimensions: Those of the vectors.
        wanted: The rows that the search must find.
        reading: Milliseconds to find the rows that pass, by the database's own estimate; None if it has none.
        shards: The servers' parts of the table, which are searched at the same time.
        cache: The bytes that the database keeps of an index; None if it has no such limit.
    """

    def __init__(
        self,
        rows: float,
        passing: float,
        dimensions: int,
        wanted: int,
        reading: float | None = None,
        shards: int = 1,
        cache: float | None = None,
    ) -> None:
        self.rows, self.passing, self.dimensions = rows, passing, dimensions
        self.wanted, self.reading, self.shards, self.cache = wanted, reading, shards, cache

    def __str__(self) -> str:
        return f"{self.passing:,.0f} of {self.rows:,.0f} rows pass the filter"

    def of_shard(self) -> Estimate:
        """Return the estimate of one shard, which takes about as long as all of them."""
        if self.shards == 1:
            return self
        rows, passing = self.rows / self.shards, self.passing / self.shards
        return Estimate(rows, passing, self.dimensions, self.wanted, self.reading)

    def reached(self, wanted: float) -> float:
        """Return how many of the nearest rows to visit to find ``wanted`` rows that pass the filter."""
        # If no row of the sample passes, assume half a row.
        return wanted * max(1.0, self.rows / max(self.passing, 0.5))

    def searched(self, costs: PlanCosts, candidates: float) -> float:
        """Return the milliseconds of a search by an index that collects so many candidates."""
        each = costs.visited(self.dimensions) * costs.loaded(self.rows, self.dimensions, self.cache)
        return costs.index + candidates * each


class Plan:
    """One way to answer a search."""

    kind = ""
    """Tells plans of one search apart."""
    is_companion = False
    """Whether a companion table, which may not be migrated yet, finds the rows."""
    is_client = False
    """Whether the client ranks the rows, in statements of its own."""
    searches = False
    """Whether those statements are searches, under the options of the query."""
    estimate: Estimate | None = None
    """What the choice of this plan was based on; None if no costs were compared yet."""
    labels: Any = None
    """The condition by which an index answers the filter itself; None if it does not."""
    is_exact = False
    """Whether a plain statement measures every row, so that its runner has nothing to check."""

    def title(self, query: Any, dialect: Dialect) -> str:
        """Return what ``explain_search()`` calls it."""
        return self.kind

    def cost(self, estimate: Estimate, costs: PlanCosts) -> float:
        """Return how many milliseconds the search would take; infinity if unknown, so that others go first."""
        return float("inf")

    def width(self, estimate: Estimate, costs: PlanCosts) -> int:
        """Return how many candidates an index should hold at once for this filter; 0 for the default."""
        return 0

    def narrowed(self, query: Any) -> Any:
        """Narrow the query, which is a copy of the caller's, to the rows that the plan finds, and return it."""
        return query

    def select(self, query: Any, head: Any, connection: Any) -> SQL:
        """Return the outermost SELECT; ``head`` is the part before ORDER BY."""
        raise NotImplementedError(f"{type(self).__name__} chooses rows, and orders none")


class ExactPlan(Plan):
    """Measure every row that passes the filter."""

    kind = "exact"
    is_exact = True

    def cost(self, estimate: Estimate, costs: PlanCosts) -> float:
        reading = estimate.reading
        if reading is None:
            reading = estimate.rows * costs.read(estimate.dimensions)
        return costs.statement + reading + estimate.passing * costs.measured(estimate.dimensions)

    def narrowed(self, query: Any) -> Any:
        query.search = query.search.exactly()
        return query
