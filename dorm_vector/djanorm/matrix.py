"""The query behind ``to_matrix``: a primary key and a vector a row, undecoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dialects import dialect_for
from ..fields import VectorField
from ..steps import Steps
from .bulk_steps import BinaryRows, PlainRows
from .querysets import upgraded
from .steps import Execute


class Reading:
    """The key and the vector column of a queryset, and how its database hands them over."""

    def __init__(self, queryset: Any, path: str, *, is_async: bool = False) -> None:
        queryset = upgraded(queryset)
        self.field = queryset._query._resolve_field(path.split("__"))
        if not isinstance(self.field, VectorField):
            raise TypeError(f"to_matrix() reads a vector field; {queryset.model.__name__} has none at {path!r}.")
        self.key, self.path = queryset.model._meta.pk, path
        self.connection = queryset._get_async_connection() if is_async else queryset._get_connection()
        self._query = queryset.values_list("pk", path, *_sorted_by(queryset._query))._query

    def columns(self) -> Steps[tuple[Sequence[Any], Sequence[Any]]]:
        """Return the keys and the vectors, as the database hands them over."""
        sql, params = self._query.as_select(self.connection)
        rows = yield self._step()(sql, params)
        rows = [row.values() for row in rows] if rows and isinstance(rows[0], dict) else rows
        # A search shows its distance, too, and DISTINCT what it is sorted by.
        keys, stored, *_ = zip(*rows, strict=True) if rows else ((), ())
        return keys, stored

    def _step(self) -> Any:
        dialect = dialect_for(self.connection)
        if self._query.is_slice() and self._query.is_by_distance():
            # An index may answer it: it has options of its own, and may have to be repeated.
            return Execute
        # Those of Turso with SYNC_URL are djanorm's own.
        if dialect.plain_rows and not getattr(self.connection, "sync_url", None):
            return PlainRows
        return BinaryRows if dialect.binary_rows else Execute


def _sorted_by(query: Any) -> list[str]:
    """Return the fields that DISTINCT has to read beside the two: PostgreSQL sorts by nothing else there."""
    names = [name.removeprefix("-") for name in query.order_by_fields] if query.distinct_flag else []
    return [name for name in names if query._resolve_field(name.split("__")) is not None]
