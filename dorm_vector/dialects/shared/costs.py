"""What the parts of a search cost on a database, and how to estimate how many rows pass a filter."""

from __future__ import annotations

import math

from .facts import Facts


class PlanCosts(Facts):
    """Measured constants in milliseconds. Only their ratios decide, so another machine chooses alike."""

    statement: float = 0.0
    """A statement that finds nothing."""
    row: float = 0.0
    """Reading a row, to see whether it passes the filter, whatever its dimensions."""
    row_number: float = 0.0
    """Reading each dimension of a row, which lies between those that the filter reads."""
    unit: float = 0.0
    """A unit of the database's own estimates of costs."""
    measured_row: float = 0.0
    """Measuring and sorting a row, whatever its dimensions."""
    measured_number: float = 0.0
    """Measuring each dimension of a row."""
    index: float = 0.0
    """A search by an index, with the statements that set its options."""
    visited_row: float = 0.0
    """Each candidate that the index collects, with the neighbors that it visits for it, whatever their dimensions."""
    visited_number: float = 0.0
    """Each dimension of such a candidate."""
    again: float = 0.0
    """What each further search of the index costs, relative to the first, where it restarts when a filter has rejected
    rows; 0 where it continues."""
    loading: float = 0.0
    """How many times more a candidate costs if it is not in the cache of the index; 0 without such a cache."""
    node: float = 0.0
    """The bytes of a row in that cache, whatever its dimensions."""
    node_number: float = 0.0
    """The bytes of each of its dimensions."""
    at_once: int = 0
    """The rows that an index visits at least; 0 if there is no choice between an index and an exact search."""
    most: int = 0
    """The rows that an index visits at most; 0 is no limit."""
    spare: int = 1
    """How many rows the index must find for each row that is wanted."""
    most_overfetched: int = 0
    """The most rows that an index finds for a filter to choose from; 0 if it continues while rows are needed."""
    widest: int = 0
    """The greatest width of the search that is set for a filter; past it, neighbors are lost. 0 if none is set."""

    def read(self, dimensions: int) -> float:
        """Return the cost of reading one row."""
        return self.row + self.row_number * dimensions

    def measured(self, dimensions: int) -> float:
        """Return the cost of the distance of one row."""
        return self.measured_row + self.measured_number * dimensions

    def visited(self, dimensions: int) -> float:
        """Return the cost of one candidate of the index."""
        return self.visited_row + self.visited_number * dimensions

    def loaded(self, rows: float, dimensions: int, cache: float | None) -> float:
        """Return how many times more a candidate costs with a cache of so many bytes; 1 if it holds all rows."""
        size = rows * (self.node + self.node_number * dimensions)
        if not cache or cache >= size:
            return 1.0
        # It is emptied when it is full: on average so many of the rows that a search visits are not in it.
        missing = -(cache / size) / math.log1p(-cache / size)
        return 1.0 + self.loading * missing

    def least(self, dimensions: int) -> float:
        """Return the cost of the shortest search by an index."""
        return self.index + self.at_once * self.visited(dimensions)


class Estimating(Facts):
    """How to estimate how many rows pass a filter: by the planner's statistics, or by a sample of rows."""

    table: str = ""
    """Returns the ``rows`` of ``{table}``, its ``low`` and ``high`` ``{key}``, and the bytes of the ``cache`` of an
    index; NULL for what it does not know. Empty to read the rows from a plan without a filter."""
    filter: str = ""
    """Explains ``{source}``, which is FROM and WHERE; empty if the planner has no statistics of values."""
    filter_found: str = ""
    """A regular expression of the total cost and the rows in that plan, those of one shard if the table has shards."""
    shards_found: str = ""
    """A regular expression of the number of shards in that plan; empty if tables have none."""
    samples_subqueries: bool = True
    """Whether a sample may evaluate a subquery of the filter; otherwise the planner estimates such a filter."""
    part: str = ""
    """The FROM of a sample of ``{percent}`` of the rows of ``{table}``; empty to look rows up by random keys."""
    row_key: str = ""
    """The integer that each row has, if it is not the primary key."""
    sampled: int = 256
    """The rows of a sample."""
