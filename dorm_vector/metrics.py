"""How far apart two vectors are."""

from __future__ import annotations

from enum import StrEnum


class Metric(StrEnum):
    """A distance between two vectors of one length; smaller is always nearer."""

    L2 = "l2"
    """sqrt(sum((a - b)^2)), 0 and up."""

    COSINE = "cosine"
    """1 - a.b / (|a| |b|), 0 to 2. NULL where either vector is all zeros: it has no direction."""

    INNER_PRODUCT = "inner_product"
    """-a.b, unbounded; negated so that smaller is nearer."""

    L1 = "l1"
    """sum(|a - b|), 0 and up."""
