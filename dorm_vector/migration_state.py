"""Look up models, tables, columns, fields and indexes in the project state of a migration."""

from __future__ import annotations

from typing import Any, TypeVar

from dorm.fields import RelatedField
from dorm.indexes import Index

_Index = TypeVar("_Index", bound=Index)


def model_of(name: str, app_label: str, *states: Any) -> dict[str, Any]:
    """Return the model from the first state that has it, or an empty model."""
    found = (state.models.get(f"{app_label}.{name.lower()}") for state in states)
    return next(filter(None, found), {"name": name, "fields": {}, "options": {}})


def table_of(model: dict[str, Any], app_label: str) -> str:
    """Return the table of a model, named as in djanorm's operations."""
    return str(model["options"].get("db_table") or f"{app_label}_{model['name'].lower()}")


def column_of(name: str, field: Any) -> str:
    """Return the column of a field, even if the field belongs to no class."""
    given = getattr(field, "column", None) or getattr(field, "db_column", None)
    return str(given or (f"{name}_id" if isinstance(field, RelatedField) else name))


def indexes_of(model: dict[str, Any], kind: type[_Index]) -> list[_Index]:
    """Return the indexes of one kind that a model declares."""
    return [index for index in model["options"].get("indexes") or () if isinstance(index, kind)]
