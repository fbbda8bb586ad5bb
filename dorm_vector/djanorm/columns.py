"""The columns of a model that a row can write, and what they are called."""

from __future__ import annotations

from typing import Any


def written_fields(model: Any) -> list[Any]:
    """Return the fields with a column; not those that the database computes."""
    return [field for field in model._meta.concrete_fields if not hasattr(field, "expression")]


def named_field(model: Any, name: str) -> Any:
    """Return the field of that name, that attribute, or ``pk``; ValueError where the model has no such column."""
    fields = written_fields(model)
    for field in fields:
        if name in (field.name, field.attname) or (name == "pk" and field.primary_key):
            return field
    names = ", ".join(field.name for field in fields)
    raise ValueError(f"{model.__name__} has no column for {name!r}. It has {names}.")
