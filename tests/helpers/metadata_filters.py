"""What a metadata filter of LangChain or of LlamaIndex means, in plain Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any


def found_in(document: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key, or else what its parts lead to inside of objects; None where there is none."""
    if document.get(key) is not None or not all(parts := key.split(".")):
        return document.get(key)
    found: Any = document
    for part in parts:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def is_equal(value: Any, other: Any) -> bool:
    return (value is None and other is None) or (kind(value) == kind(other) and value == other)


def comparable(value: Any, other: Any) -> bool:
    return value is not None and kind(value) == kind(other)


def like(value: Any, pattern: str, flags: int = 0) -> bool:
    parts = re.findall(r"\\.|.|\\$", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return isinstance(value, str) and re.fullmatch(expression, value, re.DOTALL | flags) is not None


# What each operator means, of the value under the key (None where there is none) and the operand.
MEANS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": is_equal,
    "$ne": lambda value, other: not is_equal(value, other),
    "$gt": lambda value, other: comparable(value, other) and value > other,
    "$gte": lambda value, other: comparable(value, other) and value >= other,
    "$lt": lambda value, other: comparable(value, other) and value < other,
    "$lte": lambda value, other: comparable(value, other) and value <= other,
    "$in": lambda value, others: any(is_equal(value, other) for other in others),
    "$nin": lambda value, others: not any(is_equal(value, other) for other in others),
    "$between": lambda value, ends: all(comparable(value, end) for end in ends) and ends[0] <= value <= ends[1],
    "$exists": lambda value, wanted: (value is not None) == wanted,
    "$like": like,
    "$ilike": lambda value, pattern: like(value, pattern, re.IGNORECASE),
    "$contains": lambda value, other: isinstance(value, list) and any(is_equal(item, other) for item in value),
}


def holds(document: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:  # noqa: A002
    return all(_holds(document, key, value) for key, value in filter.items())


def _holds(document: Mapping[str, Any], key: str, value: Any) -> bool:
    if key == "$not":
        return not any(holds(document, inner) for inner in (value if isinstance(value, list) else [value]))
    if key in ("$and", "$or"):
        return {"$and": all, "$or": any}[key](holds(document, inner) for inner in value)
    return asked(found_in(document, key), value if isinstance(value, dict) else {"$eq": value})


def asked(value: Any, operators: Mapping[str, Any]) -> bool:
    found = []
    for name, operand in operators.items():
        if name == "$not":
            found.append(not asked(value, operand))
        elif name == "$or":
            found.append(any(asked(value, inner) for inner in operand))
        else:
            found.append(MEANS[name](value, operand))
    return all(found)


def _is_empty(value: Any, _operand: Any) -> bool:
    return value is None or value in ("", [])


# Of LlamaIndex: its operators, of the value under the key and the operand.
LLAMA: dict[str, Callable[[Any, Any], bool]] = {
    "==": MEANS["$eq"],
    "!=": MEANS["$ne"],
    ">": MEANS["$gt"],
    ">=": MEANS["$gte"],
    "<": MEANS["$lt"],
    "<=": MEANS["$lte"],
    "in": MEANS["$in"],
    "nin": MEANS["$nin"],
    "contains": MEANS["$contains"],
    "any": lambda value, others: any(MEANS["$contains"](value, other) for other in others),
    "all": lambda value, others: value is not None and all(MEANS["$contains"](value, other) for other in others),
    "text_match": lambda value, part: isinstance(value, str) and part in value,
    "text_match_insensitive": lambda value, part: isinstance(value, str) and part.lower() in value.lower(),
    "is_empty": _is_empty,
}


def passes(document: Mapping[str, Any], filters: Any) -> bool:
    """Tell whether a document passes LlamaIndex's MetadataFilters, or one filter of them."""
    if not hasattr(filters, "filters"):
        return LLAMA[filters.operator.value](found_in(document, filters.key), filters.value)
    found = [passes(document, each) for each in filters.filters]
    return {"and": all, "or": any, "not": lambda each: not any(each)}[filters.condition.value](found)
