"""Convert values for binding: libSQL's types, and the conversions of Python's sqlite3 module."""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from dorm.exceptions import ProgrammingError

from ...values.bit import Bit
from ...values.vector import HalfVector
from ..statements import parts

_MICROSECOND = dt.timedelta(microseconds=1)

_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    # libSQL has column types for these two, marked by a trailing byte.
    (HalfVector, HalfVector.to_f16_blob),
    (Bit, Bit.to_f1bit_blob),
    ((bytes, float), lambda value: value),
    ((bytearray, memoryview), bytes),
    (dt.datetime, lambda value: value.isoformat(" ")),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (dt.timedelta, lambda value: value // _MICROSECOND),
    (UUID, str),
)

_LEAST = -(2**63)

_MOST_BYTES = 16 * 2**20

_PLAIN = frozenset({bytes, float, type(None)})


def bound(values: Iterable[Any]) -> list[Any]:
    # Fast path: most values need no conversion, and there are many of them.
    return [value if _is_plain(type(value), value) else _converted(value) for value in values]


def _is_plain(kind: type, value: Any) -> bool:
    return kind in _PLAIN or (kind is int and _LEAST <= value < -_LEAST)


def _converted(value: Any) -> Any:
    if isinstance(value, int):
        if not _LEAST <= value < -_LEAST:
            # The drivers would not report it: one rounds it to a float, the other fails halfway.
            raise OverflowError(f"{value} does not fit into a column: an integer there has 64 bits.")
        return int(value)
    if isinstance(value, str):
        if "\0" in value:
            # libSQL would store the whole text, but return only the part before the NUL.
            raise ProgrammingError("A text with a NUL character cannot be read back from libSQL. Store it as bytes.")
        return value
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    raise ProgrammingError(f"A {type(value).__name__} cannot be bound. libSQL takes None, numbers, text and bytes.")


_NAMED = re.compile(r"\?\d|[:@$]\w")


def require_count(sql: str, values: list[Any]) -> None:
    """Raise ProgrammingError for a wrong number of values: the driver drops extra ones and binds NULL for the rest."""
    wanted = _placeholders(sql)
    if wanted is not None and wanted != len(values):
        raise ProgrammingError(f"The statement has {wanted} placeholders; got {len(values)} values: {sql}")


@lru_cache(maxsize=512)
def _placeholders(sql: str) -> int | None:
    """Return the number of ``?`` outside quotes and comments; None if the statement uses other placeholders."""
    plain = "".join(parts(sql)[::2])
    return None if _NAMED.search(plain) else plain.count("?")


def with_literals(sql: str, values: list[Any], bindable: range) -> tuple[str, list[Any]]:
    """Replace the placeholders of integers that cannot be bound with literals."""
    least, most = bindable[0], bindable[-1]
    if not [None for value in values if type(value) is int and not least <= value <= most]:
        return sql, values
    if _placeholders(sql) is None:
        raise ProgrammingError(f"An integer of more than 32 bits can replace only a plain '?': {sql}")
    rest, remaining = iter(values), []
    split = parts(sql)
    for at in range(0, len(split), 2):
        text, *others = split[at].split("?")
        for other in others:
            value = next(rest)
            is_written = type(value) is int and value not in bindable
            if not is_written:
                remaining.append(value)
            text += (str(value) if is_written else "?") + other
        split[at] = text
    return "".join(split), remaining


def encoded(value: Any) -> dict[str, Any]:
    """Return a bound value in Hrana's encoding: integers as text, bytes as base64."""
    if value is None or value != value:  # noqa: PLR0124  # NaN is NULL in SQLite
        return {"type": "null"}
    if isinstance(value, str):
        return {"type": "text", "value": value}
    if isinstance(value, int):
        return {"type": "integer", "value": str(value)}
    if isinstance(value, bytes):
        return {"type": "blob", "base64": base64.b64encode(value).decode()}
    if math.isinf(value):
        raise ProgrammingError("Infinity cannot be sent to a server: its protocol is JSON.")
    return {"type": "float", "value": value}


def statement(sql: str, values: list[Any]) -> dict[str, Any]:
    """Return a statement in Hrana's encoding.

    Raises:
        ProgrammingError: It is so large that the server would close the socket.
    """
    written = {"sql": sql, "args": [encoded(value) for value in values], "want_rows": True}
    if (size := size_of(written)) > _MOST_BYTES:
        raise ProgrammingError(
            f"The statement and its values are {size >> 20} MB, and a server takes less than {_MOST_BYTES >> 20}:"
            " write fewer rows with each, by a smaller batch_size."
        )
    return written


def size_of(statement: Mapping[str, Any]) -> int:
    """Return the approximate size of a statement on the wire, in bytes."""
    values = (value.get("base64", value.get("value")) for value in statement["args"])
    return len(statement["sql"]) + sum(len(value) if isinstance(value, str) else 20 for value in values)


def decoded(value: Mapping[str, Any]) -> Any:
    kind = value["type"]
    if kind == "blob":
        # Hrana sends base64 without padding.
        return base64.b64decode(value["base64"] + "==")
    if kind == "float" and value["value"] is None:
        raise ProgrammingError("An infinite number cannot come from a server: its protocol is JSON. CAST it AS TEXT.")
    return None if kind == "null" else {"text": str, "integer": int, "float": float}[kind](value["value"])
