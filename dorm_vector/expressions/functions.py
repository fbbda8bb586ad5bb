"""Functions of vectors as query expressions; the dialect of the connection supplies their SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..dialects.shared.operands import SQL, Operand
from ..exceptions import DimensionMismatch, UnsuitableFunction
from ..values.elements import Element
from ..values.routines import Routine
from ..values.vector import Vector
from .distances import Expression
from .operands import (
    Shape,
    as_operand,
    compiled,
    number,
    path_of,
    require_dimensions,
    shape_of,
    sizes,
    vector_shape_of,
    widened,
)
from .scope import CompileScope, FieldResolver, scope


class VectorFunction(Expression):
    """Base class of vector functions: compile with the dialect, widen to float32, and return NULL for a NULL operand.

    An operand is a field path, ``F``, another function, a vector, a ``Subquery`` of one vector, or an ``OuterRef``.
    """

    routine: ClassVar[Routine]
    native: ClassVar[frozenset[Element]] = frozenset()
    """Element types that are not widened to float32."""

    def __init__(self, expression: Any) -> None:
        self.expression = as_operand(expression)

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        where = scope(table_alias, **context)
        operand = self.operand(where)
        return operand.sql, list(operand.params)

    def operand(self, where: CompileScope) -> Operand:
        shape = self._input(where)
        numbers = self._numbers(shape.dimensions or where.assumed)
        operands = {"left": self._compiled(self.expression, shape, where), **numbers}
        return where.dialect.call(self.routine, self._kept(shape), operands)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the import path and the arguments, as migrations write them."""
        return f"dorm_vector.{type(self).__name__}", self._arguments(), {}

    def _arguments(self) -> list[Any]:
        return [self.expression]

    def _input(self, names: FieldResolver) -> Shape:
        """Return the shape of the operand; raises UnsuitableFunction for bits, unless the function takes them."""
        shape = self._given(names) or Shape(Element.FLOAT32, None, path_of(self.expression))
        if shape.element is Element.BIT and Element.BIT not in self.native:
            raise UnsuitableFunction(f"{type(self).__name__} takes numbers; {shape.label} holds bits.")
        return shape

    def _given(self, names: FieldResolver) -> Shape | None:
        return vector_shape_of(self.expression, names)

    def _kept(self, shape: Shape) -> Element:
        return shape.element if shape.element in self.native else Element.FLOAT32

    def _compiled(self, expression: Any, shape: Shape, where: CompileScope) -> Operand:
        operand = compiled(expression, where)
        return operand if shape.element in self.native else widened(operand, shape.element, where)

    def _numbers(self, dimensions: int | None) -> Mapping[str, Operand]:
        return sizes(dimensions)

    def __repr__(self) -> str:
        # The arguments are included, because djanorm's QuerySet.cache() builds its keys from the repr.
        return f"{type(self).__name__}({', '.join(map(repr, self._arguments()))})"


class VectorDims(VectorFunction):
    """Return how many dimensions a vector has, or NULL for NULL."""

    routine = Routine.DIMENSIONS
    native = frozenset({Element.SPARSE, Element.BIT})


class VectorNorm(VectorFunction):
    """Return the Euclidean length of a vector, 0 and up."""

    routine = Routine.NORM
    native = frozenset({Element.SPARSE})


class VectorExpression(VectorFunction):
    """An expression whose value is a vector; it reads like a column and supports ``+``, ``-`` and ``*``."""

    def shape(self, names: FieldResolver) -> Shape:
        """Return the element type and the dimensions of the value."""
        shape = self._input(names)
        return shape.changed(element=self._kept(shape), label=repr(self))

    def __add__(self, other: Any) -> VectorAdd:  # type: ignore[override]  # of vectors, element by element
        return VectorAdd(self, other)

    def __radd__(self, other: Any) -> VectorAdd:  # type: ignore[override]  # as above
        return VectorAdd(other, self)

    def __sub__(self, other: Any) -> VectorSub:  # type: ignore[override]  # as above
        return VectorSub(self, other)

    def __rsub__(self, other: Any) -> VectorSub:  # type: ignore[override]  # as above
        return VectorSub(other, self)

    def __mul__(self, other: Any) -> VectorMul:  # type: ignore[override]  # as above
        return VectorMul(self, other)

    def __rmul__(self, other: Any) -> VectorMul:  # type: ignore[override]  # as above
        return VectorMul(other, self)


class L2Normalize(VectorExpression):
    """Scale a vector to length 1; a zero vector stays zero. A sparse vector stays sparse."""

    routine = Routine.NORMALIZE
    native = frozenset({Element.SPARSE})


class SubVector(VectorExpression):
    """Return ``count`` values of a vector, beginning at position ``start``, which counts from 1, as in pgvector.

    Raises:
        ValueError: ``start`` or ``count`` is less than 1.
        DimensionMismatch: The range ends past the end of the column.
    """

    routine = Routine.SUBVECTOR

    def __init__(self, expression: Any, start: int, count: int) -> None:
        if start < 1 or count < 1:
            raise ValueError(f"SubVector(start={start!r}, count={count!r}): both count from 1.")
        super().__init__(expression)
        self.start, self.count = int(start), int(count)

    def shape(self, names: FieldResolver) -> Shape:
        return super().shape(names).changed(dimensions=self.count)

    def _input(self, names: FieldResolver) -> Shape:
        shape, end = super()._input(names), self.start + self.count - 1
        if shape.dimensions is not None and end > shape.dimensions:
            raise DimensionMismatch(f"{shape.label} holds {shape.dimensions} dimensions; {self!r} ends at {end}.")
        return shape

    def _arguments(self) -> list[Any]:
        return [self.expression, self.start, self.count]

    def _numbers(self, dimensions: int | None) -> Mapping[str, Operand]:
        offset = self.start - 1
        numbers = {"start": self.start, "count": self.count, "offset": offset, "end": offset + self.count}
        return {name: number(value) for name, value in numbers.items()}


