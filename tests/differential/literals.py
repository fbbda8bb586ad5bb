"""The values of rows and of filters: few of each kind, so that filters find something, and some at the edges."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

# Every collation of the six databases sorts these alike, and tells them apart. One has the 12 bytes of a vec0 column.
TEXTS = [
    "",
    "a",
    "ab",
    "abc",
    "a_b",
    "50%",
    "home-and-gar",
    "2026-11-28",
    "2026-11-29t16",
    "2026-11-29t16:30",
    "x" * 40,
]
INTEGERS = [0, 1, 2, 3, -1, 7, 2**31 - 1, -(2**31)]
FLOATS = [0.0, 1.5, -2.25, 0.1, 149.99, 1e10]
DATES = [dt.date(2026, 11, 28), dt.date(2026, 11, 29), dt.date(1999, 1, 1)]
TOKENS = [UUID(int=1), UUID(int=2), UUID(int=2**127)]

OF_KIND: dict[str, list[Any]] = {
    "text": TEXTS,
    "integer": INTEGERS,
    "float": FLOATS,
    "boolean": [False, True],
    "date": DATES,
    "uuid": TOKENS,
}
NUMBERS = ("integer", "float")
ORDERED = ("text", "integer", "float", "date")

# Small whole numbers make ties, zero vectors and exact distances; the others do not fit into a float32.
COMPONENTS = st.one_of(st.integers(-2, 2).map(float), st.sampled_from([0.1, -1.7, 0.25, 3.3, 9.5]))


def vectors(dimensions: int) -> st.SearchStrategy[list[float]]:
    return st.lists(COMPONENTS, min_size=dimensions, max_size=dimensions)


def of_kind(kind: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(OF_KIND[kind])
