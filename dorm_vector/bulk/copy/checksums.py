"""Checksums of rows: sums of 64-bit hashes, so that the order of rows does not matter.

Python hashes texts and bytes with SipHash, whose key differs from process to process. A copy that another process
continues reads its source once more for the verification.
"""

from __future__ import annotations

import datetime as dt
import decimal
import struct
import sys
import uuid
from collections.abc import Callable, Sequence
from enum import Enum
from hashlib import blake2b
from typing import Any

from ...values.vector import HalfVector, Vector
from .values import Column, token

MODULUS = 1 << 64

_HASHED_AS_THEY_ARE = frozenset({str, bytes, Vector, HalfVector, type(None)})
"""The types whose hash has 64 bits, and is the same for a packed vector and its bytes. A text and its bytes have the
same one, too; a field reads either."""

_BYTES = frozenset({bytearray, memoryview})

_PLAIN = frozenset({bool, int, float, decimal.Decimal, dt.date, dt.datetime, dt.time, dt.timedelta, uuid.UUID})


def checksum(columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> int:
    """Return the checksum of rows, whose values are given by column, as models read them."""
    hashable = [_hashable(column, each) for column, each in zip(columns, values, strict=True)]
    return sum(map(_hash_row, zip(*hashable, strict=True))) % MODULUS


def _hashable(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """Return texts and bytes as they are, and bytes for every other value: the hash of a number has fewer bits."""
    if column.is_document:
        return column.tokens(values)
    kinds = {*map(type, values)}
    if kinds <= _HASHED_AS_THEY_ARE:
        return values
    # Most columns of numbers and times; a function per value takes longer than the rest of the checksum.
    return column.tokens(values) if kinds <= _PLAIN else list(map(_plain, values))


def _plain(value: Any) -> str | bytes | None:
    if isinstance(value, Enum):
        value = value.value
    if type(value) in _HASHED_AS_THEY_ARE:
        return value  # type: ignore[no-any-return]  # it is one of these
    if isinstance(value, str):
        return str.__str__(value)
    return bytes(value) if type(value) in _BYTES else token(value)


def _blake2(row: Sequence[str | bytes | None]) -> int:
    """Return the hash of a row where Python's own has fewer than 64 bits."""
    parts = [b"n" if each is None else token(each) for each in row]
    data = b"".join((struct.pack(f">{len(parts)}q", *map(len, parts)), *parts))
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


_hash_row: Callable[[Sequence[Any]], int] = hash if sys.hash_info.width >= 64 else _blake2


def to_text(checksum: int | None) -> str:
    """Return a checksum as text, with what tells the keys of processes apart."""
    return f"{_key()}:{'' if checksum is None else checksum}"


def from_text(text: str) -> int | None:
    """Return the checksum; None if another process has computed it, with another key, or an earlier release."""
    key, _, number = text.partition(":")
    return int(number) if number and key == _key() else None


def _key() -> str:
    return f"{_hash_row(('dorm_vector copy',)) % MODULUS:x}"