class BinaryQuantize(VectorExpression):
    """Return a bit string: 1 for each value greater than 0. Use it for Hamming distances and an index over them."""

    routine = Routine.BINARY_QUANTIZE

    def shape(self, names: FieldResolver) -> Shape:
        return super().shape(names).changed(element=Element.BIT)


CASTS = {
    Element.FLOAT32: Routine.TO_VECTOR,
    Element.HALF: Routine.TO_HALFVEC,
    Element.SPARSE: Routine.TO_SPARSEVEC,
}


class CastVector(VectorExpression):
    """Convert between vector types, as in ``CastVector("embedding", HalfVectorField(384))``.

    On PostgreSQL it also converts an array.

    Raises:
        DimensionMismatch: The operand and the output field have different dimensions.
        UnsuitableFunction: The cast is to or from bits.
    """

    native = frozenset({Element.HALF, Element.SPARSE})

    def __init__(self, expression: Any, output_field: Any) -> None:
        super().__init__(expression)
        if output_field.element not in CASTS:
            raise UnsuitableFunction("CastVector makes no bits. BinaryQuantize does.")
        self.output_field = output_field

    @property
    def routine(self) -> Routine:  # type: ignore[override]  # each type has a cast of its own
        return CASTS[self.output_field.element]

    def shape(self, names: FieldResolver) -> Shape:
        given = self._input(names)
        require_dimensions(self._target(), given)
        return self._target().changed(as_numpy=given.as_numpy)

    def operand(self, where: CompileScope) -> Operand:
        self.shape(where)
        return super().operand(where)

    def _given(self, names: FieldResolver) -> Shape | None:
        # An array of numbers is accepted too, although it is not a vector yet.
        return shape_of(self.expression, names)

    def _target(self) -> Shape:
        return Shape(self.output_field.element, self.output_field.dimensions, repr(self))

    def _kept(self, shape: Shape) -> Element:
        return Element(self.output_field.element)

    def _numbers(self, dimensions: int | None) -> Mapping[str, Operand]:
        return sizes(self.output_field.dimensions)

    def _arguments(self) -> list[Any]:
        return [self.expression, self.output_field]

    def __repr__(self) -> str:
        field = f"{type(self.output_field).__name__}({self.output_field.dimensions})"
        return f"CastVector({self.expression!r}, {field})"


class VectorArithmetic(VectorExpression):
    """Base class of element-wise operations on two vectors of one length; a number is repeated to that length."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(left)
        self.other = as_operand(right)

    def shape(self, names: FieldResolver) -> Shape:
        left, right = self._sides(names)
        return Shape(Element.FLOAT32, self._dimensions(left, right), repr(self), left.as_numpy or right.as_numpy)

    def operand(self, where: CompileScope) -> Operand:
        left, right = self._sides(where)
        size = left.dimensions or right.dimensions or where.assumed or 0
        sides = {
            "left": self._side(self.expression, left, size, where),
            "right": self._side(self.other, right, size, where),
        }
        return where.dialect.call(self.routine, Element.FLOAT32, sides | sizes(size or None))

    def _sides(self, names: FieldResolver) -> tuple[Shape, Shape]:
        left, right = (self._side_shape(side, names) for side in (self.expression, self.other))
        self._require_alike(left, right)
        return left, right

    def _side_shape(self, side: Any, names: FieldResolver) -> Shape:
        shape = vector_shape_of(side, names) if not isinstance(side, (int, float)) else None
        if shape is not None and shape.element is Element.BIT:
            raise UnsuitableFunction(f"{type(self).__name__} takes numbers; {shape.label} holds bits.")
        return shape or Shape(Element.FLOAT32, None, "")

    def _side(self, side: Any, shape: Shape, size: int, where: CompileScope) -> Operand:
        if isinstance(side, (int, float)):
            return compiled(Vector([side] * size), where)
        return widened(compiled(side, where), shape.element, where)

    def _require_alike(self, left: Shape, right: Shape) -> None:
        require_dimensions(left, right)

    def _dimensions(self, left: Shape, right: Shape) -> int | None:
        return left.dimensions or right.dimensions

    def _arguments(self) -> list[Any]:
        return [self.expression, self.other]


class VectorAdd(VectorArithmetic):
    """Add two vectors, element by element; also spelled ``+``."""

    routine = Routine.ADD


class VectorSub(VectorArithmetic):
    """Subtract one vector from another, element by element; also spelled ``-``."""

    routine = Routine.SUBTRACT


class VectorMul(VectorArithmetic):
    """Multiply two vectors, element by element; also spelled ``*``."""

    routine = Routine.MULTIPLY


class VectorConcat(VectorArithmetic):
    """Concatenate two vectors; the result has the dimensions of both."""

    routine = Routine.CONCATENATE

    def _require_alike(self, left: Shape, right: Shape) -> None:
        """Accept any two vectors, because lengths need not match."""

    def _dimensions(self, left: Shape, right: Shape) -> int | None:
        return None if None in (left.dimensions, right.dimensions) else (left.dimensions or 0) + (right.dimensions or 0)
