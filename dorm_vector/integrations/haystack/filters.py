"""Haystack's filters as ``Q``, with the answers of ``haystack.utils.filters.document_matches_filter``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from dorm.expressions import Q
from dorm.fields import JSONField

from ..columns import Columns
from ..extras import required
from ..filter_targets import Column, JsonKey, Target, all_of, any_of, not_, require_storable
from ..filters import applied
from .documents import HIDDEN, NO_CONTENT
from .moments import Moment, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

with required("haystack"):
    from haystack.errors import FilterError

_OPERATORS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "in": "in", "not in": "nin"}

_ORDERED = (">", ">=", "<", "<=")

_LOGIC: dict[str, Callable[[Iterable[Q]], Q]] = {
    "AND": all_of,
    "OR": any_of,
    "NOT": lambda conditions: not_(all_of(conditions)),
}

_FIELDS = 'meta.year, meta.author.name, "content", "id" or "embedding"'

_NEVER = any_of([])


def from_haystack(columns: Columns, filters: Any) -> Q | None:
    """Convert a Haystack filter to a ``Q``; return None for no filter.

    Raises:
        FilterError: The filter is invalid, or a value cannot be compared.
    """
    if filters is None or filters == {}:
        return None
    with _as_filter_error():
        return _condition(columns, filters)


@contextmanager
def _as_filter_error() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise FilterError(str(error)) from error


def _condition(columns: Columns, given: Any) -> Q:
    if not isinstance(given, Mapping):
        raise FilterError(
            f'A filter is a dict, {{"field": "meta.year", "operator": ">=", "value": 2024}}; got {given!r}.'
        )
    if "field" in given:
        return _comparison(columns, _part(given, "field"), _part(given, "operator"), _part(given, "value"))
    operator, conditions = _part(given, "operator"), _part(given, "conditions")
    if operator not in _LOGIC:
        raise FilterError(f"The logical operator {operator!r} is not known. Known are {', '.join(_LOGIC)}.")
    if not isinstance(conditions, Sequence) or isinstance(conditions, str):
        raise FilterError(f"The conditions of {operator} are a list; got {conditions!r}.")
    return _LOGIC[operator]([_condition(columns, each) for each in conditions])


def _part(given: Mapping[str, Any], name: str) -> Any:
    if name not in given:
        raise FilterError(f"The filter {dict(given)!r} has no {name!r}.")
    return given[name]


def _comparison(columns: Columns, field: Any, operator: Any, value: Any) -> Q:
    if operator not in _OPERATORS:
        raise FilterError(f"The operator {operator!r} is not known. Known are {', '.join(_OPERATORS)}.")
    if operator in ("in", "not in") and not isinstance(value, list):
        raise FilterError(f"The operator {operator!r} requires a list; got {value!r}.")
    about = _target(columns, field)
    if operator in _ORDERED:
        return _NEVER if value is None else applied(_OPERATORS[operator], about, _with_order(operator, value))
    return applied(_OPERATORS[operator], about, _plain(value))


def _with_order(operator: str, value: Any) -> Any:
    if isinstance(value, (int, float)):
        return value
    if moment(value) is None:
        raise FilterError(
            f"The operator {operator!r} compares numbers and dates in ISO 8601, such as 2024-01-31 or"
            f" 2024-01-31T12:30:00+01:00; got {value!r}."
        )
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def _target(columns: Columns, field: Any) -> Target:
    if not isinstance(field, str):
        raise FilterError(f"A filter names a field by text, {_FIELDS}; got {field!r}.")
    require_storable(field)
    head, *path = field.split(".")
    if head == "meta" and path:
        return _metadata(columns, path)
    if path:
        raise FilterError(f"There is no field {field!r}: want {_FIELDS}.")
    if field in _OF_DOCUMENT:
        return _OF_DOCUMENT[field](columns)
    # Converted filters of Haystack 1 have no prefix.
    return _metadata(columns, [field])


def _metadata(columns: Columns, path: list[str]) -> Target:
    head, *rest = path
    column = columns.others.get(head)
    if column is not None and not rest:
        return Column(column)
    if column is not None and isinstance(column, JSONField):
        return JsonKey(str(column.name), tuple(rest))
    if columns.metadata is None:
        columns.require_place([head])
    return MetadataKey(str(_json(columns)), tuple(path))


def _json(columns: Columns) -> str | None:
    return None if columns.metadata is None else str(columns.metadata.name)


@dataclass(frozen=True)
class MetadataKey(JsonKey):
    """A value in the metadata, compared as a moment with dates in ISO 8601."""

    def compare(self, operator: str, value: Any) -> Q:
        exact, at = super().compare(operator, value), moment(value)
        if at is None:
            return exact
        if operator == "=":
            return any_of([exact, self._at(operator, at)])
        # A row that the application wrote has only the text.
        text = all_of([not_(self._form("wall").exists()), self.like(_DATES, ignore_case=False), exact])
        return any_of([self._at(operator, at), text])

    def one_of(self, values: Sequence[Any]) -> Q:
        moments = [self._at("=", at) for value in values if (at := moment(value)) is not None]
        return any_of([super().one_of(values), *moments])

    def _at(self, operator: str, at: Moment) -> Q:
        """Compare moments as Haystack does: if one of them has no time zone, it is in that of the other."""
        wall, utc = self._form("wall"), self._form("utc")
        as_shown = wall.compare(operator, at.wall)
        if at.utc is None:
            return as_shown
        return any_of([utc.compare(operator, at.utc), all_of([not_(utc.exists()), as_shown])])

    def _form(self, name: str) -> JsonKey:
        return JsonKey(self.field, (HIDDEN, name, ".".join(self.key)))


_DATES = "____-__-__%"


@dataclass(frozen=True)
class _Content(Column):
    """The text of a document, which is missing if a document without content was stored."""

    metadata: str | None = None

    def compare(self, operator: str, value: Any) -> Q:
        return all_of([super().compare(operator, value), self.exists()])

    def one_of(self, values: Sequence[Any]) -> Q:
        return all_of([super().one_of(values), self.exists()])

    def exists(self) -> Q:
        if self.metadata is None:
            return super().exists()
        return all_of([super().exists(), not_(JsonKey(self.metadata, (HIDDEN, NO_CONTENT)).exists())])


@dataclass(frozen=True)
class _Embedding(Column):
    """The vector of a document, which is there or not."""

    def compare(self, operator: str, value: Any) -> Q:
        raise FilterError('A filter finds out only whether there is an embedding: {"operator": "==", "value": None}.')

    def one_of(self, values: Sequence[Any]) -> Q:
        return self.compare("=", values)


def _not_stored(name: str) -> Callable[[Columns], Target]:
    def refuse(columns: Columns) -> Target:
        raise FilterError(f"Documents cannot be filtered by {name!r}: want {_FIELDS}.")

    return refuse


_OF_DOCUMENT: dict[str, Callable[[Columns], Target]] = {
    "id": lambda columns: Column(columns.key),
    "content": lambda columns: _Content(columns.text, _json(columns)),
    "embedding": lambda columns: _Embedding(columns.vector),
    **{name: _not_stored(name) for name in ("meta", "blob", "score", "sparse_embedding")},
}
