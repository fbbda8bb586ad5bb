"""Operands of distances and functions: columns, values, other expressions and subqueries."""

from __future__ import annotations

from typing import Any

from dorm.expressions import F, OuterRef, Subquery
from dorm.fields import BinaryField, Field

from ..dialects.shared.operands import Operand
from ..exceptions import DimensionMismatch, InvalidVector
from ..values.bit import Bit
from ..values.elements import Element
from ..values.sparse import SparseVector
from ..values.vector import HalfVector, Vector
from .scope import CompileScope, FieldResolver

VALUE_TYPES: dict[Element, Any] = {
    Element.FLOAT32: Vector,
    Element.HALF: HalfVector,
    Element.SPARSE: SparseVector,
    Element.BIT: Bit,
}

VALUES = (Vector, SparseVector, Bit)


class Shape:
    """The element type and the dimensions of an operand; ``dimensions`` is None if only the database knows them."""

    def __init__(self, element: Element, dimensions: int | None, label: str, as_numpy: bool = False) -> None:
        self.element, self.dimensions, self.label, self.as_numpy = element, dimensions, label, as_numpy

    def changed(self, **facts: Any) -> Shape:
        return Shape(**{**vars(self), **facts})


def as_operand(value: Any) -> Any:
    """Convert an argument of a function to an operand: text is a field path, and other plain values become vectors."""
    if (
        value is None
        or isinstance(value, (str, int, float, F, OuterRef, Subquery, *VALUES))
        or hasattr(value, "as_sql")
    ):
        return value
    return SparseVector(value) if hasattr(value, "indices") or hasattr(value, "tocoo") else Vector(value)


def path_of(operand: Any) -> str:
    """Return the field path of a column, or "" for any other operand."""
    return operand if isinstance(operand, str) else operand.name if type(operand) is F else ""


def shape_of(operand: Any, names: FieldResolver) -> Shape | None:
    """Return the shape of an operand, or None if it is unknown."""
    if isinstance(operand, VALUES):
        return Shape(operand.element, operand.dimensions(), "this vector")
    if hasattr(operand, "shape"):
        shape: Shape | None = operand.shape(names)
        return shape
    found = names.source(operand)
    if isinstance(found, tuple):
        return shape_of(*found)
    return _of_field(found) if hasattr(found, "to_vector") else None


def vector_shape_of(operand: Any, names: FieldResolver) -> Shape | None:
    """Return the shape of an operand that must be a vector; raises InvalidVector for a field that holds none."""
    found = None if isinstance(operand, VALUES) or hasattr(operand, "shape") else names.source(operand)
    if isinstance(found, Field) and not (isinstance(found, BinaryField) or hasattr(found, "dimensions")):
        model: Any = found.model
        raise InvalidVector(f"{model.__name__}.{found.name} holds no vectors: it is a {type(found).__name__}.")
    return shape_of(operand, names)


def _of_field(field: Any) -> Shape:
    return Shape(field.element, field.dimensions, field.label, field.as_numpy)


def compiled(operand: Any, where: CompileScope) -> Operand:
    """Return the SQL of an operand."""
    if isinstance(operand, VALUES):
        return where.dialect.bound(operand)
    if hasattr(operand, "operand"):
        found: Operand = operand.operand(where)
        return found
    if isinstance(operand, OuterRef):
        return where.outer(operand)
    if isinstance(operand, Subquery):
        return where.subquery(operand)
    path = path_of(operand)
    annotation = where.annotation(path)
    if annotation is not None and annotation is not operand:
        return compiled(annotation, where)
    if isinstance(operand, str) or type(operand) is F:
        return where.column(path)
    sql, params = operand.as_sql(where.table_alias, model=where.model, connection=where.connection, query=where.query)
    return Operand(sql, tuple(params))


def widened(operand: Operand, element: Element, where: CompileScope) -> Operand:
    """Return the operand as float32."""
    return operand if element is Element.FLOAT32 else where.dialect.widened(element, operand)


def number(value: int) -> Operand:
    return Operand(str(value), nullable=False, constant=True)


def sizes(dimensions: int | None) -> dict[str, Operand]:
    """Return the sizes of a vector for use in a template, or nothing if only the database knows them."""
    if dimensions is None:
        return {}
    return {"dimensions": number(dimensions), "bytes": number(-(-dimensions // 8))}


def require_dimensions(left: Shape | None, right: Shape | None) -> None:
    if left is None or right is None or None in (left.dimensions, right.dimensions):
        return
    if left.dimensions != right.dimensions:
        what = right.label if right.label != "this vector" else "this query vector"
        raise DimensionMismatch(f"{left.label} holds {left.dimensions} dimensions; {what} has {right.dimensions}.")
