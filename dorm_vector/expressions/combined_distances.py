"""The distance of a row from several vectors, as one expression: the smallest, the mean, or late interaction."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from ..dialects.shared.operands import SQL, Operand
from ..engines import dialect_for
from ..introspection import innermost, key_names
from .compiled import CompiledSQL
from .distances import SIMILARITIES, Expression, VectorDistance
from .operands import Shape
from .scope import CompileScope, FieldResolver, compiling, current_connection

_ITEM = '"item"."value"'


class Combine(StrEnum):
    """How to combine the distances of a row from several vectors."""

    MIN = "min"
    """The smallest."""
    MEAN = "mean"
    """Their mean."""
    MAXSIM = "maxsim"
    """Late interaction: the negative sum of the greatest similarity to each vector."""


class Items:
    """The vectors of an array column, one by one, inside of a subquery that unnests it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def shape(self, names: FieldResolver) -> Shape:
        base = innermost(names.field(self.path))
        return Shape(base.element, base.dimensions, names.field(self.path).name, base.as_numpy)

    def operand(self, where: CompileScope) -> Operand:
        return Operand(_ITEM)


class CombinedDistance(Expression):
    """Measure the distances of a row from several vectors, and combine them into one.

    With several vectors in a row, in related rows or in an array, the distance from a query vector is that of the
    nearest of them.

    Args:
        distances: The distance from each vector.
        combine: How to combine them.
        many: Whether a row has several vectors.
        holder_model: The model of the related rows with the vectors; None if there are none.
    """

    def __init__(
        self, distances: Sequence[VectorDistance], combine: Combine, *, many: bool, holder_model: Any = None
    ) -> None:
        self.distances, self.combine, self.many = list(distances), combine, many
        self.holder_model = holder_model

    @property
    def metric(self) -> Any:
        return self.distances[0].metric

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        query: Any = context["query"]
        if not self.many:
            return self._combined(query)
        if isinstance(self.distances[0].field_path, Items):
            return self._of_items(query, self.distances[0].field_path.path)
        inner = query.nested("vectors")
        with compiling(current_connection(query), inner):
            sql, params = self._combined(inner)
            same = (f'"{inner._alias()}"."{{0}}" = "{query._alias()}"."{{0}}"'.format(key) for key in _key(query.model))
            inner.where_nodes = [CompiledSQL(" AND ".join(same))]
            inner.annotations, inner.selected_fields = {"combined": CompiledSQL(sql, params)}, []
            sql, params = inner._plain_subselect(current_connection(query), ("", []))
        return f"({sql})", params

    # No index can sort by it, but the database can.
    as_ranking_sql = as_sql

    def keeps_its_rank(self, *_args: Any, **_context: Any) -> bool:
        """Return False, because ORDER BY names the value that is shown."""
        return False

    def _of_items(self, query: Any, path: str) -> SQL:
        connection = current_connection(query)
        array = query._resolve_column(path.split("__"), connection)
        source = dialect_for(connection).items_of(array)
        sql, params = self._combined(query)
        return f"(SELECT {sql} FROM {source})", params

    def _combined(self, query: Any) -> SQL:
        each = "MIN({})" if self.many else "{}"
        found = [query._compiled(distance) for distance in self.distances]
        parts = [each.replace("{}", sql) for sql, _params in found]
        params = [value for _, values in found for value in values]
        if self.combine is Combine.MIN:
            least = dialect_for(current_connection(query)).least
            return (least.format(values=", ".join(parts)) if len(parts) > 1 else parts[0]), params
        total = " + ".join(parts)
        if self.combine is Combine.MEAN:
            return f"(({total}) / {len(parts)}.0)", params
        return f"({total} - {len(parts) * self._minuend()})", params

    def value(self, distances: Sequence[float]) -> float:
        """Return what the expression is for these distances from the vectors."""
        if self.combine is Combine.MIN:
            return min(distances)
        total = sum(distances)
        return total / len(distances) if self.combine is Combine.MEAN else total - len(distances) * self._minuend()

    def _minuend(self) -> int:
        return SIMILARITIES[self.metric].minuend

    def __repr__(self) -> str:
        return f"CombinedDistance({self.distances!r}, {self.combine.value!r})"


def _key(model: Any) -> list[str]:
    return [model._meta.get_field(name).column for name in key_names(model)]
