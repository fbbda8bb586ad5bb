"""What values the metadata of documents has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_TYPES = ((bool, "boolean"), (int, "int"), (float, "float"))

_OTHER_TYPE = "keyword"


def field_types(documents: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the type of each key, that of the last document that has it, by Haystack's names."""
    values = {key: value for each in documents for key, value in each.items() if value is not None}
    return {key: {"type": _type(value)} for key, value in values.items()}


def _type(value: Any) -> str:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), _OTHER_TYPE)


def lowest_and_highest(documents: Iterable[Mapping[str, Any]], field: str) -> dict[str, Any]:
    """Return the least and the greatest value of a key; None for both without values, or where they have no order."""
    found = [value for value in _values(documents, field) if isinstance(value, (int, float, str))]
    try:
        return {"min": min(found, default=None), "max": max(found, default=None)}
    except TypeError:
        return {"min": None, "max": None}


def unique(documents: Iterable[Mapping[str, Any]], field: str) -> list[Any]:
    """Return the different values of a key, by their text; values of different types are different."""
    # The JSON of 1, 1.0, true and "1" differs, and so does its text.
    found = {_json(value): value for value in _values(documents, field)}
    return sorted(found.values(), key=lambda value: (str(value), type(value).__name__))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def page_of(values: list[Any], search_term: str | None, first: int, size: int) -> tuple[list[Any], int]:
    """Return ``size`` of the values whose text has the term in it, in any case, and how many have it."""
    if search_term:
        values = [value for value in values if search_term.lower() in str(value).lower()]
    return values[first : first + size], len(values)


def _values(documents: Iterable[Mapping[str, Any]], field: str) -> list[Any]:
    key = field.removeprefix("meta.")
    return [each[key] for each in documents if each.get(key) is not None]
