"""Querysets and managers for models with vector fields."""

from __future__ import annotations

from typing import Any

from dorm.manager import Manager

from .djanorm.querysets import VectorCombinedQuerySet, VectorQuerySet, VectorValuesListQuerySet, upgraded

__all__ = ["VectorCombinedQuerySet", "VectorManager", "VectorQuerySet", "VectorValuesListQuerySet", "as_vector"]

VectorManager: Any = Manager.from_queryset(VectorQuerySet, "VectorManager")
"""The manager a VectorField puts on a model that declares none; ``objects = VectorManager()`` says the same."""


def as_vector(queryset: Any) -> VectorQuerySet:
    """Return any queryset as a VectorQuerySet: same rows, with distances that filter and order."""
    return upgraded(queryset)
