"""Compile ORDER BY and LIMIT."""

from __future__ import annotations

from typing import Any

from dorm.aggregates import Aggregate
from dorm.query import SQLQuery, _validate_identifier

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..expressions.scope import current_connection
from .where import FilteringQuery

_NO_LIMIT = 2**63 - 1


class OrderingQuery(FilteringQuery):
    """A SQLQuery that sorts by annotations, and by a distance in the form that an index can serve."""

    def _ordering(self, connection: Any) -> SQL:
        parts: list[str] = []
        params: list[Any] = []
        for entry in self.order_by_fields:
            sql, more = self._order(entry.removeprefix("-"), entry.startswith("-"), connection)
            parts.append(sql)
            params += more
        return (" ORDER BY " + ", ".join(parts) if parts else ""), params

    def _order(self, name: str, descending: bool, connection: Any) -> SQL:
        if self._is_annotation(name):
            return self._order_annotation(name, descending)
        return f"{self._order_column(name, connection)} {'DESC' if descending else 'ASC'}", []

    def _order_annotation(self, name: str, descending: bool) -> SQL:
        dialect, expression = dialect_for(current_connection(self)), self.annotations[name]
        if isinstance(expression, Aggregate):
            return self._order_aggregate(dialect, name, descending)
        by_name = dialect.ordering.descending if descending else _ascending(dialect, expression)
        by_name = by_name.format(value=f'"{name}"', rank=f'"{name}"')
        if self.distinct_flag and self._is_projected(name):
            # PostgreSQL sorts distinct rows only by selected columns, and uses no index for it.
            return by_name, []
        if hasattr(expression, "distance"):
            # A similarity falls as its distance rises, and an index can serve only the distance.
            return self._order_expression(dialect, expression.distance, not descending)
        if (self._is_projected(name) and not self._is_searched_exactly(name)) and (
            descending
            or self._sorts_as_shown(expression)
            or self._annotation(name) == self._annotation(name, ranking=True)
        ):
            return by_name, []
        return self._order_expression(dialect, expression, descending, exact=self._is_searched_exactly(name))

    def _order_aggregate(self, dialect: Dialect, name: str, descending: bool) -> SQL:
        template = dialect.ordering.descending if descending else dialect.ordering.ascending
        # MariaDB cannot compute with the name of an aggregate in ORDER BY, only sort by it.
        is_computed = template.count("{rank}") > 1 or not self._is_projected(name)
        value, params = self._annotation(name) if is_computed else (f'"{name}"', [])
        return template.format(value=value, rank=value), params * template.count("{value}" if descending else "{rank}")

    def _order_expression(self, dialect: Dialect, expression: Any, descending: bool, exact: bool = False) -> SQL:
        if descending:
            value, params = self._compiled(expression)
            return dialect.ordering.descending.format(value=value), params * dialect.ordering.descending.count(
                "{value}"
            )
        rank, params = self._compiled(expression, ranking=not self._sorts_as_shown(expression))
        rank = dialect.ordering.exact_rank.format(rank=rank) if exact else rank
        template = _ascending(dialect, expression)
        return template.format(rank=rank), params * template.count("{rank}")

    def _sorts_as_shown(self, expression: Any) -> bool:
        """Return whether another key decides among all rows without a distance, which a rank may tell apart."""
        if len(self.order_by_fields) == 1 or not hasattr(expression, "as_ranking_sql"):
            return False
        connection = current_connection(self)
        return not expression.keeps_its_rank(self._alias(), model=self.model, connection=connection, query=self)

    def _is_searched_exactly(self, name: str) -> bool:
        is_exact = self.is_exact() and self.combined is None
        return is_exact and self.search is not None and self.search.name == name

    def _order_column(self, name: str, connection: Any) -> str:
        _validate_identifier(name)
        return self._resolve_column(name.split("__"), connection)

    def _limits(self) -> str:
        limit = self.limit_val if self.limit_val is not None else (_NO_LIMIT if self.offset_val else None)
        sql = f" LIMIT {int(limit)}" if limit is not None else ""
        return sql + (f" OFFSET {int(self.offset_val)}" if self.offset_val else "")


def _ascending(dialect: Dialect, expression: Any) -> str:
    return (hasattr(expression, "as_ranking_sql") and dialect.ordering.nearest_first) or dialect.ordering.ascending


def by_output(query: SQLQuery, connection: Any) -> str:
    """Return an ORDER BY over the output columns of an inner query."""
    dialect, parts = dialect_for(connection), []
    for entry in query.order_by_fields:
        name = entry.removeprefix("-")
        _validate_identifier(name)
        template = dialect.ordering.descending if entry.startswith("-") else dialect.ordering.ascending
        parts.append(template.format(value=f'"{name}"', rank=f'"{name}"'))
    return " ORDER BY " + ", ".join(parts) if parts else ""
