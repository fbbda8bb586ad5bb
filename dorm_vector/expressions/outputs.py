"""The result of an expression: its shape, its field and its decoder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dorm.aggregates import Aggregate, Avg, Max, Min, Sum
from dorm.expressions import F, Subquery
from dorm.fields import DurationField

from ..dialects.shared.operands import SQL
from ..engines.row_source import read_from, row_source
from ..introspection import held_field, reads_vectors
from ..values.elements import Element
from .distances import VectorDistance
from .operands import VALUE_TYPES, Shape, shape_of
from .scope import FieldResolver

if TYPE_CHECKING:
    from ..dialects.base import Dialect


class ReadExpression:
    """An annotation as the outermost SELECT reads it; ``unread`` is its form in the rest of the statement."""

    def __init__(self, expression: Any, template: str) -> None:
        self.unread, self.template = expression, template

    def as_sql(self, *args: Any, **context: Any) -> SQL:
        sql, params = self.unread.as_sql(*args, **context)
        return self.template.format(column=sql), params

    def __repr__(self) -> str:
        return repr(self.unread)


class ReadAggregate(ReadExpression, Aggregate):
    """ReadExpression for an aggregate; djanorm groups the rows if it finds an Aggregate."""


def as_read(query: Any, annotations: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the annotations in the form that the outermost SELECT reads."""
    read = dict(annotations)
    for name, expression in annotations.items():
        shape = output_shape(expression, FieldResolver(query, query.model))
        template = dialect.form(shape.element).read if shape is not None else "{column}"
        if template != "{column}":
            kind = ReadAggregate if isinstance(expression, Aggregate) else ReadExpression
            read[name] = kind(expression, template)
    return read


def annotation_field(query: Any, name: str) -> Any:
    """Return a field that reads the annotation, or None if its value is not a vector of known dimensions."""
    shape = output_shape(query.annotations[name], FieldResolver(query, query.model))
    return output_field(shape) if shape is not None and shape.dimensions is not None else None


def decoders(query: Any, annotations: dict[str, Any] | None = None) -> dict[str, Callable[[Any], Any]]:
    """Return a decoder for each annotation that needs one; by default for the query's own annotations."""
    chosen = {
        name: found
        for name, found in (annotations or query.annotations).items()
        if not isinstance(found, VectorDistance)
    }
    if not chosen:
        # Distances are numbers.
        return {}
    names = FieldResolver(query, query.model)
    shapes = {name: output_shape(expression, names) for name, expression in chosen.items()}
    own = {name: found.decode for name, found in chosen.items() if hasattr(found, "decode")}
    own |= {name: read for name, found in chosen.items() if (read := reader_of(found, names)) is not None}
    return own | {name: decoder(shape) for name, shape in shapes.items() if shape is not None}


def referenced(expression: Any, names: FieldResolver) -> Any:
    """Return the field that an annotation with ``F()`` shows, or None for any other annotation."""
    if type(expression) is not F:
        return None
    found = names.source(expression)
    return referenced(found[0], found[1]) if isinstance(found, tuple) else found


def field_reader(field: Any) -> Callable[[Any], Any] | None:
    """Return the function that reads a selected column as an instance does, or None if it is read as it comes."""
    is_read = field is not None and (reads_vectors(field) or isinstance(held_field(field), DurationField))
    return field.from_db_value if is_read else None


def reader_of(expression: Any, names: FieldResolver) -> Callable[[Any], Any] | None:
    """Return the function that reads an annotation that shows a field or aggregates one, or None."""
    if type(expression) is F:
        field = referenced(expression, names)
        return None if field is None else held_field(field).from_db_value
    if not isinstance(expression, Aggregate):
        return None
    measures = isinstance(expression, (Avg, Max, Min, Sum))
    field = referenced(_aggregated(expression), names) if measures else None
    return duration_from if isinstance(field, DurationField) else None


def _aggregated(aggregate: Any) -> Any:
    return F(aggregate.expression) if isinstance(aggregate.expression, str) else aggregate.expression


def duration_from(value: Any) -> Any:
    """Return a timedelta from microseconds in any form that a driver returns."""
    if value is None or isinstance(value, dt.timedelta):
        return value
    whole = int(value)
    return dt.timedelta(microseconds=whole if whole == value else float(value))


def decoded(values: dict[str, Any], found: dict[str, Callable[[Any], Any]], connection: Any) -> dict[str, Any]:
    """Decode, in place, the vectors among values that were read from the connection."""
    values |= {name: read_from(connection, decode, values[name]) for name, decode in found.items() if name in values}
    return values


FIELDS: dict[Element, Any] = {}
"""The field class of each element type; the fields register themselves."""


def output_shape(expression: Any, names: FieldResolver) -> Shape | None:
    """Return the shape of an annotation whose value is a vector, or None."""
    expression = getattr(expression, "unread", expression)
    is_vector = type(expression) is F or isinstance(expression, Subquery) or hasattr(expression, "shape")
    return shape_of(expression, names) if is_vector else None


def output_field(shape: Shape, dimensions: int | None = None) -> Any:
    """Return a field without a model that reads values of the shape."""
    field = FIELDS[shape.element](shape.dimensions or dimensions, as_numpy=shape.as_numpy)
    field.name = shape.label
    return field


def decoder(shape: Shape) -> Callable[[Any], Any]:
    """Return a function that converts a driver's value as a column of the shape does."""
    if shape.dimensions is not None:
        read: Callable[[Any], Any] = output_field(shape).from_db_value
        return read
    return lambda value: value if value is None else output_field(shape, _length(shape, value)).from_db_value(value)


def _length(shape: Shape, value: Any) -> int:
    """Return the dimensions of a vector in any form that a driver returns."""
    return int(VALUE_TYPES[shape.element].from_wire(value, None, row_source).dimensions())
