"""Read the vectors of a queryset into one numpy matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

from ..engines import wire_of
from ..engines.limits.exempt import exempt
from ..engines.row_source import reading_from
from ..exceptions import DimensionMismatch
from ..frames.fetching import fastest
from ..frames.stacking import stacked
from ..introspection import require_one_key, rows_of
from ..models.fields import VectorField
from ..models.querysets import upgraded
from ..steps import Execute, Steps, arun, run
from ..values.elements import Element
from ..values.sparse import SparseVector


class MatrixQuery:
    """The query for the keys and vectors of a queryset, and the fastest way to read them from its database."""

    def __init__(self, queryset: Any, path: str, *, is_async: bool = False) -> None:
        queryset = upgraded(rows_of(queryset) if isinstance(queryset, type) else queryset)
        self.field = queryset._query._resolve_field(path.split("__"))
        if not isinstance(self.field, VectorField):
            raise TypeError(f"to_matrix() reads a vector field; {queryset.model.__name__} has none at {path!r}.")
        require_one_key(queryset.model, "to_matrix()")
        self.key, self.path = queryset.model._meta.pk, path
        self.connection = queryset._get_async_connection() if is_async else queryset._get_connection()
        self._query = queryset.values_list("pk", path, *_sorted_by(queryset._query))._query

    def columns(self) -> Steps[tuple[Sequence[Any], Sequence[Any]]]:
        """Return the keys and the vectors in the database's wire format."""
        sql, params = self._query.as_select(self.connection)
        rows = yield self._step()(sql, params)
        rows = [row.values() for row in rows] if rows and isinstance(rows[0], dict) else rows
        # A search also selects its distance, and DISTINCT its sort fields.
        keys, stored, *_ = zip(*rows, strict=True) if rows else ((), ())
        return keys, stored

    def _step(self) -> Any:
        if self._query.is_slice() and self._query.is_by_distance():
            # The search may use an index, which has search options and may require a retry.
            return Execute
        return fastest(self.connection)


def _sorted_by(query: Any) -> list[str]:
    """Return the sort fields that DISTINCT must also select: PostgreSQL sorts only by selected columns there."""
    names = [name.removeprefix("-") for name in query.order_by_fields] if query.distinct_flag else []
    return [name for name in names if query._resolve_field(name.split("__")) is not None]


if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = tuple[list[Any], npt.NDArray[np.float32]]


@exempt
def to_matrix(queryset: Any, field: str) -> Matrix:
    """Return the primary keys of the queryset as a list, and its vectors as an (n, d) float32 array in the same order.

    ``field`` may cross relations. Rows whose vector is NULL are omitted. The whole result is held in memory.
    """
    query = MatrixQuery(queryset, field)
    return _assembled(query, run(query.columns(), query.connection))


@exempt
async def ato_matrix(queryset: Any, field: str) -> Matrix:
    """Do what ``to_matrix`` does, on an async connection."""
    query = MatrixQuery(queryset, field, is_async=True)
    return _assembled(query, await arun(query.columns(), query.connection))


def _assembled(query: MatrixQuery, columns: tuple[Sequence[Any], Sequence[Any]]) -> Matrix:
    keys, stored = columns
    if None in stored:
        there = [value is not None for value in stored]
        keys, stored = list(compress(keys, there)), list(compress(stored, there))
    with reading_from(query.connection):
        return list(map(query.key.from_db_value, keys)), _stacked(query, stored)


def _stacked(query: MatrixQuery, stored: Sequence[Any]) -> npt.NDArray[np.float32]:
    import numpy as np

    field = query.field
    if field.dimensions is None:
        return _of_one_length(field, stored)
    if field.element in (Element.FLOAT32, Element.HALF):
        return stacked(field, stored, wire_of(query.connection)).astype("<f4", copy=False)
    return np.array([_numbers(field.from_db_value(value)) for value in stored], np.float32).reshape(
        -1, field.dimensions
    )


def _of_one_length(field: VectorField, stored: Sequence[Any]) -> npt.NDArray[np.float32]:
    import numpy as np

    rows = [_numbers(field.from_db_value(value)) for value in stored]
    lengths = sorted(set(map(len, rows)))
    if len(lengths) > 1:
        raise DimensionMismatch(
            f"to_matrix: the rows of {field.label} have {', '.join(map(str, lengths))} dimensions, and a matrix has"
            f' one number of them. Filter first: .annotate(size=VectorDims("{field.name}")).filter(size={lengths[0]}).'
        )
    return np.array(rows, np.float32).reshape(len(rows), lengths[0] if lengths else 0)


def _numbers(read: Any) -> Any:
    """Return a value that was read from a field as a row of numbers."""
    if isinstance(read, str):
        return [int(bit) for bit in read]
    return read.to_numpy() if isinstance(read, SparseVector) else read
