"""Encoder for PostgreSQL's binary COPY format.

Source: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

from __future__ import annotations

import datetime as dt
import decimal
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from .batches import Batch
from .matrix_columns import MatrixColumn

Frames = Iterable[bytes]

Encode = Callable[[Any], bytes]

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)

_END = struct.pack(">h", -1)

_NULL = struct.pack(">i", -1)

_LENGTH = struct.Struct(">i")

_INTEGERS = {2: struct.Struct(">ih"), 4: struct.Struct(">ii"), 8: struct.Struct(">iq")}
"""By size: the length of an integer, and the integer."""


def _moment(value: Any) -> dt.datetime:
    moment: dt.datetime = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment


@dataclass(frozen=True)
class _Integer:
    """Encodes integers of ``size`` bytes."""

    size: int

    def __call__(self, value: Any) -> bytes:
        number = int(value)
        try:
            return number.to_bytes(self.size, "big", signed=True)
        except OverflowError:
            raise OverflowError(f"{value!r} does not fit in an integer of {self.size} bytes.") from None

    def frames(self, column: Sequence[Any]) -> Frames | None:
        """Return a whole column, or None if a value has to be converted, or refused, on its own."""
        if set(map(type, column)) != {int}:
            return None
        pack, size = _INTEGERS[self.size].pack, self.size
        try:
            return [pack(size, value) for value in column]
        except struct.error:
            return None


# Converts the values that djanorm binds, mostly text, to those that psycopg's dumper of the type accepts.
_NATIVE: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "bytea": bytes,
    "date": lambda value: dt.date.fromisoformat(value) if isinstance(value, str) else value,
    "float4": lambda value: struct.unpack(">f", struct.pack(">f", value))[0],
    "float8": float,
    "interval": lambda value: value,
    "numeric": decimal.Decimal,
    "time": lambda value: dt.time.fromisoformat(value) if isinstance(value, str) else value,
    "timestamp": lambda value: _moment(value).replace(tzinfo=None),
    "timestamptz": lambda value: _moment(value),  # noqa: PLW0108  # it is defined below
    "uuid": lambda value: value if isinstance(value, uuid.UUID) else uuid.UUID(value),
}

_TEXT = frozenset({"text", "varchar", "bpchar", "json"})

_VECTORS = frozenset({"vector", "halfvec", "sparsevec", "bit"})

_WHOLE = {"int2": _Integer(2), "int4": _Integer(4), "int8": _Integer(8)}

IS_BINARY = _NATIVE.keys() | _WHOLE.keys() | _TEXT | _VECTORS | {"jsonb"}
"""Types whose binary form is known here; if any column has another type, the load uses INSERT statements."""


def encoder(type_name: str, oid: int, connection: Any) -> Encode:
    """Return a function that converts a bound value to the binary form of the type."""
    if type_name in _VECTORS:
        return lambda value: value.to_binary()
    if type_name in _WHOLE:
        return _WHOLE[type_name]
    charset = connection.info.encoding
    if type_name in _TEXT:
        return lambda value: value.encode(charset)
    if type_name == "jsonb":
        return lambda value: b"\1" + value.encode(charset)
    from psycopg.pq import Format

    native = _NATIVE[type_name]
    dump = connection.adapters.get_dumper_by_oid(oid, Format.BINARY)(object, connection).dump
    if type_name == "timestamptz":
        zone = connection.info.timezone
        return lambda value: bytes(dump(_aware(native(value), zone)))
    return lambda value: bytes(dump(native(value)))


def copy_data(batch: Batch, encoders: Sequence[Encode]) -> bytes:
    """Return the bytes of one COPY statement."""
    start = struct.pack(">h", len(batch.columns))
    frames = [_frames(column, encode) for column, encode in zip(batch.columns, encoders, strict=True)]
    rows = zip(repeat(start, len(batch)), *frames, strict=True)
    return b"".join(chain([_HEADER], chain.from_iterable(rows), [_END]))


def _frames(column: Sequence[Any], encode: Encode) -> Frames:
    if isinstance(column, MatrixColumn):
        return _matrix_frames(column)
    whole = encode.frames(column) if isinstance(encode, _Integer) else None
    return whole or [_NULL if value is None else _framed(encode(value)) for value in column]


def _framed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _matrix_frames(matrix: MatrixColumn) -> Frames:
    """Convert all values to big-endian at once, then slice the rows."""
    import numpy as np

    rows, dimensions = matrix.array.shape
    head = struct.pack(">ihh", 4 * dimensions + 4, dimensions, 0)
    framed = np.empty((rows, len(head) + 4 * dimensions), np.uint8)
    framed[:, : len(head)] = np.frombuffer(head, np.uint8)
    framed[:, len(head) :] = matrix.array.astype(">f4").view(np.uint8)
    data, width = framed.tobytes(), framed.shape[1]
    return matrix.spread((data[at : at + width] for at in range(0, len(data), width)), _NULL)


def _aware(value: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    # The server reads text without an offset in the session's time zone.
    return value if value.tzinfo else value.replace(tzinfo=zone)
