"""Expressions assigned to a vector column: bind their constants, and require length 1 if the field normalizes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

from dorm.expressions import F, Value
from dorm.functions import Case, Coalesce, NullIf

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..exceptions import UnsuitableFunction
from ..expressions.scope import current_connection, current_query
from ..introspection import vector_fields
from ..values.elements import Element


class BoundVector:
    """A vector inside a CASE, where PostgreSQL treats an untyped parameter as text."""

    def __init__(self, vector: Any) -> None:
        self.vector = vector

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        dialect = dialect_for(context.get("connection") or current_connection(current_query()))
        operand = dialect.bound(self.vector)
        return operand.sql, list(operand.params)


class StoredVector:
    """A vector column inside a CASE, where MySQL treats a bound vector as text."""

    def __init__(self, column: str) -> None:
        self.column = column

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        dialect = dialect_for(context.get("connection") or current_connection(current_query()))
        column = f'"{table_alias}"."{self.column}"' if table_alias else f'"{self.column}"'
        return dialect.stored.format(column=column), []


def bound_values(model: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an ``update()`` with the constants in expressions for vector columns bound."""
    fields = {name: field for field in vector_fields(model) for name in (field.name, field.attname)}
    return {name: bound(fields[name], value) if name in fields else value for name, value in values.items()}


def bound(field: Any, value: Any) -> Any:
    """Return the expression with its constant vectors converted by the field, and any other value unchanged.

    Raises:
        UnsuitableFunction: The field normalizes its vectors, and the expression may not have length 1.
    """
    if isinstance(value, (BoundVector, StoredVector)):
        return value
    if isinstance(value, Value):
        return Value(None if value.value is None else field.to_vector(value.value))
    chosen: Any
    if isinstance(value, Case):
        chosen = copy.copy(value)
        chosen.whens = [_with_bound_result(field, when) for when in value.whens]
        chosen.default = _result(field, value.default)
        return chosen
    if (isinstance(value, F) or hasattr(value, "as_sql")) and field.normalize and not _has_length_one(field, value):
        raise UnsuitableFunction(
            f"{field.label} is declared with normalize=True, and {value!r} may have any length."
            f" Scale it in the database: L2Normalize({value!r})."
        )
    if isinstance(value, (Coalesce, NullIf)):
        chosen = copy.copy(value)
        chosen.expressions = tuple(map(partial(_argument, field), value.expressions))
        return chosen
    return _converted(field, value)


def _converted(field: Any, value: Any) -> Any:
    """Return an expression of another element type as one of the field's, because some databases store any bytes."""
    if field.model is None or not (isinstance(value, F) or hasattr(value, "shape")):
        return value
    from ..expressions.functions import CastVector  # late: most programs use no vector function
    from ..expressions.operands import Shape, require_dimensions

    element, dimensions = _made(field, value)
    require_dimensions(Shape(field.element, field.dimensions, field.label), Shape(element, dimensions, repr(value)))
    if element is field.element:
        return value
    if Element.BIT in (element, field.element):
        wanted = "BinaryQuantize makes bits." if field.element is Element.BIT else "Read the bits, and assign numbers."
        raise UnsuitableFunction(
            f"{field.label} holds {field.element.value} values, and {value!r} is {element.value}. {wanted}"
        )
    return CastVector(value, field)


def _made(field: Any, value: Any) -> tuple[Element, int | None]:
    """Return the element type and the dimensions of an expression; the field's own where only the database knows."""
    from ..expressions.functions import BinaryQuantize, CastVector

    if isinstance(value, BinaryQuantize):
        return Element.BIT, None
    if isinstance(value, CastVector):
        return value.output_field.element, value.output_field.dimensions
    if isinstance(value, F):
        named = [each for each in vector_fields(field.model) if value.name in (each.name, each.column)]
        return (named[0].element, named[0].dimensions) if named else (field.element, None)
    return Element.FLOAT32, None


def _argument(field: Any, argument: Any) -> Any:
    # A text is the name of a column there.
    return argument if isinstance(argument, str) else _result(field, argument)


def _with_bound_result(field: Any, when: Any) -> Any:
    found = copy.copy(when)
    found.then = _result(field, when.then)
    return found


def _result(field: Any, result: Any) -> Any:
    is_constant = result is not None and not isinstance(result, (F, Value)) and not hasattr(result, "as_sql")
    found = bound(field, Value(result) if is_constant else result)
    if isinstance(found, F):
        columns = [each.column for each in vector_fields(field.model) if found.name in (each.name, each.column)]
        return StoredVector(columns[0]) if columns else found
    return BoundVector(found.value) if isinstance(found, Value) and found.value is not None else found


def _has_length_one(field: Any, expression: Any) -> bool:
    from ..expressions.functions import L2Normalize  # late: most programs use no vector function

    if isinstance(expression, L2Normalize):
        return True
    if not isinstance(expression, F) or field.model is None:
        return False
    named = [each for each in vector_fields(field.model) if expression.name in (each.name, each.column)]
    return bool(named) and all(each.normalize for each in named)
