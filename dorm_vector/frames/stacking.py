"""Stored vectors as one numpy array, without a Python object for each number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..values.elements import Element
from ..values.vector import F16
from ..values.wire import Wire

if TYPE_CHECKING:
    import numpy.typing as npt


def stacked(field: Any, stored: Sequence[Any], wire: Wire) -> npt.NDArray[Any]:
    """Return vectors of a field with known dimensions as an (n, d) array of float32, or of float16 for halves.

    Args:
        field: The vector field, of 32-bit or 16-bit floats.
        stored: What the driver returned for each row; no NULLs.
        wire: The database's wire format.
    """
    import numpy as np

    number = "<f2" if field.element is Element.HALF else "<f4"
    form = _form(field.element, field.dimensions, wire)
    if stored and set(map(type, stored)) == {bytes} and set(map(len, stored)) == {form.itemsize}:
        # numpy allocates this memory in large pages; joining the bytes takes three times as long.
        values = np.fromiter(stored, np.dtype((np.void, form.itemsize)), len(stored)).view(form)
        if form.fields is None or _is_marked(values, field.dimensions):
            matrix: npt.NDArray[Any] = values if form.fields is None else values["values"]
            return matrix.astype(number, copy=False)
    # The field reads other forms, and raises the error for other lengths.
    packed = b"".join([field.stored_vector(value) for value in stored])
    return np.frombuffer(packed, "<f4").reshape(-1, field.dimensions).astype(number, copy=False)


def _form(element: Element, dimensions: int, wire: Wire) -> Any:
    """Return the dtype of a vector in a wire format."""
    import numpy as np

    if wire is Wire.HEADED:
        # pgvector's vector_send and halfvec_send
        return np.dtype([("header", ">u4"), ("values", ">f2" if element is Element.HALF else ">f4", (dimensions,))])
    if wire is Wire.TYPED and element is Element.HALF:
        # libSQL's F16_BLOB
        return np.dtype([("values", "<f2", (dimensions,)), ("type", "u1")])
    return np.dtype(("<f4", dimensions))


def _is_marked(values: Any, dimensions: int) -> bool:
    """Return whether each vector has the header, or the last byte, of its format."""
    if "header" in values.dtype.fields:
        # The dimensions, then 16 zero bits.
        return bool((values["header"] == dimensions << 16).all())
    return bool((values["type"] == F16[0]).all())
