"""Querysets and managers for models with vector fields."""

from __future__ import annotations

from typing import Any

from dorm.manager import Manager

from .djanorm.querysets import VectorQuerySet, VectorValuesListQuerySet, upgraded

__all__ = ["VectorManager", "VectorQuerySet", "VectorValuesListQuerySet", "as_vector"]

VectorManager: Any = Manager.from_queryset(VectorQuerySet, "VectorManager")
VectorManager.__doc__ = "Manage a model with vectors: every method of VectorQuerySet. A VectorField adds one by itself."
# Its path, for pickling and for the docs: the class is made by a call.
VectorManager.__module__ = __name__


def as_vector(queryset: Any) -> VectorQuerySet:
    """Return any queryset as a VectorQuerySet: same rows, with distances that filter and order."""
    return upgraded(queryset)
