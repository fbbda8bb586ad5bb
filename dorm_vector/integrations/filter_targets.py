"""What a filter is about: a column of the model, or a value in its JSON, found by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from dorm.exceptions import ValidationError
from dorm.expressions import Q
from dorm.fields import CharField, JSONField, TextField

from ..expressions.conditions import (
    Condition,
    JsonCompare,
    JsonContains,
    JsonEmpty,
    JsonExists,
    JsonIn,
    Key,
    Like,
    kind_of,
)
from ..values.documents import is_storable
from .columns import Columns

_LOOKUPS = {"=": "exact", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class Target(Protocol):
    """The metadata key or column that a filter condition tests."""

    def compare(self, operator: str, value: Any) -> Q: ...

    def one_of(self, values: Sequence[Any]) -> Q: ...

    def exists(self) -> Q: ...

    def like(self, pattern: str, *, ignore_case: bool) -> Q: ...

    def contains(self, value: Any) -> Q: ...

    def is_empty(self) -> Q: ...


@dataclass(frozen=True)
class JsonKey:
    """A key of the metadata JSON, or the keys that lead to a value inside of it."""

    field: str
    key: Key

    def compare(self, operator: str, value: Any) -> Q:
        kind_of(value)
        return self._q(JsonCompare(self.key, operator, value))

    def one_of(self, values: Sequence[Any]) -> Q:
        for value in values:
            kind_of(value)
        return self._q(JsonIn(self.key, tuple(values)))

    def exists(self) -> Q:
        return self._q(JsonExists(self.key))

    def like(self, pattern: str, *, ignore_case: bool) -> Q:
        return self._q(Like(pattern, ignore_case, self.key))

    def contains(self, value: Any) -> Q:
        kind_of(value)
        return self._q(JsonContains(self.key, value))

    def is_empty(self) -> Q:
        return any_of([not_(self.exists()), self._q(JsonEmpty(self.key)), self.compare("=", "")])

    def _q(self, condition: Condition) -> Q:
        return Q(**{self.field: condition})


@dataclass(frozen=True)
class Column:
    """A column of the model."""

    field: Any

    def compare(self, operator: str, value: Any) -> Q:
        return self._known(Q(**{f"{self._name}__{_LOOKUPS[operator]}": self._converted(value)}))

    def one_of(self, values: Sequence[Any]) -> Q:
        return self._known(Q(**{f"{self._name}__in": [self._converted(value) for value in values]}))

    def exists(self) -> Q:
        return Q(**{f"{self._name}__isnull": False})

    def like(self, pattern: str, *, ignore_case: bool) -> Q:
        self._require((CharField, TextField), "text, which a pattern matches")
        return Q(**{self._name: Like(pattern, ignore_case)})

    def contains(self, value: Any) -> Q:
        self._require((JSONField,), "an array, which contains something")
        return Q(**{self._name: JsonContains(None, value)})

    def is_empty(self) -> Q:
        empty = [not_(self.exists())]
        if isinstance(self.field, JSONField):
            empty.append(Q(**{self._name: JsonEmpty(None)}))
        elif isinstance(self.field, (CharField, TextField)):
            empty.append(self.compare("=", ""))
        return any_of(empty)

    @property
    def _name(self) -> str:
        return str(self.field.attname)

    @property
    def _label(self) -> str:
        return f"{self.field.model.__name__}.{self._name}"

    def _known(self, condition: Q) -> Q:
        # A comparison with NULL is NULL, and so is its negation.
        return all_of([condition, self.exists()]) if self.field.null else condition

    def _converted(self, value: Any) -> Any:
        if isinstance(self.field, JSONField):
            raise refused(f"{self._label} is JSON, which cannot be compared. Ask what it contains.")
        if isinstance(value, (Mapping, list, tuple, set)) or (isinstance(value, float) and not math.isfinite(value)):
            raise refused(f"{self._label} cannot be compared with {value!r}: want one finite value.")
        try:
            found = self.field.to_python(value)
        except (ValidationError, TypeError, ValueError, ArithmeticError) as error:
            raise refused(f"{self._label} is a {type(self.field).__name__}, and {value!r} is none: {error}") from error
        if isinstance(found, int) and not is_storable(found):
            raise refused(f"{self._label} cannot be compared with {value!r}: want a whole number of 64 bits.")
        return found

    def _require(self, kinds: tuple[type[Any], ...], what: str) -> None:
        if not isinstance(self.field, kinds):
            raise refused(f"{self._label} is a {type(self.field).__name__}, not {what}.")


@dataclass(frozen=True)
class Dotted:
    """A key with dots in it where a document has that, and else the value that it leads to inside of objects."""

    literal: Target
    nested: Target

    def compare(self, operator: str, value: Any) -> Q:
        return self._q(lambda about: about.compare(operator, value))

    def one_of(self, values: Sequence[Any]) -> Q:
        return self._q(lambda about: about.one_of(values))

    def exists(self) -> Q:
        return any_of([self.literal.exists(), self.nested.exists()])

    def like(self, pattern: str, *, ignore_case: bool) -> Q:
        return self._q(lambda about: about.like(pattern, ignore_case=ignore_case))

    def contains(self, value: Any) -> Q:
        return self._q(lambda about: about.contains(value))

    def is_empty(self) -> Q:
        return self._q(lambda about: about.is_empty())

    def _q(self, condition: Callable[[Target], Q]) -> Q:
        there = self.literal.exists()
        return any_of([all_of([there, condition(self.literal)]), all_of([not_(there), condition(self.nested)])])


@dataclass(frozen=True)
class Either:
    """A metadata key, or the non-metadata column of the same name for documents without that key."""

    key: JsonKey
    column: Column

    def compare(self, operator: str, value: Any) -> Q:
        return self._q(self.key.compare(operator, value), lambda: self.column.compare(operator, value))

    def one_of(self, values: Sequence[Any]) -> Q:
        return self._q(self.key.one_of(values), lambda: self.column.one_of(values))

    def exists(self) -> Q:
        return any_of([self.key.exists(), self.column.exists()])

    def like(self, pattern: str, *, ignore_case: bool) -> Q:
        like = partial(self.column.like, pattern, ignore_case=ignore_case)
        return self._q(self.key.like(pattern, ignore_case=ignore_case), like)

    def contains(self, value: Any) -> Q:
        return self.key.contains(value)

    def is_empty(self) -> Q:
        return self._q(self.key.is_empty(), self.column.is_empty)

    def _q(self, of_key: Q, of_column: Callable[[], Q]) -> Q:
        there = self.key.exists()
        try:
            return any_of([all_of([there, of_key]), all_of([not_(there), of_column()])])
        except ValueError:
            # No row has a value that the column cannot store, but metadata can hold any value.
            return all_of([there, of_key])


def target(columns: Columns, key: str) -> Target:
    """Return the target of a filter key; raise ValueError if the model has no column or metadata for it."""
    if not isinstance(key, str):
        raise refused(f"A filter names metadata by text; got {key!r}.")
    require_storable(key)
    field = columns.named(key)
    if field is None:
        return _inside(columns, key)
    if columns.metadata is None or key in columns.others:
        return Column(field)
    return Either(JsonKey(columns.metadata.name, key), Column(field))


def _inside(columns: Columns, key: str) -> Target:
    """Return the value in JSON that a key means: of the metadata, or of the column that its first part names."""
    head, _dot, rest = key.partition(".")
    column = columns.others.get(head) if rest else None
    inner = _path(str(column.name), rest) if isinstance(column, JSONField) else None
    if columns.metadata is None:
        if inner is None:
            columns.require_place([key])
        return inner or JsonKey("", key)
    name = str(columns.metadata.name)
    nested = inner or (_path(name, key) if rest else None)
    return JsonKey(name, key) if nested is None else Dotted(JsonKey(name, key), nested)


def _path(field: str, key: str) -> JsonKey | None:
    """Return the value that the parts of a key lead to; None where a part is empty."""
    keys = tuple(key.split("."))
    return JsonKey(field, keys) if all(keys) else None


def all_of(conditions: Iterable[Q]) -> Q:
    return Q(*conditions)


def any_of(conditions: Iterable[Q]) -> Q:
    """Return a condition that is true if any of the conditions is; it is false if there are none."""
    joined = Q(*conditions)
    joined.connector = Q.OR
    return joined if joined.children else not_(joined)


def not_(condition: Q) -> Q:
    negated = Q(condition) if condition.children else Q()
    negated.negated = True
    return negated


def refused(text: str) -> ValueError:
    """Return the error for an invalid filter; always a ValueError, because a user or a model may have written it."""
    return ValueError(text)


def require_storable(*values: Any) -> None:
    """Raise ValueError for text that no document can contain, and that some drivers cannot send."""
    for value in values:
        if isinstance(value, str) and not is_storable(value):
            raise refused(
                f"A filter cannot match {value!a}: NUL characters and halves of surrogate pairs are never stored."
            )
