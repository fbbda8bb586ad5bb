"""Conditions that no lookup can express: on the values in a JSON column, and on text patterns.

A condition replaces the value of a lookup, as in ``filter(metadata=JsonCompare("author", ">", 3))``. It is true or
false, never NULL, so that it can be negated. Keys and values are bound; the dialect supplies the SQL.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.json import Kind, Pattern, Scalar
from ..dialects.shared.operands import SQL, Operand, compose
from ..exceptions import UnsupportedByDatabase

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")

_INT64 = range(-(2**63), 2**63)

Parts = dict[str, Operand]

Key = str | tuple[str, ...]
"""A key of the JSON, or the keys that lead to a value inside of objects."""


@dataclass(frozen=True)
class Condition:
    """A condition on a column, given as the value of the column's lookup."""

    def as_condition(self, column: str, dialect: Dialect) -> SQL:
        """Return the SQL of the condition on the quoted ``column``."""
        sql, params = self.written({"column": Operand(column)}, dialect)
        return f"COALESCE({sql}, FALSE)", params

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        raise NotImplementedError


@dataclass(frozen=True)
class JsonCompare(Condition):
    """Compare the value of a key with text, a number or a bool; false if the stored value is of another kind."""

    key: Key
    operator: str
    value: Any

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        if self.operator not in COMPARISONS:
            raise ValueError(f"JsonCompare(operator={self.operator!r}): want one of {' '.join(COMPARISONS)}.")
        parts = _at(self.key, parts, dialect) | {"operator": Operand(self.operator), "value": bound(self.value)}
        return _compared(dialect.json.scalars[kind_of(self.value)], parts)


@dataclass(frozen=True)
class JsonIn(Condition):
    """Test whether the value of a key is one of several."""

    key: Key
    values: tuple[Any, ...]

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        parts = _at(self.key, parts, dialect) | {"operator": Operand("=")}
        found = [
            _one_of(dialect.json.scalars[kind], values, parts) for kind, values in _by_kind(self.values).items()
        ] or [("FALSE", [])]
        return joined(" OR ", found)


@dataclass(frozen=True)
class JsonExists(Condition):
    """Test whether a key has a value other than null."""

    key: Key

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        return compose(dialect.json.exists, _at(self.key, parts, dialect))


@dataclass(frozen=True)
class JsonContains(Condition):
    """Test whether the array under a key, or the column itself if ``key`` is None, contains a text, number or bool."""

    key: Key | None
    value: Any

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        array = _array(self.key, parts, dialect)
        return compose(dialect.json.elements[kind_of(self.value)], {"array": array, "value": bound(self.value)})


@dataclass(frozen=True)
class JsonEmpty(Condition):
    """Test whether a key, or the column itself if ``key`` is None, holds an empty array."""

    key: Key | None

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        return compose(dialect.json.empty, {"array": _array(self.key, parts, dialect)})


@dataclass(frozen=True)
class Like(Condition):
    r"""Match the text of the column, or of a JSON key, against a pattern.

    ``%`` matches any text, ``_`` matches any character, and ``\`` escapes the next character. Unless ``ignore_case``
    is set, the match is case-sensitive on every database.
    """

    pattern: str
    ignore_case: bool = False
    key: Key | None = None

    def written(self, parts: Parts, dialect: Dialect) -> SQL:
        rules = dialect.json
        form: Pattern = rules.ilike if self.ignore_case else rules.like
        text = parts["column"]
        if self.key is not None:
            text = _composed(rules.scalars[Kind.TEXT].sql, _at(self.key, parts, dialect))
        pattern = Operand("%s", (form.spelled(self.pattern),))
        return compose(form.condition, {"text": text, "pattern": pattern})


def kind_of(value: Any) -> Kind:
    """Return the JSON kind of a value; raises ValueError for a value that JSON cannot compare."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, (int, float)) and _is_finite(value):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    raise ValueError(f"{value!r} cannot be compared with a value in JSON: want text, a finite number or a bool.")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def bound(value: Any) -> Operand:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value not in _INT64:
        value = float(value)
    return Operand("%s", (value,))


def joined(word: str, conditions: list[SQL]) -> SQL:
    return "(" + word.join(sql for sql, _ in conditions) + ")", [part for _, params in conditions for part in params]


def _readable(parts: Parts, dialect: Dialect) -> Parts:
    """Return the parts with the column as NULL in a row whose text is no JSON; such a row would fail the statement."""
    return parts | {"column": _composed(dialect.json.readable, {"column": parts["column"]})}


def _at(key: Key, parts: Parts, dialect: Dialect) -> Parts:
    """Return the parts of a template that is about the value under a key."""
    keys, parts = (key,) if isinstance(key, str) else key, _readable(parts, dialect)
    if dialect.json.object:
        for outer in keys[:-1]:
            parts = parts | {"column": _composed(dialect.json.object, parts | _key((outer,), dialect))}
        keys = keys[-1:]
    return parts | _key(keys, dialect)


def _key(keys: Sequence[str], dialect: Dialect) -> Parts:
    spelled = [json.dumps(key) for key in keys]
    path = [_in_path(*pair, dialect) for pair in zip(keys, spelled, strict=True)]
    return {
        "key": Operand("%s", (keys[-1],)),
        "spelled": Operand("%s", (spelled[-1][1:-1],)),
        "path": Operand("%s", (".".join(["$", *path]),)),
    }


def _in_path(key: str, spelled: str, dialect: Dialect) -> str:
    rules = dialect.json
    if rules.unquoted and re.fullmatch(rules.unquoted, key):
        return key
    if rules.unreachable and re.match(rules.unreachable, key):
        raise UnsupportedByDatabase(
            f"{dialect.title} cannot read the key {key!r} of JSON: it begins with a hyphen, and has a character that a"
            " path needs quotation marks for. Give the key another name."
        )
    return spelled


def _composed(template: str, parts: Mapping[str, Operand]) -> Operand:
    sql, params = compose(template, parts)
    return Operand(sql, tuple(params))


def _compared(scalar: Scalar, parts: Parts) -> SQL:
    return compose(scalar.comparison or f"({scalar.sql}) {{operator}} {scalar.bound}", parts)


def _one_of(scalar: Scalar, values: list[Any], parts: Parts) -> SQL:
    if scalar.comparison:
        return joined(" OR ", [_compared(scalar, parts | {"value": bound(value)}) for value in values])
    sql, params = compose(scalar.sql, parts)
    among = [compose(scalar.bound, {"value": bound(value)}) for value in values]
    return f"({sql}) IN ({', '.join(sql for sql, _ in among)})", params + [part for _, more in among for part in more]


def _by_kind(values: tuple[Any, ...]) -> dict[Kind, list[Any]]:
    found: dict[Kind, list[Any]] = {}
    for value in values:
        found.setdefault(kind_of(value), []).append(value)
    return found


def _array(key: Key | None, parts: Parts, dialect: Dialect) -> Operand:
    if key is None:
        return _composed(dialect.json.whole, _readable(parts, dialect))
    return _composed(dialect.json.array, _at(key, parts, dialect))
