"""Aggregates over vectors: the result is a vector, or NULL over no rows."""

from __future__ import annotations

from typing import Any, ClassVar

from dorm.aggregates import Aggregate, Avg, Sum
from dorm.expressions import F

from ..dialects.shared.operands import SQL
from ..exceptions import UnsuitableFunction
from ..values.elements import Element
from ..values.routines import Routine
from .operands import Shape, as_operand, compiled, path_of, shape_of, vector_shape_of, widened
from .scope import CompileScope, FieldResolver, scope


class VectorAggregate(Aggregate):
    """Base class of vector aggregates: widen a column, or a function of one, to float32 and return a vector."""

    routine: ClassVar[Routine]

    def __init__(self, expression: Any, distinct: bool = False, filter: Any = None) -> None:  # djanorm's
        super().__init__(expression.name if isinstance(expression, F) else expression, distinct, filter)
        self.source = as_operand(self.expression)

    def shape(self, names: FieldResolver) -> Shape:
        """Return the element type and the dimensions of the result, based on those of the aggregated expression."""
        shape = self._input(names)
        return shape.changed(element=self._kept(shape), label=repr(self))

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        where = scope(table_alias, **context)
        shape = self._input(where)
        operand, params = self._operand(table_alias, where, shape, context)
        name = where.dialect.routine(self.routine, Element.FLOAT32)
        if self.filter is not None:
            filtered, filter_params = where.condition(self.filter, table_alias)
            operand, params = f"CASE WHEN {filtered} THEN {operand} END", filter_params + params
        kept = where.dialect.routines.get((self.routine, shape.element), "{left}")
        called = f"{name}({'DISTINCT ' * self.distinct}{operand})"
        return str(kept).format(left=called, dimensions=shape.dimensions), params

    def _operand(self, table_alias: str | None, where: CompileScope, shape: Shape, context: dict[str, Any]) -> SQL:
        if context.get("query") is None and isinstance(self.expression, str):
            # A derived table names its columns as they were requested.
            where = CompileScope(None, None, where.dialect, where.connection, table_alias)
        operand = widened(compiled(self.expression, where), shape.element, where)
        return operand.sql, list(operand.params)

    def _input(self, names: FieldResolver) -> Shape:
        shape = vector_shape_of(self.source, names) or Shape(Element.FLOAT32, None, path_of(self.source))
        if shape.element is Element.BIT:
            raise UnsuitableFunction(f"{type(self).__name__} takes numbers; {shape.label} holds bits.")
        return shape

    def _kept(self, shape: Shape) -> Element:
        return Element.SPARSE if shape.element is Element.SPARSE else Element.FLOAT32


class VectorAvg(VectorAggregate):
    """Average vectors, element by element; NULL (None) over no rows. ``Avg`` of a vector field does the same."""

    routine = Routine.AVERAGE


class VectorSum(VectorAggregate):
    """Sum vectors, element by element; NULL (None) over no rows. ``Sum`` of a vector field does the same."""

    routine = Routine.SUM


_OF_VECTORS: dict[type[Aggregate], type[VectorAggregate]] = {Avg: VectorAvg, Sum: VectorSum}


def of_vectors(expression: Any, names: FieldResolver) -> Any:
    """Replace djanorm's Avg or Sum with ours if it is over vectors; return any other expression unchanged."""
    kind = _OF_VECTORS.get(type(expression))
    operand = expression.expression if kind is not None else None
    if kind is None or operand == "*" or shape_of(operand, names) is None:
        return expression
    return kind(operand, expression.distinct, expression.filter)


def over_vectors(queryset: Any, expressions: dict[str, Any]) -> dict[str, Any]:
    """Return the expressions, with djanorm's Avg and Sum over vectors replaced by ours."""
    names = FieldResolver(queryset._query, queryset.model)
    return {name: of_vectors(expression, names) for name, expression in expressions.items()}
