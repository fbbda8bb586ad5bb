"""Find the declared index that serves a query, if the query must repeat the index's expression or condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dorm.expressions import Q
from dorm.lookups import parse_lookup_key

from ..dialects.shared.operands import Operand
from ..indexes.contents import IndexContents, index_contents
from ..introspection import indexes_of
from ..values.elements import Element
from ..values.metrics import Metric
from ..values.vector import Vector, is_zero
from .scope import CompileScope

if TYPE_CHECKING:
    from ..dialects.base import Dialect

_HALF_MAX = 65504

# The possible highest bytes of a float32 between -32768 and 32768.
_SMALL = bytes(byte for byte in range(256) if byte & 0x7F <= 0x46)


def as_indexed(
    metric: Metric, field: Any, where: CompileScope, left: Operand, right: Operand
) -> tuple[Operand, Operand]:
    """Convert both sides to the type of the index, such as half precision, if only such an index serves the query."""
    query = where.query
    if getattr(field, "element", None) is not Element.FLOAT32 or not getattr(query, "takes_an_index", bool)():
        return left, right
    found = list(_serving(metric, field, query, where.dialect))
    if not found or any(not held.is_reduced for held in found) or not all(map(_fits_half, right.params)):
        return left, right
    return found[0].of(left), found[0].of(right)


def index_facts(query: Any, vectors: list[Any]) -> tuple[Any, ...]:
    """Return the facts about a query's values that decide which index serves it, and how."""
    indexes = query.model._meta.indexes
    conditions = [index.condition for index in indexes if index.condition is not None]
    implied = [implies(query, condition) for condition in conditions]
    facts = [(is_zero(vector), not indexes or _fits_half(vector)) for vector in vectors]
    return (*map(id, indexes), *implied, *facts)


def _fits_half(vector: Any) -> bool:
    if not isinstance(vector, Vector) or not vector[3::4].translate(None, _SMALL):
        return True
    return max(map(abs, vector.to_list())) <= _HALF_MAX


def _serving(metric: Metric, field: Any, query: Any, dialect: Dialect) -> Iterator[IndexContents]:
    for index in indexes_of(field):
        if not index.serves(field, metric, dialect) or index.dimensions or index.precision == "bit":
            continue
        held = index_contents(index, field, dialect)
        if held is not None and (index.condition is None or implies(query, index.condition)):
            yield held


def implies(query: Any, condition: Q) -> bool:
    """Return whether the query's filter contains every part of a partial index's condition, written the same way."""
    said = set(_claims(Q(*_as_q(query.where_nodes))))
    return said >= set(_claims(condition))


def serves_by_rank(metric: Metric, path: str, where: CompileScope) -> bool:
    """Return whether every row of the query has a vector, or an index, which has no other rows, serves its slice."""
    query = where.query
    if query is None or implies(query, Q(**{f"{path}__isnull": False})):
        return True
    field = where.field(path)
    return bool(
        query.takes_an_index() and any(index.serves(field, metric, where.dialect) for index in indexes_of(field))
    )


def _as_q(nodes: list[Any]) -> Iterator[Q]:
    for node in nodes:
        if isinstance(node, Q):
            yield node
        elif isinstance(node, tuple):
            parts, lookup, value = node
            yield Q(**{"__".join([*parts, lookup]): value})


def _claims(condition: Q) -> Iterator[str]:
    """Yield the parts of a condition that are combined with AND, or the whole condition if they are not."""
    if condition.negated or condition.connector != "AND":
        yield _spelled(condition)
        return
    for child in condition.children:
        if isinstance(child, Q):
            yield from _claims(child)
        else:
            yield _spelled(child)


def _spelled(node: Any) -> str:
    if isinstance(node, Q):
        return f"{node.negated} {node.connector} {sorted(_spelled(child) for child in node.children)}"
    if not isinstance(node, tuple):
        return repr(node)
    parts, lookup = parse_lookup_key(node[0])
    return f"{parts} {lookup} {node[1]!r}"
