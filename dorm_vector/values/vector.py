"""Vector values, and their binary and text formats."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..exceptions import InvalidVector
from .elements import Element
from .lengths import is_ordinary
from .wire import Source, Wire, unknown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_PG_HEADER = struct.Struct(">HH")

_NO_FLAGS = b"\0\0"

F16 = b"\x05"
"""The last byte of an F16_BLOB of libSQL: https://docs.turso.tech/features/ai-and-embeddings#types"""


class Vector(bytes):
    """Hold n finite float32 values as 4n bytes of little-endian float32.

    Every driver that takes bytes binds it as it is; psycopg sends it in pgvector's binary form.
    Takes a list, a tuple, an ``array.array``, any one-dimensional numpy array, anything with ``__array__``
    or ``tolist()``, pgvector's values, its text form ``"[1,2,3]"``, or packed bytes.

    Raises:
        InvalidVector: The value has NaN, infinity, a value outside float32's range, a non-number or a nested sequence.
    """

    __slots__ = ()
    element: ClassVar[Element] = Element.FLOAT32

    def __new__(cls, value: Any) -> Self:
        if type(value) is cls:
            return value
        if type(value) is not list and hasattr(value, "__next__"):
            # An iterator can be read only once, and the error for a non-vector names an item.
            value = list(value)
        packed = bytes(value) if isinstance(value, Vector) else _pack(value)
        _require_finite(packed, value)
        return bytes.__new__(cls, cls._rounded(packed))

    @classmethod
    def _rounded(cls, packed: bytes) -> bytes:
        return packed

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read pgvector's text form, ``[1,2.5,-3]``."""
        stripped = text.strip()
        if not (stripped.startswith("[") and stripped.endswith("]")):
            raise InvalidVector(f"{_short(text)} is not the text of a vector. Write it as [1,2,3].")
        try:
            return cls([float(part) for part in stripped[1:-1].split(",")])
        except ValueError:
            raise InvalidVector(f"{_short(text)} is not the text of a vector. Write it as [1,2,3].") from None

    @classmethod
    def from_binary(cls, data: bytes) -> Self:
        """Read the output of PostgreSQL's ``vector_send``: uint16 length, uint16 zero, big-endian float32."""
        return cls(_swapped(_body(data, 4)))

    @classmethod
    def from_wire(cls, data: Any, dimensions: int | None = None, source: Source = unknown) -> Self:
        """Read the driver's value of a column of ``dimensions`` dimensions: packed bytes, binary form or text.

        The length comes from the value's own header, or from the number of its bytes.
        """
        return bytes.__new__(cls, from_wire(data, dimensions, source))

    def dimensions(self) -> int:
        return len(self) // 4

    def to_list(self) -> list[float]:
        return unpack(self)

    def to_numpy(self) -> npt.NDArray[np.float32]:
        """Return a read-only float32 array that shares the memory."""
        return unpack_numpy(self)

    def to_text(self) -> str:
        return "[" + ",".join(map(repr, unpack(self))) + "]"

    def to_binary(self) -> bytes:
        """Return pgvector's binary form."""
        return _PG_HEADER.pack(self.dimensions(), 0) + _swapped(self)

    def __repr__(self) -> str:
        from .shown import digest, first_values

        # Short and derived from the value, because query logs and djanorm's cache keys contain it.
        shown = first_values(_floats(self[:16]), self.dimensions())
        return f"{type(self).__name__}({shown}, {self.dimensions()} dimensions, {digest(self)})"

    __str__ = __repr__


_ZEROS = b"\x00\x80"


def is_zero(vector: bytes) -> bool:
    """Return whether every number of a value is zero, of either sign."""
    if vector.strip(_ZEROS):
        return False
    return not any(vector.to_list() if isinstance(vector, Vector) else vector)


class Direction(Vector):
    """A vector scaled by a power of two, which is exact, to a length from 0.5 to 1; zeros as they are."""

    __slots__ = ()

    @classmethod
    def _rounded(cls, packed: bytes) -> bytes:
        values = _floats(packed)
        _fraction, exponent = math.frexp(math.hypot(*values))
        return _pack_sequence([math.ldexp(value, -exponent) for value in values]) if exponent else packed


