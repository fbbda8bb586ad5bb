"""Managers and querysets of models with vectors."""

from __future__ import annotations

from typing import Any

from dorm.manager import Manager

from ..patching.registry import hook
from .querysets import VectorQuerySet, VectorValuesListQuerySet, upgraded

__all__ = ["VectorManager", "VectorQuerySet", "VectorValuesListQuerySet", "as_vector"]

_Manager: Any = Manager.from_queryset(VectorQuerySet)


class VectorManager(_Manager):  # type: ignore[misc]  # made by a call
    """Manage a model with vectors: every method of VectorQuerySet. A VectorField adds one by itself."""


def as_vector(queryset: Any) -> VectorQuerySet:
    """Return any queryset as a VectorQuerySet: same rows, with distances that filter and order."""
    return upgraded(queryset)


@hook("dorm.manager:BaseManager", "contribute_to_class")
def vector_managers(original: Any, manager: Any, cls: Any, name: str) -> None:
    """Give a model with vectors that declares no ``objects`` a VectorManager."""
    is_declared = vars(cls).get(name) is manager or manager.name is not None  # here, or in a parent
    is_default = type(manager) is Manager and name == "objects" and not is_declared
    if is_default and any(hasattr(field, "to_vector") for field in cls._meta.fields):
        manager = VectorManager()
    original(manager, cls, name)
