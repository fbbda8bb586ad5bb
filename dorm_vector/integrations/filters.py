"""Metadata filters as ``Q``: column names become lookups, other keys become JSON conditions, and values are bound.

LangChain's and LlamaIndex's filters are converted here; Haystack's, in ``haystack/filters.py``.

Every condition is either true or false, never null. A document without a key equals nothing: only ``$ne``, ``$nin``,
``$not`` and ``is_empty`` match it. Null counts as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dorm.expressions import Q

from .columns import Columns
from .filter_targets import Column, Target, all_of, any_of, not_, refused, require_storable, target

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
        raise refused(f"The filter operator between requires two values, from and to; got {value!r}.")
    return all_of([about.compare(">=", values[0]), about.compare("<=", values[1])])


def _exists(about: Target, value: Any) -> Q:
    if not isinstance(value, bool):
        raise refused(f"The filter operator exists requires true or false; got {value!r}.")
    return about.exists() if value else not_(about.exists())


def _like(*, ignore_case: bool, anywhere: bool = False) -> Callable[[Target, Any], Q]:
    def matched(about: Target, value: Any) -> Q:
        if not isinstance(value, str):
            raise refused(f"A filter that matches text requires text; got {value!r}.")
        return about.like(f"%{_literally(value)}%" if anywhere else value, ignore_case=ignore_case)

    return matched


def _compared(operator: str) -> Callable[[Target, Any], Q]:
    def compared(about: Target, value: Any) -> Q:
        if isinstance(value, bool):
            raise refused(f"The filter operator {operator} requires numbers or text, which have an order; got {value}.")
        return about.compare(operator, value)

    return compared


def _literally(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _listed(operator: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise refused(f"The filter operator {operator} requires a list; got {value!r}.")
    return list(value)


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
        raise refused(f'A filter is a dict, {{"pages": {{"$gt": 3}}}}, or a Q; got {filter!r}.')
    conditions = [_entry(columns, key, value) for key, value in filter.items()]
    return all_of(conditions) if conditions else None


def on_text(columns: Columns, filter: Mapping[str, Any] | None) -> Q | None:  # LangChain's name
    """Return a condition on the text of a document, ``{"$contains": "delta"}``; None where there is none."""
    if filter is None:
        return None
    if not isinstance(filter, Mapping):
        raise refused(f'A filter of the text is a dict, {{"$contains": "delta"}}; got {filter!r}.')
    about = Column(columns.text)
    return all_of([_text_operation(about, name, value) for name, value in filter.items()])


def _text_operation(about: Target, name: str, value: Any) -> Q:
    if name in ("$and", "$or"):
        return _logic(name, value, lambda each: all_of([_text_operation(about, *item) for item in each.items()]))
    if name in ("$contains", "$not_contains"):
        found = applied("text_match", about, value)
        return found if name == "$contains" else not_(found)
    return _operation(about, name, value)


def _entry(columns: Columns, key: str, value: Any) -> Q:
    if key in _LOGIC:
        return _logic(key, value, lambda inner: from_dict(columns, inner))
    if isinstance(key, str) and key.startswith("$"):
        raise _unknown(key, [*_LOGIC, *(f"${name}" for name in LANGCHAIN)])
    about = target(columns, key)
    return _asked(about, value) if isinstance(value, Mapping) else applied("eq", about, value)


def applied(name: str, about: Target, value: Any) -> Q:
    """Return the condition of one operator, such as ``gte``; raise ValueError for a value that it does not take."""
    require_storable(*(value if isinstance(value, (list, tuple, set, frozenset)) else [value]))
    return _OPERATORS[name](about, value)


def _asked(about: Target, operators: Mapping[str, Any]) -> Q:
    return all_of([_operation(about, name, value) for name, value in operators.items()])


def _operation(about: Target, name: str, value: Any) -> Q:
    if name in _LOGIC:
        return _logic(name, value, lambda inner: _asked(about, inner))
    known = [f"${operator}" for operator in LANGCHAIN]
    if name not in known:
        raise _unknown(name, [*known, *_LOGIC])
    return applied(name[1:], about, value)


def _logic(name: str, value: Any, condition: Callable[[Any], Q | None]) -> Q:
    if name == "$not" and isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value:
        raise refused(f"The filter operator {name} requires filters; got {value!r}.")
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
    return applied(_SIGNS.get(operator, operator), target(columns, each.key), each.value)


def _word(member: Any) -> str:
    return str(getattr(member, "value", member))


def _unknown(name: Any, known: Iterable[str]) -> ValueError:
    return refused(f"The filter operator {name!r} is not known. Known are {', '.join(known)}.")
