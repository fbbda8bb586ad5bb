"""Metadata filters as ``Q``: column names become lookups, other keys become JSON conditions, and values are bound.

Every condition is either true or false, never null. A document without a key equals nothing: only ``$ne``, ``$nin``,
``$not`` and ``is_empty`` match it. Null counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from dorm.exceptions import ValidationError
from dorm.expressions import Q
from dorm.fields import CharField, JSONField, TextField

from ..expressions.conditions import Condition, JsonCompare, JsonContains, JsonEmpty, JsonExists, JsonIn, Like, kind_of
from .columns import Columns
from .stored import is_storable

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
    """A key of the metadata JSON."""

    field: str
    key: str

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
            raise _refused(f"{self._label} is JSON, which cannot be compared. Ask what it contains.")
        if isinstance(value, (Mapping, list, tuple, set)) or (isinstance(value, float) and not math.isfinite(value)):
            raise _refused(f"{self._label} cannot be compared with {value!r}: want one finite value.")
        try:
            found = self.field.to_python(value)
        except (ValidationError, TypeError, ValueError, ArithmeticError) as error:
            raise _refused(f"{self._label} is a {type(self.field).__name__}, and {value!r} is none: {error}") from error
        if isinstance(found, int) and not is_storable(found):
            raise _refused(f"{self._label} cannot be compared with {value!r}: want a whole number of 64 bits.")
        return found

    def _require(self, kinds: tuple[type[Any], ...], what: str) -> None:
        if not isinstance(self.field, kinds):
            raise _refused(f"{self._label} is a {type(self.field).__name__}, not {what}.")


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
        raise _refused(f"A filter names metadata by text; got {key!r}.")
    _require_storable(key)
    field = columns.named(key)
    if field is None:
        columns.require_place([key])
    of_key = JsonKey(columns.metadata.name if columns.metadata is not None else "", key)
    if field is None:
        return of_key
    is_metadata = columns.metadata is None or key in columns.others
    return Column(field) if is_metadata else Either(of_key, Column(field))


# the operators


def _equal(about: Target, value: Any) -> Q:
    return not_(about.exists()) if value is None else about.compare("=", value)


def _among(about: Target, value: Any) -> Q:
    values = _listed("in", value)
    found = [about.one_of([item for item in values if item is not None])]
    return any_of([*found, not_(about.exists())]) if None in values else found[0]


def _between(about: Target, value: Any) -> Q:
    values = _listed("between", value)
    if len(values) != 2:
        raise _refused(f"The filter operator between requires two values, from and to; got {value!r}.")
    return all_of([about.compare(">=", values[0]), about.compare("<=", values[1])])


def _exists(about: Target, value: Any) -> Q:
    if not isinstance(value, bool):
        raise _refused(f"The filter operator exists requires true or false; got {value!r}.")
    return about.exists() if value else not_(about.exists())


def _like(*, ignore_case: bool, anywhere: bool = False) -> Callable[[Target, Any], Q]:
    def matched(about: Target, value: Any) -> Q:
        if not isinstance(value, str):
            raise _refused(f"A filter that matches text requires text; got {value!r}.")
        return about.like(f"%{_literally(value)}%" if anywhere else value, ignore_case=ignore_case)

    return matched


def _compared(operator: str) -> Callable[[Target, Any], Q]:
    def compared(about: Target, value: Any) -> Q:
        if isinstance(value, bool):
            raise _refused(
                f"The filter operator {operator} requires numbers or text, which have an order; got {value}."
            )
        return about.compare(operator, value)

    return compared


def _literally(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _listed(operator: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise _refused(f"The filter operator {operator} requires a list; got {value!r}.")
    return list(value)


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


_OPERATORS: dict[str, Callable[[Target, Any], Q]] = {
    "eq": _equal,
    "ne": lambda about, value: not_(_equal(about, value)),
    "gt": _compared(">"),
    "gte": _compared(">="),
    "lt": _compared("<"),
    "lte": _compared("<="),
    "in": _among,
    "nin": lambda about, value: not_(_among(about, value)),
    "between": _between,
    "exists": _exists,
    "like": _like(ignore_case=False),
    "ilike": _like(ignore_case=True),
    "contains": lambda about, value: about.contains(value),
    "any": lambda about, value: any_of([about.contains(item) for item in _listed("any", value)]),
    "all": lambda about, value: all_of([about.exists(), *map(about.contains, _listed("all", value))]),
    "text_match": _like(ignore_case=False, anywhere=True),
    "text_match_insensitive": _like(ignore_case=True, anywhere=True),
    "is_empty": lambda about, _value: about.is_empty(),
}


# LangChain: {"pages": {"$gt": 3}, "$or": [{…}, {…}]}

LANGCHAIN = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "between", "exists", "like", "ilike", "contains")

_LOGIC = ("$and", "$or", "$not")


def from_dict(columns: Columns, filter: Mapping[str, Any] | Q | None) -> Q | None:  # LangChain's name
    """Convert a LangChain filter to a ``Q``; return a ``Q`` unchanged, and None for no filter.

    Raises:
        ValueError: The value is not a valid filter.
    """
    if filter is None or isinstance(filter, Q):
        return filter
    if not isinstance(filter, Mapping):
        raise _refused(f'A filter is a dict, {{"pages": {{"$gt": 3}}}}, or a Q; got {filter!r}.')
    conditions = [_entry(columns, key, value) for key, value in filter.items()]
    return all_of(conditions) if conditions else None


def _entry(columns: Columns, key: str, value: Any) -> Q:
    if key in _LOGIC:
        return _logic(key, value, lambda inner: from_dict(columns, inner))
    if isinstance(key, str) and key.startswith("$"):
        raise _unknown(key, [*_LOGIC, *(f"${name}" for name in LANGCHAIN)])
    about = target(columns, key)
    return _asked(about, value) if isinstance(value, Mapping) else _applied("eq", about, value)


def _require_storable(*values: Any) -> None:
    """Raise ValueError for text that no document can contain, and that some drivers cannot send."""
    for value in values:
        if isinstance(value, str) and not is_storable(value):
            raise _refused(
                f"A filter cannot match {value!a}: NUL characters and halves of surrogate pairs are never stored."
            )


def _applied(name: str, about: Target, value: Any) -> Q:
    _require_storable(*(value if isinstance(value, (list, tuple, set, frozenset)) else [value]))
    return _OPERATORS[name](about, value)


def _asked(about: Target, operators: Mapping[str, Any]) -> Q:
    return all_of([_operation(about, name, value) for name, value in operators.items()])


def _operation(about: Target, name: str, value: Any) -> Q:
    if name in _LOGIC:
        return _logic(name, value, lambda inner: _asked(about, inner))
    known = [f"${operator}" for operator in LANGCHAIN]
    if name not in known:
        raise _unknown(name, [*known, *_LOGIC])
    return _applied(name[1:], about, value)


def _logic(name: str, value: Any, condition: Callable[[Any], Q | None]) -> Q:
    if name == "$not" and isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value:
        raise _refused(f"The filter operator {name} requires filters; got {value!r}.")
    conditions = [condition(inner) or Q() for inner in value]
    return all_of(conditions) if name == "$and" else any_of(conditions) if name == "$or" else not_(any_of(conditions))


# LlamaIndex: MetadataFilters(filters=[MetadataFilter(…), MetadataFilters(…)], condition="or")

_SIGNS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}

LLAMA_INDEX = (
    *_SIGNS,
    *("in", "nin", "any", "all", "text_match", "text_match_insensitive", "contains", "is_empty"),
)

_JOINED: dict[str, Callable[[Iterable[Q]], Q]] = {
    "and": all_of,
    "or": any_of,
    "not": lambda conditions: not_(any_of(conditions)),
}


def from_metadata_filters(columns: Columns, filters: Any) -> Q | None:
    """Convert LlamaIndex's MetadataFilters, at any nesting depth, to a ``Q``; return None for no filters."""
    if filters is None or not filters.filters:
        return None
    conditions = [_of_filter(columns, each) for each in filters.filters]
    return _JOINED[_word(filters.condition or "and")](conditions)


def _of_filter(columns: Columns, each: Any) -> Q:
    if hasattr(each, "filters"):
        return from_metadata_filters(columns, each) or Q()
    operator = _word(each.operator)
    if operator not in LLAMA_INDEX:
        raise _unknown(operator, LLAMA_INDEX)
    return _applied(_SIGNS.get(operator, operator), target(columns, each.key), each.value)


def _word(member: Any) -> str:
    return str(getattr(member, "value", member))


def _refused(text: str) -> ValueError:
    """Return the error for an invalid filter; always a ValueError, because a user or a model may have written it."""
    return ValueError(text)


def _unknown(name: Any, known: Iterable[str]) -> ValueError:
    return _refused(f"The filter operator {name!r} is not known. Known are {', '.join(known)}.")
