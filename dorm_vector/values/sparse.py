"""Sparse vectors: the positions and values of the non-zero elements."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar, Self

from ..exceptions import InvalidVector
from .elements import Element
from .vector import Vector
from .wire import Source, Wire, unknown

MAX_DIMENSIONS = 1_000_000_000

MAX_NONZERO = 16_000

MAX_DENSE = 16_000

_SHOWN = 8
"""The most values that the representation shows."""

_HEADER = struct.Struct(">iii")


class SparseVector(bytes):
    """Hold the non-zero values of a vector of up to 10^9 dimensions, at most 16,000 of them.

    ``SparseVector({0: 1.5, 7: -2.0}, 1000)`` takes 0-based positions and the number of dimensions. A single argument is
    anything dense that Vector takes, a scipy sparse array of one row, pgvector's SparseVector, or its text,
    ``{1:1.5,8:-2}/1000`` (1-based). With any of these, larger ``dimensions`` append zeros. Up to 16,000 dimensions, the
    bytes are those of the dense vector, so that every database can store it.
    """

    element: ClassVar[Element] = Element.SPARSE
    _dimensions: int
    _elements: dict[int, float]

    def __new__(cls, value: Any, dimensions: int | None = None) -> Self:
        if isinstance(value, cls) and dimensions is None:
            return value
        elements, length = _elements_of(value, dimensions)
        if dimensions is not None and dimensions != length:
            if dimensions < length:
                raise InvalidVector(f"this vector has {length:,} dimensions, and dimensions={dimensions:,} is fewer.")
            length = dimensions
        _check(elements, length)
        self = bytes.__new__(cls, _payload(elements, length))
        self._dimensions, self._elements = length, elements
        return self

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read pgvector's text form, ``{1:1.5,8:-2}/1000``, with 1-based positions."""
        try:
            body, _, length = text.strip().rpartition("/")
            pairs = [pair.split(":") for pair in body.strip("{}").split(",") if pair]
            return cls({int(index) - 1: float(value) for index, value in pairs}, int(length))
        except ValueError as error:
            raise InvalidVector(
                f"{text[:60]!r} is not the text of a sparse vector. Write it as {{1:1.5}}/3."
            ) from error

    @classmethod
    def from_binary(cls, data: bytes) -> Self:
        """Read the output of PostgreSQL's ``sparsevec_send``."""
        dimensions, count = _header_of(data)
        if not dimensions:
            raise InvalidVector(f"{len(data)} bytes are not pgvector's binary form: its header does not match.")
        indices = struct.unpack_from(f">{count}i", data, _HEADER.size)
        values = struct.unpack_from(f">{count}f", data, _HEADER.size + 4 * count)
        return cls(dict(zip(indices, values, strict=True)), dimensions)

    @classmethod
    def from_wire(cls, data: Any, dimensions: int | None = None, source: Source = unknown) -> Self:
        """Read the driver's value of a column of ``dimensions`` dimensions: binary, text or dense bytes.

        The length comes from the value's own header, or from the number of its bytes.
        """
        del dimensions
        if isinstance(data, str):
            return cls.from_text(data)
        # An all-zero vector of 63 dimensions has the same binary form as the dense vector [0.5, 0, 0].
        if _header_of(data)[0] and (len(data) % 4 or source() in (Wire.HEADED, Wire.UNKNOWN)):
            return cls.from_binary(bytes(data))
        return cls(bytes(data))

    def dimensions(self) -> int:
        return self._dimensions

    def indices(self) -> list[int]:
        """Return the 0-based positions of the values, in ascending order."""
        return list(self._elements)

    def values(self) -> list[float]:
        return list(self._elements.values())

    def to_dict(self) -> dict[int, float]:
        return dict(self._elements)

    def to_list(self) -> list[float]:
        dense = [0.0] * self._dimensions
        for index, value in self._elements.items():
            dense[index] = value
        return dense

    def to_numpy(self) -> Any:
        """Return a dense float32 array."""
        return self.to_vector().to_numpy()

    def to_vector(self) -> Vector:
        return Vector(self.to_list())

    def to_coo(self) -> Any:
        """Return a scipy ``coo_array`` of one row, as pgvector does; requires scipy."""
        from scipy.sparse import coo_array

        row = [0] * len(self._elements)
        return coo_array((self.values(), (row, self.indices())), shape=(1, self._dimensions))

    def to_text(self) -> str:
        pairs = ",".join(f"{index + 1}:{value!r}" for index, value in self._elements.items())
        return f"{{{pairs}}}/{self._dimensions}"

    def to_binary(self) -> bytes:
        """Return pgvector's binary form."""
        count = len(self._elements)
        body = struct.pack(f">{count}i{count}f", *self._elements, *self._elements.values())
        return _HEADER.pack(self._dimensions, count, 0) + body

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseVector):
            return NotImplemented
        return self.dimensions() == other.dimensions() and bytes(self) == bytes(other)

    def __ne__(self, other: object) -> bool:
        # bytes defines its own __ne__.
        return not self == other

    __hash__ = bytes.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._elements, self._dimensions)

    def __repr__(self) -> str:
        from .shown import digest

        if len(self._elements) <= _SHOWN:
            return f"SparseVector({self.to_text()})"
        pairs = ",".join(f"{index + 1}:{value:.4g}" for index, value in islice(self._elements.items(), _SHOWN))
        return f"SparseVector({{{pairs},…}}/{self._dimensions}, {len(self._elements)} values, {digest(self)})"

    __str__ = __repr__