class HalfVector(Vector):
    """Hold n values in the range of 16-bit floats, -65504 to 65504, as 4n bytes of little-endian float32.

    Takes what Vector takes, and rounds each value to the nearest 16-bit float.

    Raises:
        InvalidVector: A value is outside the range.
    """

    __slots__ = ()
    element: ClassVar[Element] = Element.HALF

    @classmethod
    def _rounded(cls, packed: bytes) -> bytes:
        values = _floats(packed)
        try:
            halves = struct.pack(f"<{len(values)}e", *values)
        except OverflowError:
            position = next(i for i, value in enumerate(values) if abs(value) >= 65520)
            raise InvalidVector(
                f"value {position} of {len(values)} is {values[position]:g}, past a half: -65504 to 65504."
            ) from None
        return _from_halves(halves, "<")

    @classmethod
    def from_binary(cls, data: bytes) -> Self:
        """Read the output of PostgreSQL's ``halfvec_send``: uint16 length, uint16 zero, big-endian float16."""
        return cls(_from_halves(_body(data, 2), ">"))

    @classmethod
    def from_wire(cls, data: Any, dimensions: int | None = None, source: Source = unknown) -> Self:
        # Only libSQL's form has an odd length; a zero in it may look like PostgreSQL's header.
        if len(data) % 2 and data[-1:] == F16:
            return bytes.__new__(cls, _from_halves(data[:-1], "<"))
        # Read as a float32, the header is smaller than any 16-bit float.
        if data[2:4] == _NO_FLAGS and data[:2] != _NO_FLAGS:
            return bytes.__new__(cls, _from_halves(_body(data, 2), ">"))
        return bytes.__new__(cls, from_wire(data, dimensions, source))

    def to_binary(self) -> bytes:
        return _PG_HEADER.pack(self.dimensions(), 0) + struct.pack(f">{self.dimensions()}e", *_floats(self))

    def to_f16_blob(self) -> bytes:
        """Return libSQL's format: little-endian float16, then a byte that names the type."""
        return struct.pack(f"<{self.dimensions()}e", *_floats(self)) + F16


