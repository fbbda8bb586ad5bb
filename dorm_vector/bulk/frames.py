"""Data frames as what a load reads: Arrow tables and batches, and the frames of pandas and polars."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..exceptions import required
from ..introspection import innermost
from ..values.elements import Element
from ..values.missing import is_missing
from ..values.sparse import SparseVector
from .columns import named_field
from .matrix_columns import HeldRows, is_plain

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Frame:
    """The rows of a data frame, in parts of the size of a batch; ``total`` is None if it is unknown until the end."""

    parts: Iterator[Columns]
    total: int | None


def frame_of(model: Any, rows: Any, size: int) -> Frame | None:
    """Return the rows of a data frame; None for anything else."""
    if _is(rows, "polars", "DataFrame"):
        with required("polars"):
            rows = rows.to_arrow()
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(rows, arrow.RecordBatch):
        rows = arrow.Table.from_batches([rows])
    if arrow is not None and isinstance(rows, arrow.Table):
        return Frame(_of_arrow(model, rows.to_batches(max_chunksize=size)), rows.num_rows)
    if arrow is not None and isinstance(rows, arrow.RecordBatchReader):
        return Frame(_of_arrow(model, _cut(rows, size)), None)
    if _is(rows, "pandas", "DataFrame"):
        return Frame(_of_pandas(model, rows, size), len(rows))
    return None


def _is(rows: Any, package: str, name: str) -> bool:
    module = sys.modules.get(package)
    return module is not None and isinstance(rows, getattr(module, name))


def _cut(batches: Iterable[Any], size: int) -> Iterator[Any]:
    for batch in batches:
        for start in range(0, batch.num_rows, size):
            yield batch.slice(start, size)


def _of_arrow(model: Any, batches: Iterable[Any]) -> Iterator[Columns]:
    for batch in batches:
        if batch.num_rows:
            names = batch.schema.names
            yield {
                name: _arrow_column(named_field(model, name), column)
                for name, column in zip(names, batch.columns, strict=True)
            }


def _of_pandas(model: Any, frame: Any, size: int) -> Iterator[Columns]:
    for start in range(0, len(frame), size):
        part = frame.iloc[start : start + size]
        yield {str(name): _pandas_column(named_field(model, str(name)), part[name]) for name in frame.columns}


def _pandas_column(field: Any, series: Any) -> Any:
    if hasattr(series.array, "__arrow_array__") and type(series.dtype).__name__ == "ArrowDtype":
        import pyarrow as pa

        return _arrow_column(field, pa.array(series.array))
    if series.dtype.kind in "mM":
        convert = "to_pydatetime" if series.dtype.kind == "M" else "to_pytimedelta"
        # Nanoseconds are cut off, as numpy does.
        return [None if is_missing(value) else getattr(value.floor("us"), convert)() for value in series]
    values = series.tolist()
    gaps = series.isna().tolist()
    return [None if gap else value for gap, value in zip(gaps, values, strict=True)] if any(gaps) else values


def _arrow_column(field: Any, column: Any) -> Any:
    """Return an Arrow array as a matrix, if it holds the vectors of a plain field, or as Python objects."""
    import pyarrow as pa

    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if hasattr(field, "to_vector"):
        return _vectors(field, column)
    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        # Python has no finer unit.
        kind = column.type
        unit = pa.timestamp("us", tz=kind.tz) if pa.types.is_timestamp(kind) else pa.duration("us")
        column = column.cast(unit, safe=False)
    values = column.to_pylist()
    sparse = getattr(innermost(field), "element", None) is Element.SPARSE
    return [_nested(field, value) for value in values] if sparse else values


def _nested(field: Any, value: Any) -> Any:
    if value is None:
        return None
    if hasattr(field, "base_field"):
        return [_nested(field.base_field, each) for each in value]
    return _sparse(field, value)


def _vectors(field: Any, column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        return [_sparse(field, value) for value in column.to_pylist()]
    matrix = _matrix(column)
    if matrix is None:
        return column.to_pylist()
    held = None if not column.null_count else column.is_valid().to_numpy(zero_copy_only=False)
    if is_plain(field):
        return matrix if held is None else HeldRows(matrix, held)
    rows = iter(matrix)
    return list(matrix) if held is None else [next(rows) if each else None for each in held.tolist()]


def _sparse(field: Any, value: Any) -> Any:
    if not isinstance(value, Mapping) or not {"indices", "values"} <= value.keys():
        return value
    return SparseVector(
        dict(zip(value["indices"], value["values"], strict=True)), value.get("dimensions", field.dimensions)
    )


def _matrix(column: Any) -> Any:
    """Return the lists of a column, without NULLs, as the rows of an array; None if they are not of one length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    if not (is_list or pa.types.is_fixed_size_list(column.type)):
        return None
    whole = column.drop_null()
    lengths = {whole.type.list_size} if not is_list else set(pc.unique(pc.list_value_length(whole)).to_pylist())
    numbers = whole.flatten()
    if len(lengths) != 1 or not len(whole) or numbers.null_count or not min(lengths):
        return None
    kind = numbers.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return None
    return numbers.to_numpy(zero_copy_only=False).reshape(len(whole), -1)
