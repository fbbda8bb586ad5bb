"""Compiled SQL for places where djanorm expects an expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dorm.expressions import Exists

from ..dialects.shared.operands import SQL
from .query_text import QueryText


class CompiledSQL(Exists):
    """An annotation or a WHERE condition whose SQL is known; djanorm accepts an Exists unchanged in both places.

    ``text`` is a query text to embed before the SQL is sent.
    """

    def __init__(self, sql: str, params: Sequence[Any] = (), text: QueryText | None = None) -> None:
        self.sql, self.params, self.text = sql, list(params), text

    def as_sql(self, *_args: Any, **_context: Any) -> SQL:
        return self.sql, self.params


class RankedSQL(CompiledSQL):
    """A value whose rows an index sorts by other SQL, best first."""

    def __init__(self, value: SQL, ranking: SQL) -> None:
        super().__init__(*value)
        self.ranking = ranking

    def as_ranking_sql(self, *_args: Any, **_context: Any) -> SQL:
        return self.ranking

    def keeps_its_rank(self, *_args: Any, **_context: Any) -> bool:
        """Return True: rows without a value are left out, so their order does not matter."""
        return True
