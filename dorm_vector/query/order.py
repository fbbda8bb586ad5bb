"""ORDER BY of distances."""

from __future__ import annotations

from typing import Any

from dorm.query import SQLQuery, _validate_identifier

from ..dialects.base import Dialect
from ..engines import dialect_for


def _ascending(dialect: Dialect, expression: Any) -> str:
    return (hasattr(expression, "as_ranking_sql") and dialect.nearest_first) or dialect.ascending


def by_output(query: SQLQuery, connection: Any) -> str:
    """Return an ORDER BY over the output columns of a query inside."""
    dialect, parts = dialect_for(connection), []
    for entry in query.order_by_fields:
        name = entry.removeprefix("-")
        _validate_identifier(name)
        template = dialect.descending if entry.startswith("-") else dialect.ascending
        parts.append(template.format(value=f'"{name}"', rank=f'"{name}"'))
    return " ORDER BY " + ", ".join(parts) if parts else ""
