"""The values of copied columns: read from the source, bound for the target, and compared."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from dorm.fields import (
    AutoField,
    CharField,
    DateTimeField,
    DecimalField,
    DurationField,
    Field,
    FloatField,
    IntegerField,
    JSONField,
    TextField,
)

from ...dialects.base import Dialect
from ...introspection import held_field
from ...values.bit import Bit
from ...values.sparse import SparseVector
from ...values.vector import HalfVector, Vector
from ...values.wire import Wire
from ..matrix_columns import MatrixColumn

Convert = Callable[[Any], Any]

_MICROSECOND = dt.timedelta(microseconds=1)

_UNUSUAL = re.compile(r"\d{16}|\d[eE]|\\u|NaN|Infinity")
"""Text in a document that may be a number or a character that some databases cannot store."""

_KEPT = {
    convert: frozenset({kind, type(None)})
    for convert, kind in (
        (AutoField.to_python, int),
        (IntegerField.to_python, int),
        (FloatField.to_python, float),
        (CharField.to_python, str),
        (TextField.to_python, str),
    )
}
"""The types of values that a field's conversion returns as they are."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column to copy, and the field that converts its values: for a relation, the key that it refers to."""

    column: str
    field: Any

    @classmethod
    def of(cls, field: Any) -> Column:
        return cls(field.column, held_field(field))

    @property
    def is_vector(self) -> bool:
        return hasattr(self.field, "to_vector")

    @property
    def is_document(self) -> bool:
        return type(self.field) is JSONField

    def read(self, values: Sequence[Any], wire: Wire) -> list[Any]:
        """Convert the driver's values as models read them, but leave vectors packed and documents as text."""
        if self.is_document and {*map(type, values)} <= {str, type(None)}:
            return list(values)
        if self.is_vector:
            return packed(self.field, values, wire) or list(map(self.field.stored_vector, values))
        kind = type(self.field)
        if kind.from_db_value is Field.from_db_value and {*map(type, values)} <= _KEPT.get(kind.to_python, frozenset()):
            return list(values)
        # Some drivers return other types where the field has no conversion of its own, such as addresses on PostgreSQL.
        convert = self.field.to_python if kind.from_db_value is Field.from_db_value else self.field.from_db_value
        if isinstance(self.field, DecimalField):
            # A MoneyField reads an object of its own, which is not the same for 0.1 and 0.10.
            convert = partial(DecimalField.from_db_value, self.field)
        return [None if value is None else convert(value) for value in values]

    def bound(self, values: list[Any], dialect: Dialect) -> Sequence[Any]:
        """Convert values that were read to query parameters."""
        field = self.field
        if self.is_vector:
            return _vectors(field, values) if dialect.loading.method == "copy" else values
        if type(field).get_db_prep_value is Field.get_db_prep_value:
            return values
        prepare = self._prepare(dialect)
        return [None if value is None else prepare(value) for value in values]

    def _prepare(self, dialect: Dialect) -> Convert:
        prepare: Convert = self.field.get_db_prep_value
        if self.is_document:
            return lambda value: _document_bound(value, prepare)
        if isinstance(self.field, DurationField) and not dialect.loading.intervals:
            return lambda value: value // _MICROSECOND
        if isinstance(self.field, DateTimeField):
            return lambda value: prepare(_in_utc(value))
        return prepare

    def tokens(self, values: Sequence[Any]) -> list[bytes]:
        """Return bytes for each value that are equal for equal values, whichever database they come from."""
        if self.is_document:
            return [_document(json.loads(value) if isinstance(value, str) else value) for value in values]
        kinds = {*map(type, values)}
        return list(map(_TOKENS.get(kinds.pop(), token) if len(kinds) == 1 else token, values))


def packed(field: Any, values: Sequence[Any], wire: Wire) -> list[Any]:
    """Return vectors as packed bytes without converting any number in Python; empty if that is not possible."""
    if field.value_type is not Vector or field.dimensions is None or wire is Wire.UNKNOWN:
        return []
    size, header = 4 * field.dimensions, 4 if wire is Wire.HEADED else 0
    found = [value for value in values if value is not None]
    if not found or {*map(type, found)} != {bytes} or {*map(len, found)} != {size + header}:
        return []
    if header:
        import numpy as np

        form = np.dtype([("header", f"V{header}"), ("values", ">f4", (field.dimensions,))])
        data = np.frombuffer(b"".join(found), form)["values"].astype("<f4").tobytes()
        found = [data[at : at + size] for at in range(0, len(data), size)]
    there = iter(found)
    return [None if value is None else next(there) for value in values]


