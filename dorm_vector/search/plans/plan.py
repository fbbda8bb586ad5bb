"""What a plan is, and what it is chosen for."""

from __future__ import annotations

from enum import Enum
from typing import Any

from ...dialects.shared.operands import SQL


class Purpose(Enum):
    """What is planned: of a statement first its rows, and then, where its SQL is not known yet, its SELECT."""

    STATEMENT = "the rows of a statement, which its runner looks at on arrival"
    SELECT = "the outermost SELECT over those rows"
    PART = "one SELECT of a union, whose rows cannot be told from those of another on arrival"
    SUBQUERY = "a SELECT inside of another statement"


class Plan:
    """One way to answer a search."""

    is_companion = False
    """Whether a companion table finds the rows, which may not be migrated yet."""

    def narrowed(self, query: Any) -> Any:
        """Return the query, a copy of the caller's, over the rows that the plan finds."""
        return query

    def select(self, query: Any, head: Any, connection: Any) -> SQL:
        """Return the outermost SELECT; ``head`` is all of it that stands before ORDER BY."""
        raise NotImplementedError(f"{type(self).__name__} chooses rows, and orders none")
