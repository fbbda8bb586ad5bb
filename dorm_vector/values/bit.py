"""Bit strings: one bit per dimension."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from ..exceptions import InvalidVector
from .elements import Element
from .vector import BYTE_FORMATS, view_values
from .wire import Source, Wire, unknown

_HEADER = struct.Struct(">i")

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

_F1BIT = b"\x03"
"""The last byte of an F1BIT_BLOB of libSQL: https://docs.turso.tech/features/ai-and-embeddings#types"""


class Bit(bytes):
    """Hold a string of n bits in ceil(n / 8) bytes, most significant bit first, padded with zeros.

    Takes text of 0 and 1, a sequence or numpy array of booleans or of 0 and 1, pgvector's Bit, or packed bytes. Packed
    bytes give eight bits each.
    """

    element: ClassVar[Element] = Element.BIT
    _length: int

    def __new__(cls, value: Any, length: int | None = None) -> Self:
        if isinstance(value, cls):
            return value
        packed, bits = _packed(value)
        self = bytes.__new__(cls, packed)
        self._length = length or bits
        return self

    @classmethod
    def from_text(cls, text: str) -> Self:
        return cls(text)

    @classmethod
    def from_binary(cls, data: bytes) -> Self:
        """Read the output of PostgreSQL's ``bit_send``: int32 length, then the bits."""
        length = _header_of(data)
        if not length:
            raise InvalidVector(f"{len(data)} bytes are not the binary form of bits: its header does not match.")
        return cls(bytes(data[4:]), length)

    @classmethod
    def from_wire(cls, data: Any, dimensions: int | None = None, source: Source = unknown) -> Self:
        """Read the driver's value of a column of ``dimensions`` bits: binary, text or packed bytes.

        The length comes from the value's own header or trailing bytes. Packed bytes have the column's length if it
        fits, and otherwise all their bits.
        """
        if isinstance(data, str):
            return cls(data)
        named = {Wire.HEADED: _header_of(data), Wire.TYPED: _typed_length(data)}
        wire = source() if any(named.values()) else Wire.PACKED
        if wire is Wire.UNKNOWN:
            wire = next((likely for likely, length in named.items() if length == dimensions), Wire.PACKED)
        length = named.get(wire, 0)
        if wire is Wire.HEADED and length:
            return cls(bytes(data[4:]), length)
        if length:
            return cls(bytes(data[: (length + 7) // 8]).translate(_MIRRORED), length)
        return cls(bytes(data), dimensions if dimensions and len(data) == (dimensions + 7) // 8 else None)

    def dimensions(self) -> int:
        return self._length

    def to_text(self) -> str:
        return f"{int.from_bytes(self, 'big'):0{8 * len(self)}b}"[: self._length]

    def to_list(self) -> list[bool]:
        return [bit == "1" for bit in self.to_text()]

    def to_numpy(self) -> Any:
        """Return a numpy array of booleans."""
        import numpy as np

        return np.unpackbits(np.frombuffer(self, dtype=np.uint8), count=self._length).astype(bool)

    def to_binary(self) -> bytes:
        """Return PostgreSQL's binary form."""
        return _HEADER.pack(self._length) + bytes(self)

    def to_f1bit_blob(self) -> bytes:
        """Return libSQL's format: least significant bit first, then the number of unused bits, then the type byte.

        The unused bits are counted over all bytes but the last. Without the last byte, the number of bytes is even.
        """
        padded = bytes(self).translate(_MIRRORED) + b"\0" * (1 - len(self) % 2)
        return padded + bytes([8 * len(padded) + 8 - self._length]) + _F1BIT

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bit):
            return NotImplemented
        return self._length == other.dimensions() and bytes(self) == bytes(other)

    def __ne__(self, other: object) -> bool:
        # bytes defines its own __ne__.
        return not self == other

    __hash__ = bytes.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.to_text(),)

    def __repr__(self) -> str:
        from .shown import digest

        text = self.to_text()
        return f"Bit({text!r})" if len(text) <= 64 else f"Bit('{text[:32]}…', {self._length} bits, {digest(self)})"

    __str__ = __repr__


def _header_of(data: Any) -> int:
    """Return the number of bits in the header of PostgreSQL's binary form; 0 if the bytes are in another form."""
    length = int(_HEADER.unpack_from(data)[0]) if len(data) > _HEADER.size else 0
    return length if length > 0 and len(data) == _HEADER.size + (length + 7) // 8 else 0


def _typed_length(data: Any) -> int:
    """Return the number of bits in the last two bytes of an F1BIT_BLOB; 0 if the bytes are in another form."""
    if len(data) < 3 or len(data) % 2 == 0 or data[-1:] != _F1BIT:
        return 0
    length = 8 * len(data) - 8 - int(data[-2])
    size = (length + 7) // 8
    return length if length > 0 and len(data) == size + 3 - size % 2 else 0


def _packed(value: Any) -> tuple[bytes, int]:
    if isinstance(value, memoryview) and value.format not in BYTE_FORMATS:
        value = view_values(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), 8 * len(value)
    text = value if isinstance(value, str) else _text(value)
    if not text or set(text) - {"0", "1"}:
        raise InvalidVector(f"{text[:60]!r} is not a bit string. Write it as '10110', or give booleans.")
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big"), len(text)


def _text(value: Any) -> str:
    for convert in ("to_list", "tolist"):
        if hasattr(value, convert):
            value = getattr(value, convert)()
            break
    if not isinstance(value, Iterable):
        raise InvalidVector(f"{value!r} is not a bit string. Write it as '10110', or give booleans.")
    return "".join("1" if bit == 1 else "0" if bit == 0 else "?" for bit in value)
