"""The base class of search plans, and the purposes that a plan is chosen for."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ...dialects.shared.operands import SQL


class Purpose(StrEnum):
    """What to plan: a statement's rows first, and then its SELECT if its SQL is not cached yet."""

    STATEMENT = "the rows of a statement, which its runner looks at on arrival"
    SELECT = "the outermost SELECT over those rows"
    PART = "one SELECT of a union, whose rows cannot be told from those of another on arrival"
    SUBQUERY = "a SELECT inside of another statement"


class Plan:
    """One way to answer a search."""

    is_companion = False
    """Whether a companion table, which may not be migrated yet, finds the rows."""

    def narrowed(self, query: Any) -> Any:
        """Narrow the query, which is a copy of the caller's, to the rows that the plan finds, and return it."""
        return query

    def select(self, query: Any, head: Any, connection: Any) -> SQL:
        """Return the outermost SELECT; ``head`` is the part before ORDER BY."""
        raise NotImplementedError(f"{type(self).__name__} chooses rows, and orders none")
