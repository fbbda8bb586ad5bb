"""Distances as query expressions; the dialect of the connection supplies their SQL."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from dorm.expressions import CombinedExpression, F, OuterRef, Subquery
from dorm.models import Model

from ..dialects.shared.operands import SQL, Operand
from ..exceptions import InvalidVector, UnsuitableDistance
from ..introspection import indexes_of
from ..values.bit import Bit
from ..values.elements import Element
from ..values.lengths import require_measurable
from ..values.metrics import Metric
from ..values.sparse import SparseVector
from ..values.vector import Vector, is_zero
from .operands import VALUE_TYPES, VALUES, Shape, compiled, path_of, require_dimensions, vector_shape_of, widened
from .query_text import QueryText
from .scope import CompileScope, scope


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
    """Two expressions and an operator; unlike djanorm's, the result can be combined further."""

    def __repr__(self) -> str:
        return f"({self.lhs!r} {self.operator} {self.rhs!r})"


class OrderBy:
    """An expression with a sort direction, for ``order_by()``."""

    def __init__(self, expression: Any, *, descending: bool = False) -> None:
        self.expression, self.descending = expression, descending


class VectorDistance(Expression):
    """Measure the distance between a vector column and a vector: smaller is nearer, and NULL if either side is NULL.

    Args:
        field_path: A field path, which may cross relations (``"document__embedding"``), or a function of a column.
        vector: Any value that a VectorField accepts, ``F("other_field")``, a function, ``OuterRef``, a ``Subquery`` of
            one vector, a model instance (its own value of the field), or None (every distance is NULL).

    Raises:
        DimensionMismatch: The two sides have different dimensions; nothing is sent.
    """

    metric: ClassVar[Metric]
    text: QueryText | None = None

    def __init__(self, field_path: str | F | Expression, vector: Any) -> None:
        self.field_path: Any = field_path
        if isinstance(vector, Model):
            vector = _vector_of(vector, path_of(field_path).rpartition("__")[2])
        # An instance of a vector class keeps its precision; any other value takes that of the column.
        self.is_typed = isinstance(vector, VALUES)
        if isinstance(vector, QueryText):
            self.text = vector
            return
        self.vector = vector if self.is_typed or _is_reference(vector) else _value(vector, self.metric)
        if isinstance(self.vector, VALUES):
            require_measurable(self.vector)

    @cached_property
    def vector(self) -> Any:
        """The query vector; a text is embedded when its vector is first needed."""
        return self.text.vector() if self.text is not None else None

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        """Return the SQL of the distance that users read."""
        return self._compile(table_alias, context, ranking=False)

    def as_ranking_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        """Return the SQL of the distance for ORDER BY, in the form that an index can serve."""
        return self._compile(table_alias, context, ranking=True)

    def as_index_order(self, table_alias: str | None = None, **context: Any) -> tuple[SQL, SQL] | None:
        """Return the SQL for ORDER BY and WHERE if an index of the model serves the search, else None."""
        where = scope(table_alias, **context)
        field = where.source(self.field_path)
        if self.vector is None or not hasattr(field, "to_vector"):
            return None
        left, right, dimensions = self._operands(where)
        if left.nullable or not right.constant or is_zero(right.params[0]):
            return None
        if not any(index.serves(field, self.metric, where.dialect) for index in indexes_of(field)):
            return None
        return where.dialect.index_search(self.metric, left, right, dimensions)

    def as_late_materialization(self, table_alias: str | None = None, **context: Any) -> tuple[SQL, str] | None:
        """Return the SQL to sort by, and the template that turns it into the distance; None if that is not possible."""
        where = scope(table_alias, **context)
        if self.vector is None:
            return None
        left, right, dimensions = self._operands(where)
        if self._as_ranked(where, left, right) != (left, right):
            # A half-precision index sorts by the half-precision distance.
            return None
        return where.dialect.rank(self.metric, left, right, dimensions), where.dialect.shown(self.metric)

    def keeps_its_rank(self, table_alias: str | None = None, **context: Any) -> bool:
        """Return whether ORDER BY may name the rank before another key, so that an index can serve it.

        It may not if the rank tells rows without a vector from those with a vector of zeros, unless an index serves it.
        """
        where = scope(table_alias, **context)
        if self.vector is None or where.dialect.shown(self.metric) == "{rank}":
            return True
        left, right, _ = self._operands(where)
        if not (left.nullable or right.nullable):
            return True
        if not right.constant or is_zero(right.params[0]) or not isinstance(self.field_path, str):
            return False
        from .index_match import serves_by_rank

        return serves_by_rank(self.metric, self.field_path, where)

    def _compile(self, table_alias: str | None, context: dict[str, Any], *, ranking: bool) -> SQL:
        where = scope(table_alias, **context)
        if self.vector is None:
            return where.dialect.null_distance, []
        left, right, dimensions = self._operands(where)
        if ranking:
            left, right = self._as_ranked(where, left, right)
        write = where.dialect.rank if ranking else where.dialect.distance
        return write(self.metric, left, right, dimensions)

    def _as_ranked(self, where: CompileScope, left: Operand, right: Operand) -> tuple[Operand, Operand]:
        if not isinstance(self.field_path, str):
            return left, right
        from .index_match import as_indexed

        return as_indexed(self.metric, where.field(self.field_path), where, left, right)

    def _operands(self, where: CompileScope) -> tuple[Operand, Operand, int]:
        shape = vector_shape_of(self.field_path, where) or Shape(Element.FLOAT32, None, path_of(self.field_path))
        if shape.element not in self.metric.elements:
            raise UnsuitableDistance(
                f"{type(self).__name__} does not measure the {shape.element.value} of {shape.label}."
                f" {', '.join(sorted(metric.value for metric in Metric if shape.element in metric.elements))} do."
            )
        vector = self._as_the_column(shape)
        other = self._shape_of_vector(vector, shape, where)
        require_dimensions(shape, other)
        left, right = compiled(self.field_path, where), compiled(vector, where)
        if other.element is not shape.element or not where.dialect.measures(self.metric, shape.element):
            left, right = widened(left, shape.element, where), widened(right, other.element, where)
        return left, right, shape.dimensions or other.dimensions or 0

    def _shape_of_vector(self, vector: Any, shape: Shape, where: CompileScope) -> Shape:
        unknown = Element.FLOAT32 if path_of(vector) else shape.element
        return vector_shape_of(vector, where) or Shape(unknown, None, "")

    def _as_the_column(self, shape: Shape) -> Any:
        vector: Any = self.vector
        if self.is_typed or not isinstance(vector, VALUES) or vector.element is shape.element:
            return vector
        return VALUE_TYPES[shape.element](vector)

    def __repr__(self) -> str:
        # The vector is included, because djanorm's QuerySet.cache() builds its keys from the repr.
        return f"{type(self).__name__}({self.field_path!r}, {self.vector!r})"


