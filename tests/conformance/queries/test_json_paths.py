"""Filters by a path into a JSON field: numbers and booleans are what they are, on every database."""

from __future__ import annotations

import math
from typing import Any

from tests.databases import Database
from tests.models import Note

STORED: list[dict[str, Any]] = [
    {"n": 8, "done": True, "deep": {"size": 2.5}},
    {"n": 9.5, "done": False, "deep": {"size": -1}},
    {"n": 2**53 + 1, "name": "x"},
    {"n": None, "done": True},
    {"n": "9", "done": 1, "deep": {"size": "small"}},
    {"n": True, "done": "true", "deep": {}},
    {},
]


def number(value: Any) -> float:
    """Return a number, or NaN, which no comparison is true of."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def text(value: Any) -> str:
    """Return a text, or one before all others."""
    return value if isinstance(value, str) else ""


FILTERS: dict[str, tuple[dict[str, Any], Any]] = {
    "equal": ({"n": 8}, lambda row: number(row.get("n")) == 8),
    "equal to one": ({"n": 1}, lambda row: number(row.get("n")) == 1),
    "equal to a float": ({"n": 9.5}, lambda row: number(row.get("n")) == 9.5),
    "greater": ({"n__gt": 8}, lambda row: number(row.get("n")) > 8),
    "at most": ({"n__lte": 9.5}, lambda row: number(row.get("n")) <= 9.5),
    "in": ({"n__in": [8, 10, 9.5]}, lambda row: number(row.get("n")) in (8, 9.5)),
    "in a range": ({"n__range": (8.5, 10)}, lambda row: 8.5 <= number(row.get("n")) <= 10),
    "deep": ({"deep__size__lt": 3}, lambda row: number(dict(row.get("deep", ())).get("size")) < 3),
    "true": ({"done": True}, lambda row: row.get("done") is True),
    "false": ({"done": False}, lambda row: row.get("done") is False),
    "text": ({"name": "x"}, lambda row: row.get("name") == "x"),
    "text of a number": ({"n": "8"}, lambda row: row.get("n") == "8"),
    "text that looks like a number": ({"n": "9"}, lambda row: row.get("n") == "9"),
    "text that looks like a boolean": ({"done": "true"}, lambda row: row.get("done") == "true"),
    "texts": ({"n__in": ["8", "9", "True"]}, lambda row: row.get("n") in ("8", "9", "True")),
    "text after another": ({"n__gt": "8"}, lambda row: text(row.get("n")) > "8"),
    "text in a range": ({"n__range": ("8", "99")}, lambda row: "8" <= text(row.get("n")) <= "99"),
    "text after a number, of the same shape": ({"n": "8.25"}, lambda row: False),
}


async def test_every_filter_finds_what_plain_python_finds(db: Database) -> None:
    await Note.objects.abulk_create(
        [Note(slug=str(at), metadata=row, embedding=[at] * 6) for at, row in enumerate(STORED)]
    )
    for name, (lookups, passes) in FILTERS.items():
        asked = {f"metadata__{key}": value for key, value in lookups.items()}
        expected = {str(at) for at, row in enumerate(STORED) if passes(row)}
        assert {row.slug for row in Note.objects.filter(**asked)} == expected, name
        assert {row.slug async for row in Note.objects.filter(**asked)} == expected, name
