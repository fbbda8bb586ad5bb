"""Plan searches that a companion table answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from dorm.expressions import Q
from dorm.lookups import parse_lookup_key
from dorm.models import Model

from ...dialects.base import Dialect
from ...dialects.shared.companions import EQUALITY, STANDING, Companion
from ...dialects.shared.operands import SQL, Operand, compose
from ...engines import dialect_for
from ...engines.sqlite.extension import NO_EXTENSION, is_served
from ...expressions.compiled import CompiledSQL
from ...expressions.scope import scope
from ...indexes.contents import Column, columns_of
from ...indexes.vec0 import SignTable, held_part, kind_of
from ...introspection import indexes_of
from ...steps import Execute, Steps
from ...values.metrics import Metric
from ...values.vector import Vector, is_zero
from ..options import block_options, checked
from ..spec import OTHER_KEY, SIGNS_NOT_REQUESTED, SearchCondition, Within
from .plan import Plan

_FILTER = "Filter by = or in on partition_by and on text in metadata, by comparison on numbers there;"

_COMPARISONS = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "IN", "range": "BETWEEN"}

_VALUES: dict[str | None, type | tuple[type, ...]] = {"integer": int, "float": (int, float), "text": (str, UUID)}

_BOUND: dict[str | None, type | tuple[type, ...]] = {"integer": int, "float": (int, float), "text": str}


@dataclass(frozen=True)
class CompanionPlan(Plan):
    """The search of a companion table, and the WHERE nodes that it covers."""

    kind = "companion"
    is_companion = True
    name: str
    declaration: str
    """The SQL that creates the companion; one of that name with other SQL comes from an outdated declaration."""
    condition: CompiledSQL
    covered: frozenset[int]
    found_by: str = "companion"

    def title(self, query: Any, dialect: Dialect) -> str:
        return self.found_by

    def narrowed(self, query: Any) -> Any:
        """Return the query over the rows that the companion finds."""
        nodes = [node for node in query.where_nodes if id(node) not in self.covered and not isinstance(node, Within)]
        query.where_nodes = [*nodes, self.condition]
        if query.search is not None:
            # The distance is selected because rows that are too far are removed on arrival.
            query.alias_only_names -= {query.order_by_fields[0]}
        return query

    def is_standing(self, query: Any) -> Steps[bool]:
        """Return whether the companion and the triggers that keep it in sync exist; it may not be migrated yet."""
        triggers = [f"{self.name}_{event}" for event in ("insert", "update", "move", "delete")]
        rows = yield Execute(STANDING, [self.name, self.declaration, query.get_table(), *triggers])
        return int(rows[0]["parts"]) == 1 + len(triggers)


def companion_plan(query: Any, connection: Any, dialect: Dialect) -> CompanionPlan | None:
    """Return the plan of a companion that answers exactly, or approximately on request; None if there is none."""
    distance = _own_distance(query)
    if distance is None or query.having_nodes or query.distinct_flag or query.group_by_fields:
        return None
    field = query._resolve_field([distance.field_path])
    for index in _candidates(query, field, distance, dialect):
        if next(obstacles(index, query, distance, connection), None) is None:
            return _asked(index, query, distance, connection)
    return None


def _own_distance(query: Any) -> Any:
    """Return the query's only sort key if it is the distance between a field of the model and a vector, else None."""
    distance = query.sole_distance()
    if distance is None or not isinstance(distance.field_path, str) or "__" in distance.field_path:
        return None
    return distance if isinstance(distance.vector, Vector) else None


def obstacles_of(query: Any, connection: Any) -> Iterator[tuple[str, str, str]]:
    """Yield code, problem and remedy of each reason why a companion does not answer a search of the right shape."""
    dialect = dialect_for(connection)
    distance = _own_distance(query)
    if query.limit_val is None or distance is None:
        return
    candidates = list(_candidates(query, query._resolve_field([distance.field_path]), distance, dialect))
    for index in candidates:
        yield from obstacles(index, query, distance, connection)
    if not candidates:
        yield SIGNS_NOT_REQUESTED
    if query.having_nodes or query.group_by_fields:
        yield "grouped", "It is grouped.", "Search first, and group what is found."


