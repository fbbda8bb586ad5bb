"""Annotations whose values are vectors: how the outermost SELECT reads them, and what becomes of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dorm.aggregates import Aggregate

from ..dialects import Dialect
from ..dialects.base import SQL
from ..outputs import decoder, output_field, output_shape
from .compiling import Names


class Reading:
    """An annotation as the outermost SELECT reads it; ``unread`` is what the rest of the statement means by it."""

    def __init__(self, expression: Any, template: str) -> None:
        self.unread, self.template = expression, template

    def as_sql(self, *args: Any, **context: Any) -> SQL:
        sql, params = self.unread.as_sql(*args, **context)
        return self.template.format(column=sql), params

    def __repr__(self) -> str:
        return repr(self.unread)


class ReadingAggregate(Reading, Aggregate):
    """The same for an aggregate: djanorm groups where it sees one."""


def as_read(query: Any, annotations: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the annotations as the outermost SELECT reads them."""
    read = dict(annotations)
    for name, expression in annotations.items():
        shape = output_shape(expression, Names(query, query.model))
        template = dialect.form(shape.element).read if shape is not None else "{column}"
        if template != "{column}":
            kind = ReadingAggregate if isinstance(expression, Aggregate) else Reading
            read[name] = kind(expression, template)
    return read


def annotation_field(query: Any, name: str) -> Any:
    """Return a field that reads the annotation, or None where its value is no vector of known dimensions."""
    shape = output_shape(query.annotations[name], Names(query, query.model))
    return output_field(shape) if shape is not None and shape.dimensions is not None else None


def decoders(query: Any, annotations: dict[str, Any] | None = None) -> dict[str, Callable[[Any], Any]]:
    """Return what decodes each annotation whose value is a vector; of the query's own, without others."""
    names = Names(query, query.model)
    shapes = {name: output_shape(expression, names) for name, expression in (annotations or query.annotations).items()}
    return {name: decoder(shape) for name, shape in shapes.items() if shape is not None}


def decoded(values: dict[str, Any], found: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Decode the vectors among the values, in place."""
    values |= {name: decode(values[name]) for name, decode in found.items() if name in values}
    return values