class L2Distance(VectorDistance):
    """Euclidean distance, 0 and up; float32 precision on SQLite."""

    metric = Metric.L2


class CosineDistance(VectorDistance):
    """1 - cosine similarity, 0 to 2; NULL if either vector is all zeros; float32 precision on SQLite."""

    metric = Metric.COSINE


class MaxInnerProduct(VectorDistance):
    """The negative inner product, so that the largest product sorts first.

    On SQLite it is computed as ``(cosine distance - 1) * |a| * |b|``, with an error within 2e-6 of |a| |b|, at three
    times the cost.
    """

    metric = Metric.INNER_PRODUCT


class L1Distance(VectorDistance):
    """Taxicab distance, 0 and up; float32 precision on SQLite."""

    metric = Metric.L1


class HammingDistance(VectorDistance):
    """The number of bits that differ, 0 to the length."""

    metric = Metric.HAMMING


class JaccardDistance(VectorDistance):
    """1 - (bits set in both / bits set in either), 0 to 1; 1 if no bit is set.

    On SQLite it is computed from Hamming distances, and exact.
    """

    metric = Metric.JACCARD


class VectorSimilarity(Combined):
    """A similarity: larger is nearer. Sorting by it sorts by its distance, so that an index can serve it."""

    measured_by: ClassVar[type[VectorDistance]]
    minuend: ClassVar[int]

    def __init__(self, field_path: str, vector: Any) -> None:
        self.distance = self.measured_by(field_path, vector)
        super().__init__(self.minuend, "-", self.distance)

    @classmethod
    def distance_of(cls, similarity: float) -> float:
        return cls.minuend - similarity


class CosineSimilarity(VectorSimilarity):
    """Cosine of the angle between two vectors, -1 to 1; NULL if either is all zeros."""

    measured_by = CosineDistance
    minuend = 1


class InnerProduct(VectorSimilarity):
    """The inner product of two vectors: the negative of MaxInnerProduct."""

    measured_by = MaxInnerProduct
    minuend = 0


DISTANCES: dict[Metric, type[VectorDistance]] = {
    distance.metric: distance for distance in VectorDistance.__subclasses__()
}

SIMILARITIES: dict[Metric, type[VectorSimilarity]] = {
    similarity.measured_by.metric: similarity for similarity in (CosineSimilarity, InnerProduct)
}


def are_new_distances(model: Any, expressions: dict[str, Any]) -> bool:
    """Return whether all are distances by new names, so that djanorm and its repairs have nothing to look at."""
    meta = model._meta
    for name, expression in expressions.items():
        if not isinstance(expression, VectorDistance) or name in meta._field_cache:
            return False
        if not (name.isidentifier() and name.isascii()) or name in [field.column for field in meta.fields]:
            return False
    return True


def _vector_of(instance: Model, name: str) -> Any:
    if name not in vars(instance):
        raise InvalidVector(
            f"{type(instance).__name__}.{name} was left out by only() or defer()."
            " Load the row with it, or give a vector."
        )
    return getattr(instance, name)


def _is_reference(vector: Any) -> bool:
    return vector is None or isinstance(vector, (F, OuterRef, Subquery)) or hasattr(vector, "as_sql")


def _value(vector: Any, metric: Metric) -> Any:
    if Element.BIT in metric.elements:
        return Bit(vector)
    return SparseVector(vector) if hasattr(vector, "indices") or hasattr(vector, "tocoo") else Vector(vector)
