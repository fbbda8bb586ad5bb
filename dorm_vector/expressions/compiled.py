"""SQL that is compiled already, where djanorm expects an expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dorm.expressions import Exists

from ..dialects.shared.operands import SQL
from .query_text import QueryText


class CompiledText:
    """An annotation that is SQL already; ``text`` is what has to be embedded before it is compiled."""

    def __init__(self, sql: str, params: list[Any], text: QueryText | None = None) -> None:
        self.sql, self.params, self.text = sql, params, text

    def as_sql(self, *_args: Any, **_context: Any) -> SQL:
        return self.sql, self.params


class Condition(Exists):
    """A piece of WHERE that is SQL already."""

    def __init__(self, sql: str, params: list[Any]) -> None:
        self.sql, self.params = sql, params

    def as_sql(self, *_args: Any, **_context: Any) -> SQL:
        return self.sql, self.params


@dataclass(eq=False, repr=False)
class Rank:
    """An annotation that is SQL already."""

    compiled: SQL

    def as_sql(self, *_args: Any, **_context: Any) -> SQL:
        return self.compiled
