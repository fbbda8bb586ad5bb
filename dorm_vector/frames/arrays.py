"""Turn the values of a column into an Arrow array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..engines import wire_of
from ..values.elements import Element
from .arrow_types import as_value, is_nested, vector_type
from .stacking import stacked

if TYPE_CHECKING:
    import pyarrow as pa


def array_of(name: str, field: Any, kind: Any, values: Sequence[Any], connection: Any) -> pa.Array:
    """Return the values that a driver returned for a column as an array of the type ``kind``, or of an inferred one.

    Raises:
        TypeError: A value does not fit the type.
    """
    import pyarrow as pa

    if hasattr(field, "to_vector"):
        return _of_stored(field, values, connection)
    convert = as_value(field) if field is not None else None
    if convert is not None:
        values = [None if value is None else convert(value) for value in values]
    if is_nested(field):
        return _lists(field, values)
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        if kind is None:
            return pa.array([None if value is None else str(value) for value in values], pa.string())
        raise TypeError(
            f"The column {name!r} is {kind} in Arrow, and one of its values is not: {error}."
            " Correct the row, or leave the column out with values(…)."
        ) from error


def _of_stored(field: Any, values: Sequence[Any], connection: Any) -> pa.Array:
    """Return vectors, and NULLs, as the driver returned them."""
    if field.dimensions is None or field.element in (Element.SPARSE, Element.BIT):
        return _of_values(field, [field.stored_vector(value) for value in values])
    held = None if None not in values else [value is not None for value in values]
    stored = values if held is None else [value for value in values if value is not None]
    return _of_matrix(field, stacked(field, stored, wire_of(connection)), held)


def _of_values(field: Any, values: Sequence[Any]) -> pa.Array:
    """Return values of ``dorm_vector``, such as Vector and Bit, as an array of lists."""
    import numpy as np
    import pyarrow as pa

    kind = vector_type(field)
    if field.element is Element.SPARSE:
        return pa.array([None if each is None else _parts(each) for each in values], kind)
    packed = b"".join([each for each in values if each is not None])
    lengths = [None if each is None else each.dimensions() for each in values]
    if field.dimensions is None:
        numbers = pa.array(np.frombuffer(packed, "<f4")).cast(kind.value_type)
        return pa.ListArray.from_arrays(_offsets(lengths), numbers, type=kind)
    held = [length is not None for length in lengths]
    if field.element is Element.BIT:
        octets = np.frombuffer(packed, np.uint8).reshape(-1, (field.dimensions + 7) // 8)
        return _of_matrix(field, np.unpackbits(octets, axis=1, count=field.dimensions).astype(bool), held)
    return _of_matrix(field, np.frombuffer(packed, "<f4").reshape(-1, field.dimensions), held)


def _parts(sparse: Any) -> dict[str, Any]:
    return {"indices": sparse.indices(), "values": sparse.values(), "dimensions": sparse.dimensions()}


def _of_matrix(field: Any, matrix: Any, held: list[bool] | None) -> pa.Array:
    """Return the rows of a matrix as lists of a fixed size, with a NULL where ``held`` is False."""
    import numpy as np
    import pyarrow as pa

    mask = None
    if held is not None and not all(held):
        there = np.array(held, bool)
        whole = np.zeros((len(held), field.dimensions), matrix.dtype)
        if there.any():
            whole[there] = matrix
        matrix, mask = whole, pa.array(~there)
    kind = vector_type(field)
    numbers = pa.array(np.ascontiguousarray(matrix).reshape(-1)).cast(kind.value_type)
    return pa.FixedSizeListArray.from_arrays(numbers, type=kind, mask=mask)


def _offsets(lengths: Sequence[int | None]) -> pa.Array:
    """Return where each list begins; a NULL offset is a NULL list."""
    import pyarrow as pa

    position = 0
    offsets: list[int | None] = []
    for length in lengths:
        offsets.append(position if length is not None else None)
        position += length or 0
    return pa.array([*offsets, position], pa.int32())


def _lists(field: Any, values: Sequence[Any]) -> pa.Array:
    """Return lists of vectors that a field has read."""
    import pyarrow as pa

    inner, flat = field.base_field, [each for row in values if row is not None for each in row]
    if hasattr(inner, "to_vector"):
        found = _of_values(inner, [None if each is None else inner.value_type(each) for each in flat])
    else:
        found = _lists(inner, flat)
    return pa.ListArray.from_arrays(_offsets([None if row is None else len(row) for row in values]), found)
