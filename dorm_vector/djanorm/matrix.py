"""The query behind ``to_matrix``: a primary key and a vector a row, undecoded."""

from __future__ import annotations

from typing import Any

from ..dialects import dialect_for
from ..fields import VectorField
from .querysets import upgraded
from .steps import BinaryRows, Execute, Steps


class Reading:
    """The key and the vector column of a queryset, and how its database hands them over."""

    def __init__(self, queryset: Any, path: str, *, is_async: bool = False) -> None:
        queryset = upgraded(queryset)
        self.field = queryset._query._resolve_field(path.split("__"))
        if not isinstance(self.field, VectorField):
            raise TypeError(f"to_matrix() reads a vector field; {queryset.model.__name__} has none at {path!r}.")
        self.key, self.path = queryset.model._meta.pk, path
        self.connection = queryset._get_async_connection() if is_async else queryset._get_connection()
        self._query = queryset.values_list("pk", path)._query

    def rows(self) -> Steps[list[tuple[Any, Any]]]:
        sql, params = self._query.as_select(self.connection)
        if dialect_for(self.connection).binary_rows:
            rows: list[tuple[Any, Any]] = yield BinaryRows(sql, params)
            return rows
        named = yield Execute(sql, params)
        return [(row["pk"], row[self.path]) for row in named]
