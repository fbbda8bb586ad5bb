"""One database that a command looks at: its connection, its dialect, and the models whose tables it has."""

from __future__ import annotations

from typing import Any

from dorm.db.connection import get_connection
from dorm.queryset import QuerySet

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..models.querysets import VectorQuerySet


class Database:
    """A database of the project, by its alias."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.connection: Any = get_connection(alias)
        self.dialect: Dialect = dialect_for(self.connection)

    def has_table(self, model: Any) -> bool:
        return bool(self.connection.table_exists(model._meta.db_table))

    def missing_columns(self, model: Any) -> list[str]:
        """Return the columns of the model that its table does not have: they are not migrated yet."""
        standing = {row["name"] for row in self.connection.get_table_columns(model._meta.db_table)}
        return [field.column for field in model._meta.concrete_fields if field.column not in standing]

    def is_migrated(self, model: Any) -> bool:
        """Return whether the table exists, with every column of the model, so that its rows can be read."""
        return self.has_table(model) and not self.missing_columns(model)

    def rows(self, model: Any) -> Any:
        """Return all rows of the model's table, including those that its managers leave out."""
        return QuerySet(model, self.alias)

    def searched(self, model: Any) -> Any:
        """Return the same rows, with ``nearest()``."""
        return VectorQuerySet(model, self.alias)

    def ask(self, query: str, *params: Any) -> dict[str, Any]:
        """Return the first row of a query; empty if there is none, or no query."""
        rows = self.connection.execute(query, list(params)) if query else []
        return dict(rows[0]) if rows else {}

    def all_rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        """Return the rows of a query; none if there is no query."""
        return [dict(row) for row in self.connection.execute(query, list(params))] if query else []

    def migrate(self) -> str:
        """Return the command that migrates this database."""
        if self.alias == "default":
            return "dorm migrate"
        # It has no --database.
        return f'dorm migrate --settings MODULE, whose DATABASES has {self.alias!r} as "default"'

    def option(self) -> str:
        """Return ``--database`` for a command that is to work on this database; empty for the default one."""
        return "" if self.alias == "default" else f" --database {self.alias}"
