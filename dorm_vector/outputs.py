"""How the values of vector expressions are read: as those of a column would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dorm.expressions import Subquery

from .djanorm.compiling import Names
from .elements import Element
from .operands import Shape, shape_of

FIELDS: dict[Element, Any] = {}
"""The field of each element; the fields enter themselves."""


def output_shape(expression: Any, names: Names) -> Shape | None:
    """Return the shape of an annotation whose value is a vector, or None."""
    expression = getattr(expression, "unread", expression)
    is_vector = isinstance(expression, Subquery) or hasattr(expression, "shape")
    return shape_of(expression, names) if is_vector else None


def output_field(shape: Shape, dimensions: int | None = None) -> Any:
    """Return a field, of no model, that reads values of the shape."""
    field = FIELDS[shape.element](shape.dimensions or dimensions, as_numpy=shape.as_numpy)
    field.name = shape.label
    return field


def decoder(shape: Shape) -> Callable[[Any], Any]:
    """Return what turns a driver's value into what a column of the shape reads."""
    if shape.dimensions is not None:
        read: Callable[[Any], Any] = output_field(shape).from_db_value
        return read
    return lambda value: value if value is None else output_field(shape, _length(value)).from_db_value(value)


def _length(value: Any) -> int:
    """Return the dimensions of a float32 vector in any form that a driver gives."""
    if isinstance(value, str):
        return value.count(",") + 1
    size, rest = divmod(len(value) - 4, 4)
    is_headed = rest == 0 and size > 0 and bytes(value[:4]) == size.to_bytes(2, "big") + b"\0\0"
    return size if is_headed else size + 1
