"""Read many vectors into one numpy matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

from ..engines import dialect_for, wire_of
from ..engines.row_source import reading_from
from ..exceptions import DimensionMismatch
from ..introspection import require_one_key
from ..models.fields import VectorField
from ..models.querysets import upgraded
from ..steps import Execute, Steps, arun, run
from ..values.sparse import SparseVector
from ..values.vector import Vector
from ..values.wire import Wire
from .steps import BinaryRows, PlainRows


class MatrixQuery:
    """The key and the vector column of a queryset, and how its database hands them over."""

    def __init__(self, queryset: Any, path: str, *, is_async: bool = False) -> None:
        queryset = upgraded(queryset)
        self.field = queryset._query._resolve_field(path.split("__"))
        if not isinstance(self.field, VectorField):
            raise TypeError(f"to_matrix() reads a vector field; {queryset.model.__name__} has none at {path!r}.")
        require_one_key(queryset.model, "to_matrix()")
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
        if dialect.loading.plain_rows and not getattr(self.connection, "sync_url", None):
            return PlainRows
        return BinaryRows if dialect.loading.binary_rows else Execute


def _sorted_by(query: Any) -> list[str]:
    """Return the fields that DISTINCT has to read beside the two: PostgreSQL sorts by nothing else there."""
    names = [name.removeprefix("-") for name in query.order_by_fields] if query.distinct_flag else []
    return [name for name in names if query._resolve_field(name.split("__")) is not None]


if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = tuple[list[Any], npt.NDArray[np.float32]]


def to_matrix(queryset: Any, field: str) -> Matrix:
    """Return the primary keys and the vectors of the queryset: a list, and an (n, d) float32 array of the same order.

    ``field`` may cross relations. Rows whose vector is NULL are left out. Everything is held in memory at once.
    """
    query = MatrixQuery(queryset, field)
    return _assembled(query, run(query.columns(), query.connection))


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
    form = (_with_header if wire_of(query.connection) is Wire.HEADED else _packed)(field.dimensions)
    if field.value_type is Vector and set(map(len, stored)) <= {form.itemsize}:
        # Into memory of numpy's own, which asks for large pages: a join takes three times as long.
        values: Any = np.fromiter(stored, np.dtype((np.void, form.itemsize)), len(stored)).view(form)
        if form.fields is None or (values["header"] == _header(field.dimensions)).all():
            matrix: npt.NDArray[np.float32] = values if form.fields is None else values["values"].astype("<f4")
            return matrix
    # Of another type, or not of one length: the field knows what to do, or to say.
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
    """Return what a field reads as a row of numbers."""
    if isinstance(read, str):
        return [int(bit) for bit in read]
    return read.to_numpy() if isinstance(read, SparseVector) else read


def _packed(dimensions: int) -> Any:
    import numpy as np

    return np.dtype(("<f4", dimensions))


def _with_header(dimensions: int) -> Any:
    """Return the type of what ``vector_send`` writes."""
    import numpy as np

    return np.dtype([("header", ">u4"), ("values", ">f4", (dimensions,))])


def _header(dimensions: int) -> int:
    """Return the four bytes before them as one number: the length, and 16 bits that are zero."""
    return dimensions << 16