def _candidates(query: Any, field: Any, distance: Any, dialect: Dialect) -> Iterator[Any]:
    if field is None or field.model is not query.model:
        return
    search = query.search
    if search is not None and search.exact:
        return
    for declared in sorted(indexes_of(field), key=lambda index: index.precision is None):
        index = declared.on(dialect)
        if index.kind in dialect.companions and index.serves(field, distance.metric, dialect):
            asked_for = search is not None and (
                search.shortlist.index is declared if search.shortlist is not None else search.approximate
            )
            if dialect.companions[index.kind].exact or asked_for:
                yield index


def obstacles(index: Any, query: Any, distance: Any, connection: Any) -> Iterator[tuple[str, str, str]]:
    """Yield code, problem and remedy of each reason why this companion cannot answer the query."""
    dialect = dialect_for(connection)
    companion = dialect.companions[index.kind]
    if not is_served(companion):
        problem, _, remedy = NO_EXTENSION.partition(". ")
        yield "no-extension", f"{problem}.", remedy
    name, count, most = _name(index, query), _count(index, query, dialect), companion.most_rows
    if most and count > most:
        yield (
            "too-many-rows",
            f"It requests {count:,} rows, and {name} finds up to {most:,} sooner than all are read.",
            "Slice it shorter, or leave it: the answer is exact.",
        )
    if isinstance(index, SignTable) and not index.fits(dialect, _columns(query.model, connection)):
        yield (
            OTHER_KEY,
            f"{name} finds rows by a primary key of one column, a whole number or text.",
            "Give the model one, or leave it: the answer is exact.",
        )
    if distance.metric is Metric.COSINE and is_zero(distance.vector):
        yield "no-direction", "It searches by a vector of zeros.", "Search by another: it is as far from every row."
    covered = _covered(index, query, connection)
    if covered is None:
        yield _uncovered(index, name)
    elif companion.exact and covered and _is_looked_up(index, query):
        yield (
            "indexed-filter",
            f"An index of the table finds the rows that pass the filter, and {name} would read every vector.",
            "Nothing to do: the answer is exact. Or put the field into partition_by.",
        )


def _uncovered(index: Any, name: str) -> tuple[str, str, str]:
    if isinstance(index, SignTable):
        return (
            "uncovered-filter",
            f"It is filtered, and {name} knows the signs of the vectors only.",
            "Nothing to do: the rows that pass are measured exactly.",
        )
    return (
        "uncovered-filter",
        f"It is filtered by more than what {name} knows, which is {', '.join(index.filters) or 'none'}.",
        f"{_FILTER} or leave it: the rows that pass are measured exactly.",
    )


def _name(index: Any, query: Any) -> str:
    return str(index.get_name(query.model.__name__))


def _count(index: Any, query: Any, dialect: Dialect) -> int:
    """Return how many rows the companion must find."""
    search = query.search
    wanted = int(query.limit_val) + int(query.offset_val or 0) + (search.excluded if search is not None else 0)
    if dialect.companions[index.kind].exact:
        return wanted
    if search.shortlist is not None:
        return max(wanted, int(search.shortlist.size))
    option = dialect.tuning.by_kind[index.kind]
    default = dialect.companions[index.kind].oversample or dialect.tuning.options[option].default
    asked = {**block_options(), **query.options}.get(option, default)
    return wanted * int(checked(dialect, option, asked))


def _asked(index: Any, query: Any, distance: Any, connection: Any) -> CompanionPlan:
    dialect = dialect_for(connection)
    companion, covered = dialect.companions[index.kind], _covered(index, query, connection) or {}
    _left, right, dimensions = distance._operands(
        scope(query._alias(), model=query.model, connection=connection, query=query)
    )
    conditions = [part for parts in covered.values() for part in parts]
    operands = {
        "name": Operand(_name(index, query)),
        "vector": Operand(held_part(index, companion, right.sql, dimensions), right.params),
        "count": Operand(str(_count(index, query, dialect))),
        "filter": Operand(
            "".join(f" AND {sql}" for sql, _params in conditions),
            tuple(value for _sql, params in conditions for value in params),
        ),
    }
    sql, params = compose(companion.search, operands)
    row = f'"{query._alias()}"."{query.model._meta.pk.column}"'
    field = query._resolve_field([distance.field_path])
    declared = index.declaration(dialect, _name(index, query), field.dimensions, _columns(query.model, connection))
    return CompanionPlan(
        _name(index, query), declared, CompiledSQL(f"{row} IN ({sql})", params), frozenset(covered), companion.title
    )