def _body(data: bytes, size: int) -> bytes:
    """Return a binary form without its header; raise InvalidVector if the header does not match the length."""
    if len(data) < 4 or bytes(data[:4]) != _PG_HEADER.pack((len(data) - 4) // size, 0) or len(data) % size:
        raise InvalidVector(f"{len(data)} bytes are not pgvector's binary form: its header does not match.")
    return bytes(data[4:])


def _from_halves(data: bytes, order: str) -> bytes:
    values = struct.unpack(f"{order}{len(data) // 2}e", data)
    return struct.pack(f"<{len(values)}f", *values)


def unpack(data: bytes) -> list[float]:
    """Return the float32 values of 4n little-endian bytes."""
    return _floats(data).tolist()


def unpack_numpy(data: bytes) -> npt.NDArray[np.float32]:
    """Return 4n little-endian bytes as a float32 array that shares their memory."""
    import numpy as np

    return np.frombuffer(data, dtype="<f4")


def _array_reader() -> Callable[[bytes], Any]:
    import numpy as np

    return partial(np.frombuffer, dtype="<f4")


def float_reader(dimensions: int, read: Callable[[Any], Any], *, as_numpy: bool) -> Callable[[Any], Any]:
    """Return a function that reads a column of float32 vectors as ``read`` does, which gets all unusual values.

    It does in one call what ``from_wire`` and ``unpack`` do in several, for each row of a result.
    """
    header, packed = _PG_HEADER.pack(dimensions, 0), 4 * dimensions
    headed, unpacked = packed + 4, _array_reader() if as_numpy else unpack

    def floats(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is bytes and len(value) == headed and value.startswith(header):
            values = array("f", value[4:])
            values.byteswap()
            return unpacked(values.tobytes()) if as_numpy else values.tolist()
        if type(value) is bytes and len(value) == packed and (value[2:4] != _NO_FLAGS or value[:2] == _NO_FLAGS):
            return unpacked(value)
        return read(value)

    return read if sys.byteorder == "big" else floats


def from_wire(data: Any, dimensions: int | None, source: Source = unknown) -> bytes:
    """Return the driver's value of a column of ``dimensions`` dimensions as little-endian float32 bytes.

    Reads packed bytes, pgvector's binary form (four bytes longer) and its text form.
    """
    if isinstance(data, str):
        return Vector.from_text(data)
    size = len(data)
    if dimensions and size == 4 * dimensions + 4 and data[:4] == _PG_HEADER.pack(dimensions, 0):
        return _swapped(data[4:])
    if size % 4 or (data[2:4] == _NO_FLAGS and data[:2] != _NO_FLAGS):
        return _doubtful(data, size, source)
    return bytes(data)


def _doubtful(data: Any, size: int, source: Source) -> bytes:
    """Return little-endian float32 bytes for data that begins like pgvector's header or like a number near zero."""
    if not size % 4 and data[:4] == _PG_HEADER.pack(size // 4 - 1, 0):
        if source() in (Wire.HEADED, Wire.UNKNOWN):
            return _swapped(data[4:])
    elif size % 4 or source() is Wire.HEADED:
        raise InvalidVector(f"{size} bytes are not float32 values: neither packed nor in pgvector's binary form.")
    return bytes(data)


def _swapped(data: bytes) -> bytes:
    """Reverse the four bytes of each float: big-endian to little-endian, and back."""
    values = array("f", bytes(data))
    values.byteswap()
    return values.tobytes()


def _floats(data: bytes) -> array[float]:
    values = array("f", bytes(data))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _pack(value: Any) -> bytes:
    if isinstance(value, (list, tuple, array)):
        return _pack_sequence(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _packed_bytes(value)
    if isinstance(value, str):
        return Vector.from_text(value)
    if hasattr(value, "__array__"):
        return _pack_array(value)
    for convert in ("to_list", "tolist"):
        if hasattr(value, convert):
            return _pack_sequence(getattr(value, convert)())
    if isinstance(value, Iterable) and not isinstance(value, (Mapping, AbstractSet)):
        # A set has no order, and the keys of a mapping are not its values.
        return _pack_sequence(list(value))
    raise InvalidVector(f"{_short(value)} is not a vector. Give a sequence of numbers.")


def _pack_sequence(values: Any) -> bytes:
    try:
        packed = array("f", values)
    except (TypeError, OverflowError) as error:
        position, bad = next((i, v) for i, v in enumerate(values) if not _is_number(v))
        reason = "past float32" if isinstance(error, OverflowError) else "not a number"
        raise InvalidVector(f"value {position} of {len(values)} is {_short(bad)}, {reason}.") from None
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _packed_bytes(value: Any) -> bytes:
    if isinstance(value, memoryview) and value.format not in BYTE_FORMATS:
        return _pack_sequence(view_values(value))
    data = bytes(value)
    if len(data) % 4:
        raise InvalidVector(f"{len(data)} bytes are not a vector: packed float32 comes in fours.")
    return data


def _pack_array(value: Any) -> bytes:
    import numpy as np

    if type(value) is np.ndarray and value.ndim == 1 and value.dtype.str == "<f4":
        return value.tobytes()
    if hasattr(value, "mask") and (masked := np.ma.getmaskarray(value)).any():
        raise InvalidVector(f"value {int(masked.argmax())} of {value.size} is masked. Fill it first: array.filled(0).")
    values = np.asarray(value)
    if values.ndim != 1:
        raise InvalidVector(f"an array of shape {values.shape} is not a vector. Give one axis: array.reshape(-1).")
    if values.dtype.kind not in "fiu":
        return _pack_sequence(values.tolist())
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype="<f4").tobytes()


def _require_finite(packed: bytes, value: Any) -> None:
    # A float64 sum of float32 values cannot overflow, and NaN or infinity propagates to the sum.
    if packed and (is_ordinary(packed) or math.isfinite(sum(_floats(packed)))):
        return
    if not packed:
        raise InvalidVector("a vector needs at least one dimension; this one is empty.")
    values = unpack(packed)
    position = next(i for i, item in enumerate(values) if not math.isfinite(item))
    given = values[position] if isinstance(value, (bytes, bytearray, str)) else _items(value)[position]
    reason = "past float32" if math.isfinite(float(given)) else "not finite"
    raise InvalidVector(f"value {position} of {len(values)} is {given}, {reason}.")


BYTE_FORMATS = frozenset("Bbc")
"""Memoryview formats that hold raw bytes rather than numbers."""


def view_values(view: memoryview) -> list[Any]:
    """Return the numbers of a memoryview, in either byte order.

    Raises:
        InvalidVector: The view has more than one dimension, or a format without numbers.
    """
    if view.ndim != 1:
        raise InvalidVector(f"a memoryview of shape {view.shape} is not a vector. Give one axis.")
    order, code = view.format[:-1], view.format[-1:]
    try:
        return list(struct.unpack(f"{order}{len(view)}{code}", view.tobytes()))
    except struct.error:
        raise InvalidVector(f"a memoryview of the format {view.format!r} is not a vector of numbers.") from None


def _items(value: Any) -> list[Any]:
    """Return the items of a value as they were given."""
    if isinstance(value, memoryview):
        return unpack(bytes(value)) if value.format in BYTE_FORMATS else view_values(value)
    names = [name for name in ("to_list", "tolist") if hasattr(value, name)]
    return list(getattr(value, names[0])() if names else value)


def _is_number(value: Any) -> bool:
    try:
        array("f", [value])
    except (TypeError, OverflowError):
        return False
    return True


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:
        # Python refuses to print integers of more than 4,300 digits.
        return f"an integer of {value.bit_length():,} bits"
    return text if len(text) <= 60 else f"{text[:57]}..."
