"""Cache the SQL of a SELECT per shape of query, and fill in the vectors and the filter values of each query.

The shape is the whole state of the query, in which only the type and length of a vector count, and the SQL of its
WHERE and joins. A WHERE that is not plain is compiled each time, so that its values may be of any kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dorm.expressions import F

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..expressions.distances import Combined, VectorDistance
from ..expressions.index_match import index_facts
from ..search.filter_sql import Filter, filter_of
from ..search.plans.plan import Purpose
from ..search.spec import Search
from ..values.bit import Bit
from ..values.vector import Vector

_WRITTEN = "dorm_vector_written"

MOST = 256
"""The maximum number of cached shapes per model."""

_CONSTANTS = frozenset((int, bool, float, type(None)))

_SCRATCH = frozenset(("model", "where_nodes", "_last_resolved_leaf_field", "_join_params", "outer_references"))
"""Attributes that a compile leaves in a query, or that the key contains in another form."""


_NO_FILTER = Filter("", (), [])


class NoShape(Exception):
    """The query contains something whose SQL is known only by compiling it."""


class InFilter:
    """A marked parameter of WHERE, so that it can be found among the parameters of the statement."""

    def __init__(self, position: int, value: Any) -> None:
        self.position, self.value = position, value


class Slot:
    """The source of a parameter: one of the query's vectors, converted to a type, or a parameter of its filter."""

    def __init__(self, position: int, vector_type: Any = None) -> None:
        self.position, self.vector_type = position, vector_type


def written(query: Any, connection: Any, purpose: Purpose) -> SQL:
    """Return the outermost SELECT of the query, from the cache if its shape is known."""
    vectors: list[Any] = []
    try:
        shape = shape_of(query, vectors)
    except NoShape:
        sql, params = query.select(connection, purpose)
        return sql, params
    where, joins, filtered = filter_of(query, connection) if query.where_nodes else _NO_FILTER
    key = (dialect_for(connection), purpose, where, joins, shape)
    known = vars(query.model._meta).setdefault(_WRITTEN, {})
    found = known.get(key)
    if found is None:
        return _kept(query.select(connection, purpose, marks_filter=True), query, vectors, len(filtered), known, key)
    sql, slots, _indexes = found
    return sql, [filled(slot, vectors, filtered) for slot in slots]


def _kept(select: SQL, query: Any, vectors: list[Any], filtered: int, known: dict[Any, Any], key: Any) -> SQL:
    """Cache the compiled SELECT for its shape, and return it for this query."""
    sql, params = select
    try:
        slots = [slot_of(param, vectors, filtered) for param in params]
    except NoShape:
        slots = []
    if len(known) >= MOST:
        known.clear()
    if len(slots) == len(params):
        # The entry keeps the indexes alive, because the key identifies them by id().
        known[key] = sql, slots, tuple(query.model._meta.indexes)
    return sql, [param.value if type(param) is InFilter else param for param in params]


def slot_of(param: Any, vectors: list[Any], filtered: int = 0) -> Any:
    """Return the source of the parameter, or the parameter itself if it is a constant of the shape."""
    if type(param) is InFilter and param.position < filtered:
        return Slot(param.position)
    if type(param) in _CONSTANTS:
        return param
    found = [position for position, vector in enumerate(vectors) if vector is param]
    # For a half-precision column, the parameter is a converted copy of the query's vector.
    found = found or [position for position, vector in enumerate(vectors) if _makes(vector, param)]
    if len(found) != 1:
        raise NoShape
    return Slot(found[0], type(param))


def _makes(vector: Any, param: Any) -> bool:
    return isinstance(vector, Vector) and isinstance(param, Vector) and type(param)(vector) == param


def filled(slot: Any, vectors: Sequence[Any], filtered: Sequence[Any]) -> Any:
    if type(slot) is not Slot:
        return slot
    if slot.vector_type is None:
        return filtered[slot.position]
    vector = vectors[slot.position]
    return vector if type(vector) is slot.vector_type else slot.vector_type(vector)


# the shape


def shape_of(query: Any, vectors: list[Any]) -> tuple[Any, ...]:
    """Return the state of a query without its filter, and collect its vectors; raises NoShape."""
    # The type identifies an empty value, and most of the state is empty.
    held: list[tuple[Any, ...]] = []
    for name, value in vars(query).items():
        if name in _SCRATCH:
            continue
        kind = type(value)
        if not value:
            held.append((name, kind))
        elif kind is int:
            held.append((name, kind, value))
        else:
            held.append((name, tuple(value) if name == "order_by_fields" else frozen(value, vectors)))
    return type(query), query.get_table(), tuple(held), index_facts(query, vectors)


def frozen(value: Any, vectors: list[Any]) -> Any:
    """Return the value as part of a key, and collect its vectors; raises NoShape if it cannot be part of one."""
    kind = type(value)
    if kind is str:
        return value
    if kind in _CONSTANTS:
        return kind, value
    if kind in (list, tuple):
        return tuple([frozen(item, vectors) for item in value])
    if kind is dict:
        return tuple([(name, frozen(item, vectors)) for name, item in value.items()])
    if kind is set:
        return frozenset(value)
    if kind is Search:
        return value.shape()
    return _frozen_expression(value, vectors)


def _frozen_expression(value: Any, vectors: list[Any]) -> Any:
    if isinstance(value, VectorDistance):
        if not isinstance(value.field_path, str) or "__" in value.field_path:
            raise NoShape
        return type(value), value.field_path, value.is_typed, _frozen_vector(value.vector, vectors)
    if isinstance(value, Combined):
        return type(value), value.operator, frozen(value.lhs, vectors), frozen(value.rhs, vectors)
    if type(value) is F:
        return F, value.name
    raise NoShape


def _frozen_vector(vector: Any, vectors: list[Any]) -> Any:
    if not isinstance(vector, (Vector, Bit)):
        return frozen(vector, vectors)
    known = next((position for position, other in enumerate(vectors) if other is vector), len(vectors))
    if known == len(vectors):
        vectors.append(vector)
    return type(vector), vector.dimensions(), known
