"""Managers and querysets of models with vector fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from dorm.conf import settings
from dorm.manager import BaseManager, Manager
from dorm.queryset import QuerySet

from ..introspection import reaches_vectors
from ..patching.registry import hook
from ..search.nearest import SearchMethods
from .queryset_types import Chaining, Row
from .querysets import FrameMethods, VectorQuerySet, VectorValuesListQuerySet, upgraded

__all__ = ["VectorManager", "VectorQuerySet", "VectorValuesListQuerySet", "as_vector"]

if TYPE_CHECKING:

    class _Manager(Chaining[VectorQuerySet[Row]], SearchMethods[VectorQuerySet[Row]], FrameMethods, Manager[Row]):
        def get_queryset(self) -> VectorQuerySet[Row]: ...
        def values_list(self, *fields: str, flat: bool = False, named: bool = False) -> VectorValuesListQuerySet: ...

else:

    class _Manager(Manager.from_queryset(VectorQuerySet), Generic[Row]):
        """The class that djanorm makes takes no type arguments."""


class VectorManager(_Manager[Row]):
    """The manager of a model with vectors, with every method of VectorQuerySet; VectorField adds one automatically."""

    _every_row: VectorQuerySet[Row] | None = None

    def get_queryset(self) -> VectorQuerySet[Row]:
        if self.model is None or self._db != "default" or settings.DATABASE_ROUTERS:
            return super().get_queryset()
        # Each query starts here, and a copy of an untouched queryset costs a third of a new one.
        if self._every_row is None or self._every_row.model is not self.model:
            self._every_row = super().get_queryset()
        copy: VectorQuerySet[Row] = self._every_row._clone()
        return copy


def as_vector(queryset: QuerySet[Row] | BaseManager[Row]) -> VectorQuerySet[Row]:
    """Return a VectorQuerySet of the same rows, which can filter and order by distance."""
    return upgraded(queryset)


_SEARCHES = {name for kind in (SearchMethods, FrameMethods) for name in vars(kind) if not name.startswith("_")}


@hook("dorm.manager:BaseManager", "__getattr__", added=True)
def searches_of_managers(original: Any, manager: Any, name: str) -> Any:
    """Add the search methods to every manager of a model with vectors, such as soft-delete and tenant managers.

    A model whose related rows have vectors is searched by those.
    """
    model = manager.__dict__.get("model")
    if name not in _SEARCHES or model is None or not reaches_vectors(model):
        raise AttributeError(f"{type(manager).__name__!r} object has no attribute {name!r}")
    queryset = manager.get_queryset()
    return getattr(queryset if hasattr(queryset, name) else upgraded(queryset), name)


@hook("dorm.related_managers:ManyRelatedManager", "__getattr__", added=True, name="searches_of_relations")
@hook("dorm.related_managers:ReverseFKManager", "__getattr__", added=True, name="searches_of_relations")
def searches_of_relations(original: Any, manager: Any, name: str) -> Any:
    """Add the search methods to the rows of a relation: ``author.documents.nearest(…)``."""
    if name not in _SEARCHES or "instance" not in vars(manager):
        raise AttributeError(f"{type(manager).__name__!r} object has no attribute {name!r}")
    return getattr(upgraded(manager.get_queryset()), name)


@hook("dorm.manager:BaseManager", "contribute_to_class")
def vector_managers(original: Any, manager: Any, cls: Any, name: str) -> None:
    """Add a VectorManager to a model with vectors that declares no ``objects`` manager."""
    is_declared = vars(cls).get(name) is manager or manager.name is not None  # on this class or on a parent
    is_default = type(manager) is Manager and name == "objects" and not is_declared
    if is_default and any(hasattr(field, "to_vector") for field in cls._meta.fields):
        manager = VectorManager()
    original(manager, cls, name)
