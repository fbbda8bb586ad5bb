"""Distances, by name."""

from __future__ import annotations

from enum import StrEnum

from .elements import Element

_NUMBERS = frozenset({Element.FLOAT32, Element.HALF, Element.SPARSE})

_BITS = frozenset({Element.BIT})


class Metric(StrEnum):
    """A distance between two vectors of equal length; smaller is always nearer."""

    L2 = "l2"
    """sqrt(sum((a - b)^2)), 0 and up."""

    COSINE = "cosine"
    """1 - a.b / (|a| |b|), 0 to 2. NULL if either vector is all zeros, because it has no direction."""

    INNER_PRODUCT = "inner_product"
    """-a.b, unbounded; negated, so that smaller is nearer."""

    L1 = "l1"
    """sum(|a - b|), 0 and up."""

    HAMMING = "hamming"
    """The number of bits that differ, 0 to the length."""

    JACCARD = "jaccard"
    """1 - |a and b| / |a or b| over set bits, 0 to 1; 1 if no bit is set in either."""

    @property
    def elements(self) -> frozenset[Element]:
        """Return the element types that have this distance."""
        return _BITS if self in (Metric.HAMMING, Metric.JACCARD) else _NUMBERS
