"""Encoder for PostgreSQL's binary COPY format.

Source: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

from __future__ import annotations

import datetime as dt
import decimal
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from typing import Any

from .batches import Batch, MatrixColumn

Frames = Iterable[bytes]

Encode = Callable[[Any], bytes]

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)

_END = struct.pack(">h", -1)

_NULL = struct.pack(">i", -1)

_LENGTH = struct.Struct(">i")


def _moment(value: Any) -> dt.datetime:
    moment: dt.datetime = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment


def _whole(value: Any, size: int) -> int:
    # psycopg would truncate a number that does not fit.
    number = int(value)
    if not -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1:
        raise OverflowError(f"{value!r} does not fit in an integer of {size} bytes.")
    return number


# Converts the values that djanorm binds, mostly text, to those that psycopg's dumper of the type accepts.
_NATIVE: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "bytea": bytes,
    "date": lambda value: dt.date.fromisoformat(value) if isinstance(value, str) else value,
    "float4": lambda value: struct.unpack(">f", struct.pack(">f", value))[0],
    "float8": float,
    "int2": lambda value: _whole(value, 2),
    "int4": lambda value: _whole(value, 4),
    "int8": lambda value: _whole(value, 8),
    "interval": lambda value: value,
    "numeric": decimal.Decimal,
    "time": lambda value: dt.time.fromisoformat(value) if isinstance(value, str) else value,
    "timestamp": lambda value: _moment(value).replace(tzinfo=None),
    "timestamptz": lambda value: _moment(value),  # noqa: PLW0108  # it is defined below
    "uuid": lambda value: value if isinstance(value, uuid.UUID) else uuid.UUID(value),
}

_TEXT = frozenset({"text", "varchar", "bpchar", "json"})

_VECTORS = frozenset({"vector", "halfvec", "sparsevec", "bit"})

IS_BINARY = _NATIVE.keys() | _TEXT | _VECTORS | {"jsonb"}
"""Types whose binary form is known here; if any column has another type, the load uses INSERT statements."""


def encoder(type_name: str, oid: int, connection: Any) -> Encode:
    """Return a function that converts a bound value to the binary form of the type."""
    if type_name in _VECTORS:
        return lambda value: value.to_binary()
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
    return [_NULL if value is None else _framed(encode(value)) for value in column]


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
    return [data[at : at + width] for at in range(0, len(data), width)]


def _aware(value: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    # The server reads text without an offset in the session's time zone.
    return value if value.tzinfo else value.replace(tzinfo=zone)
