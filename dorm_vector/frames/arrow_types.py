"""The Arrow type of each field, and of annotations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dorm import fields as orm
from dorm.aggregates import Count
from dorm.conf import settings

from ..expressions.outputs import FIELDS, output_shape
from ..expressions.scope import FieldResolver
from ..introspection import innermost
from ..values.elements import Element

if TYPE_CHECKING:
    import pyarrow as pa


def read_field(query: Any, name: str) -> Any:
    """Return the field that reads a column of a query, or an annotation with vectors; None for others."""
    if not query._is_annotation(name):
        return _of_column(query._resolve_field(name.split("__")))
    shape = output_shape(query.annotations[name], FieldResolver(query, query.model))
    if shape is not None:
        field = FIELDS[shape.element](shape.dimensions) if shape.dimensions or shape.element in _ANY_LENGTH else None
        if field is not None:
            field.name = name
        return field
    return _of_column(getattr(query.annotations[name], "output_field", None))


_ANY_LENGTH = (Element.FLOAT32, Element.HALF, Element.SPARSE)


def _of_column(field: Any) -> Any:
    """Return the field whose values a column holds: the key that a relation refers to, or what is generated."""
    while field is not None:
        if hasattr(field, "_resolve_related_model"):
            field = field._resolve_related_model()._meta.pk
        elif hasattr(field, "output_field"):
            field = field.output_field
        else:
            break
    return field if isinstance(field, orm.Field) else None


def annotation_type(expression: Any) -> pa.DataType | None:
    """Return the type of an annotation without a field; None if its values decide."""
    import pyarrow as pa

    if isinstance(expression, Count):
        return pa.int64()
    return pa.float64() if hasattr(expression, "metric") else None


def field_type(field: Any) -> pa.DataType | None:
    """Return the type of a field; None if its values decide."""
    import pyarrow as pa

    if hasattr(field, "to_vector"):
        return vector_type(field)
    if hasattr(field, "base_field"):
        inner = field_type(field.base_field)
        return None if inner is None else pa.list_(inner)
    for kinds, make in _TYPES:
        if isinstance(field, kinds):
            return make(pa, field)
    return None


def vector_type(field: Any) -> pa.DataType:
    """Return the type of a vector field."""
    import pyarrow as pa

    if field.element is Element.SPARSE:
        parts = [("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float32()))]
        # Where the field does not have the number of dimensions, each value does.
        return pa.struct(parts if field.dimensions else [*parts, ("dimensions", pa.int32())])
    number = {Element.HALF: pa.float16(), Element.BIT: pa.bool_()}.get(field.element, pa.float32())
    return pa.list_(number) if field.dimensions is None else pa.list_(number, field.dimensions)


def as_value(field: Any) -> Callable[[Any], Any] | None:
    """Return what converts the driver's values of a field to those of its type; None if they are the same."""
    if isinstance(field, _AS_JSON):
        return lambda value: _json(field.from_db_value(value))
    if isinstance(field, orm.UUIDField):
        return lambda value: str(field.from_db_value(value))
    if isinstance(field, orm.EnumField):
        return lambda value: field.from_db_value(value).value
    if isinstance(field, orm.DecimalField):
        # A MoneyField reads an object of its own.
        return partial(orm.DecimalField.from_db_value, field)
    changes = type(field).from_db_value is not orm.Field.from_db_value
    converts: Callable[[Any], Any] | None = field.from_db_value if changes else None
    return converts


def _json(value: Any) -> str | None:
    import json

    return None if value is None else json.dumps(value, ensure_ascii=False)


def _moment(pa: Any, _field: Any) -> Any:
    return pa.timestamp("us", tz="UTC" if getattr(settings, "USE_TZ", False) else None)


_AS_JSON = (orm.JSONField, orm.HStoreField)

_TYPES: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    ((orm.IntegerField, orm.AutoField), lambda pa, _: pa.int64()),
    (orm.FloatField, lambda pa, _: pa.float64()),
    (orm.BooleanField, lambda pa, _: pa.bool_()),
    (orm.DecimalField, lambda pa, field: pa.decimal128(field.max_digits, field.decimal_places)),
    (orm.DateTimeField, _moment),
    (orm.DateField, lambda pa, _: pa.date32()),
    (orm.TimeField, lambda pa, _: pa.time64("us")),
    (orm.DurationField, lambda pa, _: pa.duration("us")),
    (orm.BinaryField, lambda pa, _: pa.binary()),
    ((orm.CharField, orm.TextField, orm.UUIDField, *_AS_JSON), lambda pa, _: pa.string()),
)


def is_nested(field: Any) -> bool:
    """Return whether a field holds lists of vectors."""
    return hasattr(field, "base_field") and hasattr(innermost(field), "to_vector")
