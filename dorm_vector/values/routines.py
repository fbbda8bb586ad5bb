"""Functions and aggregates of vectors, other than distances."""

from __future__ import annotations

from enum import StrEnum


class Routine(StrEnum):
    """A function or an aggregate of vectors, by its name in errors and tables."""

    DIMENSIONS = "dimensions"
    NORM = "norm"
    NORMALIZE = "normalize"
    SUBVECTOR = "subvector"
    CONCATENATE = "concatenate"
    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    BINARY_QUANTIZE = "binary quantize"
    TO_VECTOR = "cast to vector"
    TO_HALFVEC = "cast to halfvec"
    TO_SPARSEVEC = "cast to sparsevec"
    AVERAGE = "average"
    SUM = "sum"
