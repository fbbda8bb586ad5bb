"""What the parts of a search cost on a database, in milliseconds, as measured."""

from __future__ import annotations

from .facts import Facts


class PlanCosts(Facts):
    """Measured constants of the cost model. Only their ratios decide, so another machine chooses alike."""

    statement: float = 0.0
    """A statement that finds nothing."""
    row: float = 0.0
    """Reading a row, to see whether it passes the filter."""
    measured_row: float = 0.0
    """Measuring and sorting a row, whatever its dimensions."""
    measured_number: float = 0.0
    """Measuring each dimension of a row."""

    def measured(self, dimensions: int) -> float:
        """Return the cost of the distance of one row."""
        return self.measured_row + self.measured_number * dimensions
