"""Managers and querysets of models with vectors."""

from __future__ import annotations

from typing import Any

from dorm.manager import Manager

from .deferred import keep_deferred_columns
from .querysets import VectorQuerySet, VectorValuesListQuerySet, upgraded

__all__ = ["VectorManager", "VectorQuerySet", "VectorValuesListQuerySet", "as_vector"]

VectorManager: Any = Manager.from_queryset(VectorQuerySet, "VectorManager")

VectorManager.__doc__ = "Manage a model with vectors: every method of VectorQuerySet. A VectorField adds one by itself."

# Its path, for pickling and for the docs: the class is made by a call.
VectorManager.__module__ = __name__


def as_vector(queryset: Any) -> VectorQuerySet:
    """Return any queryset as a VectorQuerySet: same rows, with distances that filter and order."""
    return upgraded(queryset)


def adopt_model(cls: Any) -> None:
    """Prepare the model class while djanorm's metaclass is still building it."""
    keep_deferred_columns(cls)
    if not cls._meta.abstract and not _has_own_objects(cls):
        cls._meta.managers = _Managers(cls._meta.managers)


class _Managers(list[Any]):
    """``Meta.managers``; turns the Manager that the metaclass adds by itself into a VectorManager."""

    def append(self, manager: Any) -> None:
        # Late: the query module needs the fields, and the fields need this one.

        if type(manager) is Manager and manager.name == "objects":
            manager.__class__ = VectorManager
        super().append(manager)


def _has_own_objects(cls: Any) -> bool:
    if isinstance(cls._meta.managers, _Managers) or isinstance(vars(cls).get("objects"), Manager):
        return True
    inherited = (getattr(getattr(base, "_meta", None), "managers", ()) for base in cls.__mro__[1:])
    return any(manager.name == "objects" for managers in inherited for manager in managers)
