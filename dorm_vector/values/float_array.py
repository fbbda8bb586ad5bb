"""Many floats as one query parameter of PostgreSQL."""

from __future__ import annotations

import struct
import sys
from array import array

_FLOAT4_OID = 700

_HEADER = struct.Struct(">iiIii")


class FloatArray(bytes):
    """Packed little-endian float32 values, bound as one ``real[]``."""

    __slots__ = ()

    def to_text(self) -> str:
        return "{" + ",".join(map(repr, _floats(self))) + "}"

    def to_binary(self) -> bytes:
        """Return PostgreSQL's binary form: a header, and the length of each value before it."""
        count = len(self) // 4
        framed = array("I", bytes(2 * len(self)))
        framed[0::2], framed[1::2] = array("I", [4]) * count, array("I", _floats(self).tobytes())
        if sys.byteorder == "little":
            framed.byteswap()
        return _HEADER.pack(1, 0, _FLOAT4_OID, count, 1) + framed.tobytes()

    def __repr__(self) -> str:
        # Short, because query logs contain it.
        return f"{type(self).__name__}({len(self) // 4} values)"

    __str__ = __repr__


def _floats(data: bytes) -> array[float]:
    values = array("f", bytes(data))
    if sys.byteorder == "big":
        values.byteswap()
    return values