def _header_of(data: Any) -> tuple[int, int]:
    """Return the dimensions and value count in the header of a binary form; zeros if the bytes are in another form."""
    if len(data) < _HEADER.size:
        return 0, 0
    dimensions, count, unused = _HEADER.unpack_from(data)
    is_whole = not unused and len(data) == _HEADER.size + 8 * count
    return (dimensions, count) if is_whole and 0 < dimensions <= MAX_DIMENSIONS else (0, 0)


def _elements_of(value: Any, dimensions: int | None) -> tuple[dict[int, float], int]:
    # Check this first: scipy's dok_array is also a mapping.
    if hasattr(value, "tocoo"):
        return _scipy(value)
    if isinstance(value, Mapping):
        if dimensions is None:
            raise InvalidVector("a sparse vector of positions needs its dimensions: SparseVector({0: 1.0}, 3).")
        return _nonzero(sorted(value.items())), dimensions
    if isinstance(value, str) and value.lstrip().startswith("{"):
        text = SparseVector.from_text(value)
        return text.to_dict(), text.dimensions()
    if hasattr(value, "indices") and hasattr(value, "values") and hasattr(value, "dimensions"):
        return _nonzero(zip(value.indices(), value.values(), strict=True)), int(value.dimensions())
    dense = Vector(value).to_list()
    return _nonzero(enumerate(dense)), len(dense)


def _scipy(value: Any) -> tuple[dict[int, float], int]:
    coo = value.tocoo().copy()
    # scipy defines the value at a position as the sum of its duplicates.
    coo.sum_duplicates()
    if coo.ndim == 2 and coo.shape[0] != 1:
        raise InvalidVector(f"a sparse array of shape {coo.shape} is not a vector. Give one row.")
    # Before scipy 1.13, there is no coords.
    positions = coo.coords[-1] if hasattr(coo, "coords") else coo.col
    pairs = sorted(zip(positions.tolist(), coo.data.tolist(), strict=True))
    return _nonzero(pairs), int(coo.shape[-1])


def _nonzero(pairs: Any) -> dict[int, float]:
    try:
        rounded = {int(index): array("f", [value])[0] for index, value in pairs}
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidVector(f"a sparse vector maps whole positions to numbers: {error}.") from None
    return {index: value for index, value in rounded.items() if value}


def _check(elements: dict[int, float], dimensions: int) -> None:
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise InvalidVector(f"a sparse vector has 1 to {MAX_DIMENSIONS:,} dimensions; this one has {dimensions:,}.")
    if len(elements) > MAX_NONZERO:
        raise InvalidVector(f"a sparse vector has at most {MAX_NONZERO:,} values; this one has {len(elements):,}.")
    for index, value in elements.items():
        if not 0 <= index < dimensions:
            raise InvalidVector(f"position {index} is outside a vector of {dimensions} dimensions; they count from 0.")
        if not math.isfinite(value):
            raise InvalidVector(f"value {index} of {dimensions} is {value}, not finite.")


def _payload(elements: dict[int, float], dimensions: int) -> bytes:
    if dimensions > MAX_DENSE:
        return struct.pack(f">{len(elements)}i{len(elements)}f", *elements, *elements.values())
    dense = array("f", bytes(4 * dimensions))
    for index, value in elements.items():
        dense[index] = value
    if sys.byteorder == "big":
        dense.byteswap()
    return dense.tobytes()
