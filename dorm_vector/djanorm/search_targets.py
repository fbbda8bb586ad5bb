"""What ``nearest()`` is asked by, looked up in djanorm's models and querysets."""

from __future__ import annotations

from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import F

from ..exceptions import InvalidVector
from .compiling import Names
from .models import field_names, vector_fields


def what_is_called(queryset: Any, name: str) -> str:
    """Return what goes by a name on the rows of a queryset: a field, an attribute, an annotation, or nothing."""
    held = getattr(queryset.model, name, None)
    if name in field_names(queryset.model):
        return "a field"
    if name == "pk" or callable(held) or hasattr(held, "__get__"):
        return "an attribute"
    return "an annotation" if name in queryset._query.annotations else ""


def require_known(queryset: Any, reference: F) -> None:
    """Raise FieldDoesNotExist for a reference to nothing, which some databases would take for text."""
    if Names(queryset._query, queryset.model).source(reference) is None:
        there = ", ".join(field.name for field in vector_fields(queryset.model)) or "none of its own"
        raise FieldDoesNotExist(
            f"{queryset.model.__name__} has no vector field {reference.name!r} for F(). It has {there}."
        )


def holder_of(instance: Any, path: str) -> Any:
    """Return the instance that has the field at the end of the path, through relations that are loaded."""
    *relations, _name = path.split("__")
    for relation in relations:
        related = vars(instance).get(f"_cache_{relation}")
        if related is None:
            raise InvalidVector(
                f"nearest({path!r}, ...): {relation!r} of {instance!r} is not loaded."
                f" Read it with select_related({'__'.join(relations)!r}), or give a vector."
            )
        instance = related
    return instance