# filters


def _covered(index: Any, query: Any, connection: Any) -> dict[int, list[SQL]] | None:
    """Return the companion's SQL for each filter, by the ``id()`` of its node; None if it cannot express one."""
    columns, companion = None, dialect_for(connection).companions[index.kind]
    said: dict[int, list[SQL]] = {}
    for node in query.where_nodes:
        if isinstance(node, SearchCondition):
            continue
        columns = columns if columns is not None else _columns(query.model, connection)
        parts = [_said(leaf, index, query, columns, companion) for leaf in _leaves(node)]
        if not parts or None in parts:
            return None
        said[id(node)] = [part for part in parts if part is not None]
    return said


def _is_looked_up(index: Any, query: Any) -> bool:
    """Return whether the filter uses an indexed column of the table and no partition key of the companion."""
    filters = (node for node in query.where_nodes if not isinstance(node, SearchCondition))
    names = {query._resolve_field(leaf[0]).name for node in filters for leaf in _leaves(node) if leaf}
    return not names & {*index.partition_by} and bool(names & _looked_up(query.model))


def _looked_up(model: Any) -> set[str]:
    """Return the fields that are the first column of an ordinary index of the table."""
    indexed = {index.fields[0] for index in model._meta.indexes if index.fields and not hasattr(index, "metric")}
    return indexed | {field.name for field in model._meta.fields if field.db_index or field.unique}


def _leaves(node: Any) -> Iterator[tuple[list[str], str, Any] | None]:
    """Yield the comparisons that are combined with AND; None for a node of any other kind."""
    if isinstance(node, tuple):
        yield node[0], node[1], node[2]
    elif type(node) is Q and node.connector == "AND" and not node.negated:
        for child in node.children:
            if isinstance(child, Q):
                yield from _leaves(child)
            else:
                parts, lookup = parse_lookup_key(child[0])
                yield list(parts), lookup, child[1]
    else:
        yield None


def _said(leaf: Any, index: Any, query: Any, columns: dict[str, Column], companion: Companion) -> SQL | None:
    """Return one comparison as SQL on the companion's columns, or None if it cannot express it."""
    parts, lookup, value = leaf or ([], "", None)
    field = query._resolve_field(parts) if len(parts) == 1 and parts[0] not in query.annotations else None
    if field is None or field.name not in index.filters or lookup not in _COMPARISONS:
        return None
    column, is_part = columns[field.name], field.name in index.partition_by
    kind = str(kind_of(column))
    if lookup not in (EQUALITY if is_part else companion.compared[kind]):
        return None
    values = _values(field, lookup, value, kind)
    if values is None or not (is_part or companion.compares_past_nul or "\0" not in "".join(map(str, values))):
        return None
    places = {"in": f"({', '.join(['%s'] * len(values))})", "range": "%s AND %s"}.get(lookup, "%s")
    return f"by_{column.name} {_COMPARISONS[lookup]} {places}", values


def _values(field: Any, lookup: str, value: Any, kind: str | None) -> list[Any] | None:
    """Return the values as the column stores them; None if one is of another type, which would compare differently."""
    if lookup in ("in", "range"):
        many = list(value) if isinstance(value, (list, tuple, set, frozenset)) else []
    else:
        many = [value]
    many = [each.pk if isinstance(each, Model) else each for each in many]
    if not many or (lookup == "range" and len(many) != 2) or not all(isinstance(each, _VALUES[kind]) for each in many):
        return None
    bound = [field.get_db_prep_value(each) for each in many]
    if kind == "float":
        bound = [_float(each) for each in bound]
    return bound if all(isinstance(each, _BOUND[kind]) for each in bound) else None


def _float(value: Any) -> float | None:
    """Return the float of the same value; None for a whole number that has none, which SQLite compares exactly."""
    try:
        return float(value) if float(value) == value else None
    except OverflowError:
        return None


def _columns(model: Any, connection: Any) -> dict[str, Column]:
    known, dialect = _known.setdefault(model, {}), dialect_for(connection).name
    if dialect not in known:
        known[dialect] = columns_of(model._meta._field_cache, connection)
    return known[dialect]


_known: WeakKeyDictionary[Any, dict[str, dict[str, Column]]] = WeakKeyDictionary()
"""The columns of a model on each database."""
