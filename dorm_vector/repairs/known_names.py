"""Repairs of djanorm: a name that becomes an SQL identifier in a write must be a field name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.models import Model
from dorm.query import SQLQuery

from ..patching.registry import repair
from ..query.names import no_such_field
from .offline import UNKNOWN, Connection, model, refuses, rows

_NAME = "known_names_in_updates"

_in_querysets = partial(
    repair, "dorm.queryset:QuerySet", name=_NAME, is_fixed=lambda: refuses(lambda: rows().update(**{UNKNOWN: 1}))
)

_in_models = partial(
    repair,
    "dorm.models:Model",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: Model.refresh_from_db(model()(), UNKNOWN, fields=[UNKNOWN])),
)


def field_called(model: Any, name: Any) -> Any:
    """Return the field with that name, attname or column, or the primary key for "pk"; raise FieldDoesNotExist."""
    if name == "pk" and model._meta.pk is not None:
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except (FieldDoesNotExist, TypeError):  # TypeError: not even hashable
        raise no_such_field(model, name) from None


def column_called(model: Any, name: Any) -> Any:
    """Return the field with that name; raise FieldDoesNotExist if it has no column, such as a many-to-many field."""
    field = field_called(model, name)
    if not field.column:
        raise FieldDoesNotExist(
            f"{model.__name__}.{field.name} is a {type(field).__name__}, which has no column of its own."
        )
    return field


def require_columns(model: Any, names: Iterable[Any] | None) -> None:
    if isinstance(names, str):
        raise TypeError(f"Expected a list of field names, got the string {names!r}. Write [{names!r}].")
    for name in names or ():
        column_called(model, name)


# Updates of a queryset


@_in_querysets("update")
def known_names_in_updates(original: Any, queryset: Any, /, **values: Any) -> Any:
    """Reject updates of unknown fields.

    Symptom: the keywords of ``update()`` reach the SQL unchanged: ``update(**{'title" = (SELECT …), "year': 5})``
    copies data of another table into this one. An update that matches no rows ignores an unknown name, and so do
    ``save(update_fields=…)``, ``refresh_from_db(fields=…)`` and the ``defaults`` of ``update_or_create()``. Cause:
    djanorm treats a name that is not a field as a column. djanorm 4.3 to 4.5.
    """
    return original(queryset, **_of_fields(queryset.model, values))


@_in_querysets("aupdate")
async def _known_names_in_async_updates(original: Any, queryset: Any, /, **values: Any) -> Any:
    return await original(queryset, **_of_fields(queryset.model, values))


def _of_fields(model: Any, values: dict[str, Any]) -> dict[str, Any]:
    fields = {name: column_called(model, name) for name in values}
    return {fields[name].name if name == "pk" else name: value for name, value in values.items()}


@_in_querysets("update_batched")
def _known_names_in_batches(original: Any, queryset: Any, /, batch_size: int = 1000, **values: Any) -> Any:
    return original(queryset, batch_size, **_of_fields(queryset.model, values))


@_in_querysets("bulk_update_when")
@_in_querysets("abulk_update_when")
def _known_names_in_cases(original: Any, queryset: Any, /, cases: Any, *, default: Any = None) -> Any:
    for _condition, values in cases:
        require_columns(queryset.model, values)
    require_columns(queryset.model, default)
    return original(queryset, cases, default=default)


@repair(
    "dorm.query:SQLQuery",
    "as_update",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: SQLQuery(model()).as_update({UNKNOWN: 1}, Connection())),
)
def _known_columns(original: Any, query: Any, /, values: dict[str, Any], *arguments: Any) -> Any:
    columns = {field.column for field in query.model._meta.concrete_fields}
    # djanorm passes the field name instead of the column if it could not convert the value.
    named = {name if name in columns else column_called(query.model, name).column: values[name] for name in values}
    return original(query, named, *arguments)


# One object at a time


@_in_models("save")
@_in_models("asave")
def _known_names_in_save(original: Any, instance: Any, /, *arguments: Any, **options: Any) -> Any:
    named = arguments[3] if len(arguments) > 3 else options.get("update_fields")
    require_columns(type(instance), named)
    return original(instance, *arguments, **options)


@_in_models("refresh_from_db")
@_in_models("arefresh_from_db")
def _known_names_in_refresh(original: Any, instance: Any, /, using: str = "default", fields: Any = None) -> Any:
    require_columns(type(instance), fields)
    return original(instance, using, fields)


def _require_settable(model: Any, values: dict[str, Any] | None) -> None:
    """Raise FieldDoesNotExist for a name that is neither a field nor a settable property."""
    for name in values or {}:
        settable = getattr(model, name, None)
        if not (hasattr(type(settable), "__set__") and getattr(settable, "fset", True)):
            field_called(model, name)


@_in_querysets("get_or_create")
@_in_querysets("aget_or_create")
def _known_defaults(original: Any, queryset: Any, /, defaults: Any = None, **lookups: Any) -> Any:
    _require_settable(queryset.model, defaults)
    return original(queryset, defaults, **lookups)


@_in_querysets("update_or_create")
@_in_querysets("aupdate_or_create")
def _known_updates(
    original: Any, queryset: Any, /, defaults: Any = None, create_defaults: Any = None, **lookups: Any
) -> Any:
    _require_settable(queryset.model, defaults)
    _require_settable(queryset.model, create_defaults)
    return original(queryset, defaults, create_defaults, **lookups)


# Many at once


@_in_querysets("bulk_create")
@_in_querysets("abulk_create")
def _known_names_in_bulk_create(original: Any, queryset: Any, /, *arguments: Any, **options: Any) -> Any:
    for option in ("update_fields", "unique_fields", "returning"):
        require_columns(queryset.model, options.get(option))
    return original(queryset, *arguments, **options)


@_in_querysets("upsert")
@_in_querysets("aupsert")
def _known_names_in_upsert(
    original: Any, queryset: Any, /, objs: Any, unique_fields: Any, *, update_fields: Any = None, **options: Any
) -> Any:
    require_columns(queryset.model, unique_fields)
    require_columns(queryset.model, update_fields)
    return original(queryset, objs, unique_fields, update_fields=update_fields, **options)


@_in_querysets("bulk_update")
@_in_querysets("abulk_update")
def _known_names_in_bulk_update(
    original: Any, queryset: Any, /, objs: Any, fields: Any, *arguments: Any, **more: Any
) -> Any:
    require_columns(queryset.model, fields)
    return original(queryset, objs, fields, *arguments, **more)
