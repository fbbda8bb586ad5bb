"""Read what a model declares: its rows, fields and indexes."""

from __future__ import annotations

import functools
import operator
from typing import Any

from dorm.expressions import Q
from dorm.fields import RelatedField


def rows_of(source: Any) -> Any:
    """Return the queryset of a model, a manager or a queryset.

    Raises:
        TypeError: The source is none of these.
    """
    found: Any = getattr(source, "_default_manager", source) if isinstance(source, type) else source
    if hasattr(found, "get_queryset"):
        # A manager may refuse every method but this one: that of an AsyncModel does.
        return found.get_queryset()
    if not hasattr(found, "all") or not hasattr(found, "filter"):
        raise TypeError(f"{source!r} has no rows. Give a model, or a queryset of it: Report.objects.filter(year=2024).")
    return found.all()


def vector_fields(model: Any) -> list[Any]:
    """Return the model's vector fields."""
    return [field for field in model._meta.concrete_fields if hasattr(field, "to_vector")]


def reaches_vectors(model: Any) -> bool:
    """Return whether the model has vectors, or a chain of relations leads to a model that has."""
    seen, waiting = set(), [model]
    while waiting:
        found = waiting.pop()
        if vector_fields(found):
            return True
        seen.add(found)
        waiting += [other for other in _related_models(found) if other not in seen]
    return False


def _related_models(model: Any) -> list[Any]:
    """Return the models that a model refers to, or that refer to it."""
    held = [value for kind in model.__mro__ for value in vars(kind).values()]
    fields = [*model._meta.get_fields(), *(getattr(value, "field", None) for value in held)]
    forward = [field._resolve_related_model() for field in fields if hasattr(field, "_resolve_related_model")]
    reverse = [getattr(value, "source_model", None) for value in held]
    return [other for other in (*forward, *reverse) if hasattr(other, "_meta")]


def reads_vectors(field: Any) -> bool:
    """Return whether the values of a column are vectors, or arrays of them."""
    return hasattr(innermost(field), "to_vector")


def innermost(field: Any) -> Any:
    """Return the base field of an array, nested arrays included; any other field is returned as it is."""
    while hasattr(field, "base_field"):
        field = field.base_field
    return field


def held_field(field: Any) -> Any:
    """Return the field whose values a column holds: of a foreign key, the key that it refers to in the end."""
    while isinstance(field, RelatedField):
        field = field._resolve_related_model()._meta.pk
    return field


def field_names(model: Any) -> list[str]:
    return [field.name for field in model._meta.get_fields()]


def fields_of(model: Any) -> dict[str, Any]:
    return {field.name: field for field in model._meta.get_fields()}


def key_names(model: Any) -> list[str]:
    """Return the fields of the primary key, which may be of several."""
    return list(getattr(model._meta.pk, "field_names", None) or [model._meta.pk.name])


def is_row_of(instance: Any, model: Any) -> bool:
    """Tell whether the instance is a row of the model's table, also as one of a proxy of it."""
    meta = getattr(instance, "_meta", None)
    return meta is not None and meta.concrete_model is model._meta.concrete_model


def primary_key(model: Any) -> str:
    return str(model._meta.pk.name)


def key_of_row(row: Any) -> dict[str, Any]:
    """Return the parts of a row's key by their names; one, unless it is a composite key."""
    key = row._meta.pk
    names = getattr(key, "field_names", None)
    return {name: getattr(row, row._meta.get_field(name).attname) for name in names} if names else {key.name: row.pk}


def is_one_of(rows: list[Any]) -> Q:
    """Return the condition that finds the rows again by their keys."""
    keys = [key_of_row(row) for row in rows]
    if len(keys[0]) == 1:
        return Q(pk__in=[row.pk for row in rows])
    return functools.reduce(operator.or_, (Q(**key) for key in keys))


def have_key(model: Any, keys: list[Any]) -> Q:
    """Return the condition that finds the rows with these keys, each a tuple if the key is composite."""
    names = getattr(model._meta.pk, "field_names", None)
    if not names:
        return Q(pk__in=keys)
    return functools.reduce(operator.or_, (Q(**dict(zip(names, key, strict=True))) for key in keys))


def require_one_key(model: Any, what: str) -> None:
    """Raise TypeError for a model with a composite key, which ``what`` does not take."""
    names = getattr(model._meta.pk, "field_names", None)
    if names:
        raise TypeError(
            f"{what} refers to each row by one key column; the key of {model.__name__} is {', '.join(names)}."
            " Give the model a key of one column, such as id = BigAutoField(primary_key=True), and declare"
            f" unique_together = [({', '.join(map(repr, names))})]."
        )


def indexes_of(field: Any) -> list[Any]:
    """Return the vector indexes that the field's model declares for it."""
    from .indexes.vector import VectorIndex

    declared = field.model._meta.indexes if field.model is not None else ()
    return [index for index in declared if isinstance(index, VectorIndex) and index.fields == [field.name]]


def text_indexes_of(model: Any) -> list[Any]:
    """Return the text indexes that the model declares."""
    from .indexes.text import TextIndex

    return [index for index in model._meta.indexes if isinstance(index, TextIndex)]


def has_companions(model: Any, dialect: Any) -> bool:
    """Return whether the model declares an index whose content is a companion table on this database."""
    kinds = dialect.companions
    return bool(kinds) and any(
        hasattr(index, "metric") and index.on(dialect).kind in kinds for index in model._meta.indexes
    )


def check_indexes(field: Any) -> None:
    """Raise ValueError if an index that the model declares does not fit this field."""
    for index in indexes_of(field):
        index.check(field)
