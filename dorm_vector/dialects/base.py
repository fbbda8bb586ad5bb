"""The base class of dialects: the facts about a database as data, and the SQL built from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ..exceptions import UnsupportedByDatabase
from ..values.elements import Element
from ..values.metrics import Metric
from ..values.routines import Routine
from ..values.vector import Direction, Vector, is_zero
from ..values.wire import Wire
from .shared.client_ranking import ClientRanking
from .shared.companions import DROP, Companion
from .shared.costs import Estimating, PlanCosts
from .shared.facts import NOTHING, Facts
from .shared.groups import (
    Ddl,
    Extension,
    IndexUse,
    Loading,
    Ordering,
    Partitions,
    Planning,
    SearchTuning,
    StatementLimit,
)
from .shared.index_rules import IndexRules
from .shared.json import SQLITE, JsonRules
from .shared.operands import SQL, Operand, compose, parsed
from .shared.sign_columns import SignColumn
from .shared.text_search import TextSearch
from .shared.unsupported import NO_ARRAYS, NO_FOREIGN_PARTITIONS, Unsupported
from .shared.upkeep import Upkeep

RoutineKey = Routine | tuple[Routine, Element]


class Distance(Facts):
    """The SQL of one metric, with ``{left}``, ``{right}``, ``{direction}``, ``{zeros}`` and ``{dimensions}``.

    ``{direction}`` is the right side, scaled to about length 1 if it is a bound vector.
    ``value`` is the distance that users read. ``rank`` sorts the same way, in the form that an index can serve; it
    defaults to ``value``. ``constant`` replaces ``value`` if the right side is one vector for all rows.
    """

    value: str
    rank: str = ""
    constant: str = ""
    nonzero: str = ""
    """Replaces ``value`` if that vector is bound directly and not all zeros."""
    shown: str = "{rank}"
    """Computes ``value`` from a ``{rank}`` that is already computed."""
    indexed: str = ""
    """The ORDER BY of a search that an index serves, if the database requires a special form for it."""
    indexed_where: str = ""
    """The condition that excludes rows without a distance from that search."""
    how: str = ""
    """How the distance is computed, if servers of this database differ in it."""

    def against(self, right: Operand) -> str:
        if self.nonzero and right.constant and right.sql == "%s" and not is_zero(right.params[0]):
            return self.nonzero
        return self.constant if self.constant and right.constant else self.value


class Form(Facts):
    """How to declare, bind, read and widen the columns of one element type."""

    column: str
    """Column type, with ``{dimensions}`` and ``{bytes}``, which is an eighth of the dimensions, rounded up."""
    placeholder: str = "%s"
    read: str = "{column}"
    """How the outermost SELECT reads the column."""
    literal: str = "X'{hex}'"
    """A value in DDL, which takes no parameters, with ``{hex}`` and ``{text}``."""
    widened: str = "{operand}"
    """The value as float32, for a distance to a float32 vector."""
    narrow: frozenset[Metric] | None = None
    """The metrics that measure this type directly; the others require float32. None means all."""
    max_dimensions: int = 16_000
    stored: Callable[[Any], bytes] = bytes
    """The bytes of a value in the column."""


class Dialect(Facts):
    """The SQL of one database for vectors. It holds no connection and runs nothing."""

    name: str
    title: str
    minimum: str
    """Lowest version of the server or extension on which the test suite passes."""
    column: str
    """Column type, with ``{dimensions}``."""
    any_length: str | Unsupported
    """Column type for vectors of any length, with ``{element}``."""
    distances: Mapping[Metric, Distance | Unsupported]
    indexes: Mapping[str, str | Unsupported]
    """The CREATE statement of each index kind.

    Placeholders are ``{name} {table} {column} {opclass} {options} {condition}``, ``{expression}`` (the quoted column,
    or the indexed expression of it), ``{metric}`` as IndexRules names it, and each of the index's parameters by name.
    """
    text_search: TextSearch
    bm25: TextSearch | Unsupported | None = None
    """The search of a TextIndex with ``method="bm25"``; None if ``text_search`` ranks by BM25 in any case."""
    json: JsonRules = SQLITE
    """How to compare the values in a JSON column."""
    forms: Mapping[Element, Form | Unsupported] = NOTHING
    """Element types whose storage differs from that of float32 vectors."""
    routines: Mapping[RoutineKey, str | Unsupported] = NOTHING
    """The SQL of each function, with ``{left} {right} {dimensions}``, and for a subvector ``{start}`` from 1,
    ``{offset}`` from 0, ``{count}`` and ``{end}``; for an aggregate, its name. A key that is a pair applies to that
    element type only."""
    computed: str = "{operand}"
    """Converts the result of a database function to a vector."""
    embedding_functions: Mapping[str, Unsupported] = NOTHING
    """Prefixes of function names, and why such a function cannot embed text here."""
    max_dimensions: int = 16_000
    placeholder: str = "%s"
    """The placeholder of a bound vector."""
    equality: str = "{left} = {right}"
    read: str = "{column}"
    """How the outermost SELECT reads a vector column."""
    null_guard: str = "{distance}"
    """Wraps a distance with nullable operands, with ``{condition}`` and ``{distance}``."""
    zeros: str = ""
    """A vector of ``{dimensions}`` zeros; ``{nothing:0>{digits}}`` expands to the hexadecimal digits of its bytes."""
    age: str = "CAST(EXTRACT(EPOCH FROM CAST(%s AS TIMESTAMPTZ) - CAST({column} AS TIMESTAMPTZ)) AS DOUBLE PRECISION)"
    """The seconds from a date or moment in a ``{column}`` to a bound moment."""
    least: str = "LEAST({values})"
    """The smallest of several values in a row."""
    array_items: str | Unsupported = NO_ARRAYS
    """The items of an ``{array}`` of vectors, as a table ``item`` with a column ``value``."""
    null_distance: str = "CAST(NULL AS DOUBLE PRECISION)"
    count_past_keys: str = ""  # moves a table's sequence past its keys; empty if the database does so itself
    ordering: Ordering = Ordering()
    loading: Loading = Loading()
    tuning: SearchTuning = SearchTuning()
    ddl: Ddl = Ddl()
    planning: Planning = Planning()
    extension: Extension = Extension()
    index_use: IndexUse = IndexUse()
    costs: PlanCosts = PlanCosts()
    estimating: Estimating = Estimating()
    limits: StatementLimit = StatementLimit()
    upkeep: Upkeep = Upkeep()
    index_rules: IndexRules = IndexRules()
    client_ranking: ClientRanking = ClientRanking()
    partitions: Partitions | Unsupported = NO_FOREIGN_PARTITIONS
    sign_column: SignColumn | None = None
    """How it keeps the sign bits of an HnswIndex(precision="bit"); None if the database has an index for them, or none.
    """
    companions: Mapping[str, Companion] = NOTHING
    """The index kinds that are a separate table next to the model's."""
    companions_found: str = ""
    """Returns the name and the table of each existing companion."""
    vec0_tables: str = ""
    """Returns the name and the declaration of each vec0 table, including those that no Vec0Index created."""
    vec0_sources: str = ""
    """Returns, for each vec0 table, the table that it copies, the trigger that copies, and the declaration."""
    stored: str = "{column}"
    """A vector column in a CASE that also contains bound vectors."""
    other_length: str = ""
    """A regular expression of the error for a distance between two lengths; empty if such a distance is NULL."""
    longest: float = math.inf
    """The Euclidean length that the database cannot store a vector of."""
    wire: Wire = Wire.PACKED
    stores_text: bool = False
    """Whether moments are stored as text, which djanorm's fields write in another form than the driver."""

    def __repr__(self) -> str:
        return f"<Dialect {self.name}>"

    @property
    def is_approximate(self) -> bool:
        """Whether the database may answer a search approximately from an index without a request to do so."""
        return _is_approximate(self)

    def form(self, element: Element) -> Form:
        """Return the form of columns of the element type; raises UnsupportedByDatabase if there are none."""
        found = self.forms.get(element)
        if isinstance(found, Unsupported):
            raise self._refusal(found)
        return found or Form(
            self.column, self.placeholder, self.read, self.ddl.literal, max_dimensions=self.max_dimensions
        )

    def column_type(self, element: Element, dimensions: int | None, *, unique: bool = False) -> str:
        """Return the column type; None is any length.

        Raises:
            UnsupportedByDatabase: The database has no such column, or not of that many dimensions.
        """
        form = self.form(element)
        if unique and self.ddl.unique is not None and element not in self.forms:
            raise self._refusal(self.ddl.unique)
        if dimensions is None and isinstance(self.any_length, Unsupported):
            raise self._refusal(self.any_length)
        if dimensions is None:
            return str(self.any_length).format(element=element.value)
        if dimensions > form.max_dimensions:
            raise UnsupportedByDatabase(
                f"{self.title} holds up to {form.max_dimensions:,} dimensions in a {element.value} column;"
                f" this one has {dimensions:,}."
            )
        return form.column.format(dimensions=dimensions, bytes=-(-dimensions // 8))

    def distance(self, metric: Metric, left: Operand, right: Operand, dimensions: int) -> SQL:
        """Return the SQL of the distance that users read; it is NULL if the distance is undefined."""
        return self._measure(self._supported(metric).against(right), left, right, dimensions)

    def rank(self, metric: Metric, left: Operand, right: Operand, dimensions: int) -> SQL:
        """Return the SQL of the distance for ORDER BY, in the form that an index can serve."""
        spelled = self._supported(metric)
        return self._measure(spelled.rank or spelled.against(right), left, right, dimensions)

    def shown(self, metric: Metric) -> str:
        """Return the template that computes the distance that users read from its ``{rank}``."""
        return self._supported(metric).shown

    def how(self, metric: Metric) -> str:
        """Return how the distance is computed; empty if all servers of this database compute it the same way."""
        return self._supported(metric).how

    def index_search(self, metric: Metric, left: Operand, right: Operand, dimensions: int) -> tuple[SQL, SQL]:
        """Return the SQL for ORDER BY and WHERE in a search that an index serves."""
        spelled = self._supported(metric)
        condition = self._measure(spelled.indexed_where, left, right, dimensions) if spelled.indexed_where else ("", [])
        return self._measure(spelled.indexed, left, right, dimensions), condition

    def bound(self, vector: Any) -> Operand:
        return Operand(self.form(vector.element).placeholder, (vector,), nullable=False, constant=True)

    def measures(self, metric: Metric, element: Element) -> bool:
        """Return whether the metric measures two vectors of the element type directly."""
        narrow = self.form(element).narrow
        return narrow is None or metric in narrow

    def widened(self, element: Element, operand: Operand) -> Operand:
        """Return the operand as float32, so that a mixed distance loses no precision."""
        return operand.inside(self.form(element).widened)

    def routine(self, routine: Routine, element: Element) -> str:
        """Return the template of a function or the name of an aggregate; raises UnsupportedByDatabase without one."""
        spelled = self.routines.get((routine, element)) or self.routines.get(routine) or _unknown(routine)
        if isinstance(spelled, Unsupported):
            raise self._refusal(spelled)
        return spelled

    def call(self, routine: Routine, element: Element, operands: Mapping[str, Operand]) -> Operand:
        """Return the call of a function; its value is NULL if an operand is NULL."""
        template = self.routine(routine, element)
        self._require_dimensions(f"to {routine.value}", template, operands)
        sql, params = self._guarded(template, operands)
        sides = [operand for operand in operands.values() if operand.nullable]
        return Operand(sql, tuple(params), bool(sides), all(operand.constant for operand in operands.values()))

    def items_of(self, array: str) -> str:
        """Return the source of the items of an array column, for FROM."""
        if isinstance(self.array_items, Unsupported):
            raise self._refusal(self.array_items)
        return self.array_items.format(array=array)

    def generated_column(self, column_type: str, expression: str, *, stored: bool) -> str:
        subquery = self.ddl.generated_subquery if "(SELECT" in expression else None
        lacking = self.ddl.generated if isinstance(self.ddl.generated, Unsupported) else subquery
        if lacking is not None:
            raise self._refusal(lacking)
        kind = "STORED" if stored else "VIRTUAL"
        return str(self.ddl.generated).format(type=column_type, expression=expression, kind=kind)

    def literal(self, vector: Any) -> str:
        form = self.form(vector.element)
        return form.literal.format(hex=form.stored(vector).hex(), text=vector.to_text())

    def create_index(self, kind: str, **parts: str) -> list[str]:
        """Return the statements that build the index; none if the database does not support it and searches exactly."""
        template = self.indexes[kind]
        return [] if isinstance(template, Unsupported) else [template.format(**parts)]

    def drop_index(self, kind: str, name: str, table: str) -> list[str]:
        if isinstance(self.indexes[kind], Unsupported):
            return []
        return [
            template.format(name=name, table=table)
            for template in (DROP if kind in self.companions else (self.ddl.drop_index,))
        ]

    def text_search_by(self, method: str | None) -> TextSearch:
        """Return the full-text search of an index with that method; without one for BM25, it is the database's own."""
        return self.bm25 if method == "bm25" and isinstance(self.bm25, TextSearch) else self.text_search

    def uses_index(self, plan: str, name: str) -> bool:
        read = f" {' '.join(plan.split())} "
        return self.planning.index_in_plan.format(name=name) in read or self.planning.shards_by_index(plan, name) > 0

    def _supported(self, metric: Metric) -> Distance:
        spelled = self.distances[metric]
        if isinstance(spelled, Unsupported):
            raise self._refusal(spelled)
        return spelled

    def _refusal(self, lacking: Unsupported) -> UnsupportedByDatabase:
        return UnsupportedByDatabase(f"{self.title}: {lacking.reason} {lacking.instead} See {lacking.see}.")

    def require_partitions(self) -> Partitions:
        """Return the SQL of partitions; raises UnsupportedByDatabase if no partition can be on another server."""
        if isinstance(self.partitions, Unsupported):
            raise self._refusal(self.partitions)
        return self.partitions

    def require_one_row(self, limit: int | None) -> None:
        """Raise UnsupportedByDatabase if a slice inside IN that refers to the outer query may only have one row."""
        if self.ordering.correlated_slice is not None and limit != 1:
            raise self._refusal(self.ordering.correlated_slice)

    def require_groups_alone(self) -> None:
        """Raise UnsupportedByDatabase if a search for one row of each group may not refer to the outer query."""
        if self.ordering.correlated_groups is not None:
            raise self._refusal(self.ordering.correlated_groups)

    def require_embedding(self, function: str, *, in_column: bool) -> None:
        """Raise UnsupportedByDatabase if a function of this name cannot embed text, in a column or anywhere."""
        refused = [claim for start, claim in self.embedding_functions.items() if function.startswith(start)]
        refused += [self.ddl.generated_call] if in_column and self.ddl.generated_call else []
        if refused:
            raise self._refusal(refused[0])

    def require_limits_in_process(self) -> None:
        """Raise UnsupportedByDatabase if a database in this process cannot end a statement that takes too long."""
        if self.limits.none_in_process:
            raise UnsupportedByDatabase(f"{self.title}: {self.limits.none_in_process}")

    def _measure(self, template: str, left: Operand, right: Operand, dimensions: int) -> SQL:
        operands = {"left": left, "right": right}
        if "{direction}" in template:
            operands["direction"] = _direction(right)
        if dimensions:
            operands["zeros"] = Operand(self.zeros.format(dimensions=dimensions, nothing="", digits=8 * dimensions))
            operands |= {"dimensions": Operand(str(dimensions)), "bytes": Operand(str(-(-dimensions // 8)))}
        self._require_dimensions("for this distance", template, operands)
        return self._guarded(template, operands)

    def _require_dimensions(self, purpose: str, template: str, operands: Mapping[str, Operand]) -> None:
        if any(name and name not in operands for _text, name in parsed(template)):
            raise UnsupportedByDatabase(
                f"{self.title}: {purpose} it has to know the dimensions of the vector. Use"
                " CastVector(…, VectorField(dimensions=…)) to say them."
            )

    def _guarded(self, template: str, operands: Mapping[str, Operand]) -> SQL:
        sql, params = compose(template, operands)
        sides = [operands[name] for name in ("left", "right") if name in operands and operands[name].nullable]
        if not sides or self.null_guard == "{distance}":
            return f"({sql})", params
        condition = " AND ".join(f"{side.sql} IS NOT NULL" for side in sides)
        guarded = Operand(sql, tuple(params))
        guard = Operand(condition, tuple(value for side in sides for value in side.params))
        return compose(f"({self.null_guard})", {"condition": guard, "distance": guarded})


def _direction(operand: Operand) -> Operand:
    if not operand.constant or operand.sql != "%s":
        return operand
    # A separate type, so that a cached statement also scales the next vector.
    params = tuple(Direction(value) if type(value) is Vector else value for value in operand.params)
    return Operand(operand.sql, params, operand.nullable, operand.constant)


def _unknown(routine: Routine) -> Unsupported:
    return Unsupported(f"it has no function to {routine.value}.", "Compute it in Python.", "", "its documentation")


@cache
def _is_approximate(dialect: Dialect) -> bool:
    own = [template for kind, template in dialect.indexes.items() if kind not in dialect.companions]
    return not dialect.index_use.probe and not all(isinstance(template, Unsupported) for template in own)


@cache
def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparison: ``"0.8.1-dev"`` is (0, 8, 1)."""
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())
