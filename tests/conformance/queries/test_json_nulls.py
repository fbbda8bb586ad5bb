"""Filters for what is not there: a key that is missing and a key whose value is null are the same on every database."""

from __future__ import annotations

from typing import Any

import pytest

from tests.databases import Database
from tests.models import Note

STORED: list[Any] = [
    *({"n": None}, {}, None, {"n": {"k": None}}),
    *({"n": 1}, {"n": "null"}, {"n": False}, {"n": [None]}, {"n": {"k": "x"}}),
]


def there(value: Any) -> bool:
    return value is not None and value.get("n") is not None


def deeper(value: Any) -> bool:
    return there(value) and isinstance(value["n"], dict) and value["n"].get("k") is not None


CASES = {
    "metadata__n": there,
    "metadata__n__k": deeper,
    "metadata": lambda value: value is not None,
}


@pytest.mark.parametrize("path", CASES)
def test_null_under_a_path(db: Database, path: str) -> None:
    Note.objects.bulk_create(
        Note(slug=f"n{place}", metadata=value, embedding=[1] * 6) for place, value in enumerate(STORED)
    )
    missing = {f"n{place}" for place, value in enumerate(STORED) if not CASES[path](value)}
    present = {f"n{place}" for place in range(len(STORED))} - missing
    notes = Note.objects
    for rows in (notes.filter(**{path: None}), notes.filter(**{f"{path}__isnull": True})):
        assert set(rows.values_list("slug", flat=True)) == missing
    for rows in (notes.exclude(**{path: None}), notes.filter(**{f"{path}__isnull": False})):
        assert set(rows.values_list("slug", flat=True)) == present
    assert set(notes.filter(metadata__n__in=[None, 1]).values_list("slug", flat=True)) == {"n4"}
