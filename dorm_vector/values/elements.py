"""Element types of vectors."""

from __future__ import annotations

from enum import StrEnum


class Element(StrEnum):
    """The element type of a column, by pgvector's name."""

    FLOAT32 = "vector"
    HALF = "halfvec"
    SPARSE = "sparsevec"
    BIT = "bit"
