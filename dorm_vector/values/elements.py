"""What a vector is made of."""

from __future__ import annotations

from enum import StrEnum


class Element(StrEnum):
    """The element type of a column, under pgvector's name for it."""

    FLOAT32 = "vector"
    HALF = "halfvec"
    SPARSE = "sparsevec"
    BIT = "bit"