def _vectors(field: Any, values: list[Any]) -> Sequence[Any]:
    """Return packed vectors with what the binary COPY needs: all in one matrix, or each with its type."""
    if {*map(type, values)} != {bytes}:
        return [bytes.__new__(Vector, value) if type(value) is bytes else value for value in values]
    import numpy as np

    return MatrixColumn(np.frombuffer(b"".join(values), "<f4").reshape(len(values), field.dimensions))


def _document_bound(value: Any, prepare: Convert) -> Any:
    """Return the text of a document as it is, unless it may hold what some databases cannot read again."""
    if not isinstance(value, str):
        return prepare(value)
    return prepare(json.loads(value)) if _UNUSUAL.search(value) else value


def _in_utc(value: Any) -> Any:
    """Return a moment in UTC, because a column without a time zone drops the offset and keeps the clock."""
    is_aware = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC) if is_aware else value


# comparable values


def token(value: Any) -> bytes:
    """Return bytes that are equal for equal values."""
    return _TOKENS.get(type(value), _other)(value)


def _other(value: Any) -> bytes:
    if isinstance(value, Enum):
        return token(value.value)
    for kind, convert in _TOKENS.items():
        if isinstance(value, kind):
            return convert(value)
    return b"?" + repr(value).encode(errors="surrogatepass")


def _decimal(value: decimal.Decimal) -> bytes:
    # 1.50 and 1.5 are equal, and so are 0 and -0.
    return b"d" + format(value.normalize() if value else decimal.Decimal(0), "f").encode()


def _moment(value: dt.datetime) -> bytes:
    # A database whose columns have no time zone returns the moment in UTC without one.
    naive = value if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)
    return b"t" + naive.isoformat().encode()


def _document(value: Any) -> bytes:
    return b"j" + json.dumps(_numbers_alike(value), sort_keys=True, default=repr).encode()


def _numbers_alike(value: Any) -> Any:
    # jsonb keeps 1e5 as 100000.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(name): _numbers_alike(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers_alike(each) for each in value]
    return value


_TOKENS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _value: b"n",
    bool: lambda value: b"b1" if value else b"b0",
    int: b"i%d".__mod__,
    str: lambda value: b"s" + value.encode(errors="surrogatepass"),
    # 0.0 and -0.0 are equal.
    float: lambda value: b"f" + repr(value + 0.0).encode(),
    Vector: lambda value: b"v" + value,
    HalfVector: lambda value: b"v" + value,
    SparseVector: lambda value: b"p" + repr((value.dimensions(), sorted(value.to_dict().items()))).encode(),
    Bit: lambda value: b"x" + value.to_text().encode(),
    # Vectors arrive like this if plain bytes are faster to read.
    bytes: lambda value: b"v" + value,
    bytearray: lambda value: b"v" + value,
    memoryview: lambda value: b"v" + bytes(value),
    decimal.Decimal: _decimal,
    dt.datetime: _moment,
    dt.date: lambda value: b"t" + value.isoformat().encode(),
    dt.time: lambda value: b"t" + value.isoformat().encode(),
    dt.timedelta: lambda value: b"l%d" % (value // _MICROSECOND),
    uuid.UUID: lambda value: b"u" + value.bytes,
    dict: _document,
    list: _document,
    tuple: _document,
}


# keys as text, for the table that keeps the progress

_KINDS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "bool": (bool, lambda value: str(int(value)), lambda text: bool(int(text))),
    "int": (int, str, int),
    "str": (str, str, str),
    "float": (float, repr, float),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "time": (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
}


def key_to_text(key: Sequence[Any]) -> str:
    return json.dumps([_part_to_text(part) for part in key])


def _part_to_text(part: Any) -> list[str]:
    part = bytes(part) if isinstance(part, (bytearray, memoryview)) else part
    for name, (kind, to_text, _from_text) in _KINDS.items():
        if isinstance(part, kind):
            return [name, to_text(part)]
    raise TypeError(f"A key holds a {type(part).__name__}, and a copy resumes only after {', '.join(_KINDS)}.")


def key_from_text(text: str) -> list[Any]:
    return [_KINDS[name][2](part) for name, part in json.loads(text)]
