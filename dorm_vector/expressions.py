"""Distances as query expressions. They know no SQL: the dialect of the connection writes it."""

from __future__ import annotations

from typing import Any, ClassVar

from dorm.expressions import CombinedExpression, F, OuterRef, Subquery
from dorm.models import Model

from .dialects.base import SQL, Operand
from .djanorm.compiling import Scope, scope
from .exceptions import DimensionMismatch
from .fields import VectorField
from .metrics import Metric
from .vector import Vector


class Expression:
    """Arithmetic and sort direction for query expressions."""

    def asc(self) -> OrderBy:
        return OrderBy(self)

    def desc(self) -> OrderBy:
        return OrderBy(self, descending=True)

    def __add__(self, other: Any) -> Combined:
        return Combined(self, "+", other)

    def __radd__(self, other: Any) -> Combined:
        return Combined(other, "+", self)

    def __sub__(self, other: Any) -> Combined:
        return Combined(self, "-", other)

    def __rsub__(self, other: Any) -> Combined:
        return Combined(other, "-", self)

    def __mul__(self, other: Any) -> Combined:
        return Combined(self, "*", other)

    def __rmul__(self, other: Any) -> Combined:
        return Combined(other, "*", self)

    def __truediv__(self, other: Any) -> Combined:
        return Combined(self, "/", other)

    def __rtruediv__(self, other: Any) -> Combined:
        return Combined(other, "/", self)


class Combined(Expression, CombinedExpression):
    """Two expressions and an operator; unlike djanorm's it can be combined again."""

    def __repr__(self) -> str:
        return f"({self.lhs!r} {self.operator} {self.rhs!r})"


class OrderBy:
    """An expression with its direction, for ``order_by()``."""

    def __init__(self, expression: Any, *, descending: bool = False) -> None:
        self.expression, self.descending = expression, descending


class VectorDistance(Expression):
    """Measure how far a vector column is from a vector; smaller is nearer, and NULL where either side is NULL.

    ``field_path`` may cross relations (``"document__embedding"``). ``vector`` is anything a VectorField takes,
    ``F("other_field")``, ``OuterRef``, a ``Subquery`` of one vector, a model instance (its own value of the field),
    or None (every distance is NULL). Raises DimensionMismatch before anything is sent.
    """

    metric: ClassVar[Metric]

    def __init__(self, field_path: str, vector: Any) -> None:
        self.field_path = field_path
        self.vector = vector if _is_reference(vector) else _packed(vector, field_path)

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        """Return the distance as users read it."""
        return self._compile(table_alias, context, ranking=False)

    def as_ranking_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        """Return the distance as ORDER BY wants it, so that an index can serve it."""
        return self._compile(table_alias, context, ranking=True)

    def _compile(self, table_alias: str | None, context: dict[str, Any], *, ranking: bool) -> SQL:
        where = scope(table_alias, **{key: context.get(key) for key in ("model", "connection", "query")})
        if self.vector is None:
            return where.dialect.null_distance, []
        field = where.field(self.field_path)
        right = self._right(where, field)
        write = where.dialect.rank if ranking else where.dialect.distance
        return write(self.metric, where.column(self.field_path), right, getattr(field, "dimensions", 0))

    def _right(self, where: Scope, field: Any) -> Operand:
        if isinstance(self.vector, Vector):
            _require_dimensions(field, self.vector.dimensions(), "this query vector")
            return where.dialect.bound(self.vector)
        if isinstance(self.vector, OuterRef):
            return where.outer(self.vector)
        if isinstance(self.vector, Subquery):
            return where.subquery(self.vector)
        path: str = getattr(self.vector, "name", "")
        other = where.field(path)
        if isinstance(other, VectorField):
            _require_dimensions(field, other.dimensions, other.label)
        return where.column(path)

    def __repr__(self) -> str:
        # By value: djanorm's QuerySet.cache() makes its keys of it.
        return f"{type(self).__name__}({self.field_path!r}, {self.vector!r})"


class L2Distance(VectorDistance):
    """Euclidean distance, 0 and up. float32 precision on SQLite."""

    metric = Metric.L2


class CosineDistance(VectorDistance):
    """1 - cosine similarity, 0 to 2; NULL where either vector is all zeros. float32 precision on SQLite."""

    metric = Metric.COSINE


class MaxInnerProduct(VectorDistance):
    """The negative inner product, so that the largest product sorts first.

    On SQLite it is composed, ``(cosine distance - 1) * |a| * |b|``: within 2e-6 of |a| |b|, at three times the cost.
    """

    metric = Metric.INNER_PRODUCT


class L1Distance(VectorDistance):
    """Taxicab distance, 0 and up. float32 precision on SQLite."""

    metric = Metric.L1


def _is_reference(vector: Any) -> bool:
    return vector is None or isinstance(vector, (F, OuterRef, Subquery))


def _packed(vector: Any, field_path: str) -> Vector | None:
    if isinstance(vector, Model):
        vector = getattr(vector, field_path.rpartition("__")[2])
    return None if vector is None else Vector(vector)


def _require_dimensions(field: Any, dimensions: int, what: str) -> None:
    if isinstance(field, VectorField) and dimensions != field.dimensions:
        raise DimensionMismatch(f"{field.label} holds {field.dimensions} dimensions; {what} has {dimensions}.")
