"""The writable columns of a model, and their names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dorm.fields import RelatedField


def written_fields(model: Any) -> list[Any]:
    """Return the fields that have a column, without those that the database computes."""
    return [field for field in model._meta.concrete_fields if not hasattr(field, "expression")]


def named_field(model: Any, name: str) -> Any:
    """Return the field with this name or attribute, or ``pk``; raise ValueError if the model has no such column."""
    fields = written_fields(model)
    for field in fields:
        if name in (field.name, field.attname) or (name == "pk" and field.primary_key):
            return field
    names = ", ".join(field.name for field in fields)
    raise ValueError(f"{model.__name__} has no column for {name!r}. It has {names}.")


def named_fields(model: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the field for each name; raise ValueError if two names mean the same field."""
    named: dict[str, Any] = {}
    for name in names:
        field = named_field(model, name)
        other = next((known for known, found in named.items() if found is field), None)
        if other is not None:
            raise ValueError(f"{model.__name__}.{field.name} is given twice, as {other!r} and as {name!r}: choose one.")
        named[name] = field
    return named


def is_relation(field: Any) -> bool:
    return isinstance(field, RelatedField)


def key_of(field: Any, value: Any) -> Any:
    """Return the key of a related object; an instance must be saved and of the related model."""
    if not hasattr(value, "pk"):
        return value
    model = field._resolve_related_model()
    if not isinstance(value, model):
        raise TypeError(
            f"{field.model.__name__}.{field.name} refers to a {model.__name__}; this is a {type(value).__name__}."
        )
    if value.pk is None:
        raise ValueError(f"{field.model.__name__}.{field.name}: the {model.__name__} has no key yet. Save it first.")
    return value.pk


def key_held(field: Any, instance: Any) -> Any:
    """Return the related key of an instance, even if the related object was saved only after it was assigned."""
    key, other = instance.__dict__[field.attname], instance.__dict__.get(f"_cache_{field.name}")
    return key_of(field, other) if key is None and other is not None else key
