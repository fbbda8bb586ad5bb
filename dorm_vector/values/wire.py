"""Wire formats of the databases, and the source that resolves bytes that fit two formats."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from enum import Enum

_ARRAY_HEADER, _FLOAT4_OID = struct.Struct(">iiIii"), 700


class Wire(Enum):
    """How a database returns the vectors of its columns."""

    HEADED = "in pgvector's binary form, whose header names the length"
    PACKED = "as the packed numbers alone"
    TYPED = "packed, and the short elements with a last byte that names them"
    UNKNOWN = "in a form that only the bytes can tell"


Source = Callable[[], Wire]
"""Returns where the current value comes from; called only if its bytes can be read in two ways."""


def unknown() -> Wire:
    return Wire.UNKNOWN


class FloatArray(bytes):
    """Packed little-endian float32 values of many vectors, bound as one ``real[]`` of PostgreSQL."""

    __slots__ = ()

    def to_text(self) -> str:
        return "{" + ",".join(map(repr, self._values())) + "}"

    def to_binary(self) -> bytes:
        """Return PostgreSQL's binary form: a header, and the length of each value before it."""
        count = len(self) // 4
        framed = array("I", bytes(2 * len(self)))
        framed[0::2], framed[1::2] = array("I", [4]) * count, array("I", self._values().tobytes())
        if sys.byteorder == "little":
            framed.byteswap()
        return _ARRAY_HEADER.pack(1, 0, _FLOAT4_OID, count, 1) + framed.tobytes()

    def _values(self) -> array[float]:
        values = array("f", bytes(self))
        if sys.byteorder == "big":
            values.byteswap()
        return values

    def __repr__(self) -> str:
        # Short, because query logs contain it.
        return f"{type(self).__name__}({len(self) // 4} values)"

    __str__ = __repr__
