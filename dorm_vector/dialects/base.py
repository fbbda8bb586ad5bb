"""What every database must state: its facts as data, and the SQL made from them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from ..exceptions import UnsupportedByDatabase
from ..metrics import Metric
from ..vector import Vector

SQL = tuple[str, list[Any]]


@dataclass(frozen=True)
class Unsupported:
    """Something the database lacks.

    ``reason`` is the sentence that users read, ``instead`` what to use, ``probe`` a statement that fails on the server
    as long as this is true, ``see`` where it is documented.
    """

    reason: str
    instead: str
    probe: str
    see: str


@dataclass(frozen=True)
class Distance:
    """The SQL of one metric, with ``{left}``, ``{right}`` and ``{zeros}``.

    ``value`` is what users read. ``rank`` sorts the same way and is what an index can serve; it is ``value`` unless
    given.
    """

    value: str
    rank: str = ""


@dataclass(frozen=True)
class Operand:
    """One side of a distance: SQL, its parameters, and whether it can be NULL."""

    sql: str
    params: tuple[Any, ...] = ()
    nullable: bool = True


# A database is itself: comparing its facts one by one would only make the import slower.
@dataclass(frozen=True, eq=False, repr=False)
class Dialect:
    """The SQL that one database speaks for vectors. Holds no connection and runs nothing."""

    name: str
    title: str
    minimum: str
    """Lowest version of the server or extension that the suite passes on."""
    column: str
    """Column type, with ``{dimensions}``."""
    distances: Mapping[Metric, Distance | Unsupported]
    indexes: Mapping[str, str | Unsupported]
    """Index kind to its CREATE statement, with ``{name} {table} {column} {opclass} {options} {condition}``."""
    max_dimensions: int = 16_000
    placeholder: str = "%s"
    """How a bound vector is written."""
    equality: str = "{left} = {right}"
    read: str = "{column}"
    """How the outermost SELECT reads a vector column."""
    null_guard: str = "{distance}"
    """Wraps a distance whose operands can be NULL, with ``{condition}`` and ``{distance}``."""
    zeros: str = ""
    """A vector of ``{dimensions}`` zeros."""
    null_distance: str = "CAST(NULL AS DOUBLE PRECISION)"
    ascending: str = "{rank} ASC NULLS LAST"
    orders_by_outer: bool = True
    """Whether ORDER BY in a subquery may name columns of the query around it."""
    descending: str = "{value} DESC NULLS LAST"
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    version_query: str = ""
    """Returns the version that ``minimum`` is about, or no row where the extension is missing."""
    install_hint: str = ""
    index_in_plan: str = "{name}"
    """What the database's plan says where the index ``{name}`` is used."""
    literal_form: str = "X'{hex}'"
    """A vector inside DDL, where nothing can be bound, with ``{hex}`` and ``{text}``."""
    concurrently: str = ""
    """What stands behind INDEX in a build that does not block writers."""

    def __repr__(self) -> str:
        return f"<Dialect {self.name}>"

    def column_type(self, dimensions: int) -> str:
        return self.column.format(dimensions=dimensions)

    def distance(self, metric: Metric, left: Operand, right: Operand, dimensions: int) -> SQL:
        """Return the distance as users read it: NULL where it has no answer."""
        return self._measure(self._supported(metric).value, left, right, dimensions)

    def rank(self, metric: Metric, left: Operand, right: Operand, dimensions: int) -> SQL:
        """Return the distance as ORDER BY wants it, so that an index can serve it."""
        spelled = self._supported(metric)
        return self._measure(spelled.rank or spelled.value, left, right, dimensions)

    def bound(self, vector: Vector) -> Operand:
        return Operand(self.placeholder, (vector,), nullable=False)

    def literal(self, vector: Vector) -> str:
        return self.literal_form.format(hex=vector.hex(), text=vector.to_text())

    def create_index(self, kind: str, **parts: str) -> list[str]:
        """Return the statements that build the index; none where the database searches exactly without one."""
        template = self.indexes[kind]
        return [] if isinstance(template, Unsupported) else [template.format(**parts)]

    def drop_index(self, kind: str, name: str, table: str) -> list[str]:
        return [] if isinstance(self.indexes[kind], Unsupported) else [f'DROP INDEX IF EXISTS "{name}"']

    def uses_index(self, plan: str, name: str) -> bool:
        return self.index_in_plan.format(name=name) in plan

    def _supported(self, metric: Metric) -> Distance:
        spelled = self.distances[metric]
        if isinstance(spelled, Unsupported):
            raise UnsupportedByDatabase(f"{self.title}: {spelled.reason} {spelled.instead} See {spelled.see}.")
        return spelled

    def _measure(self, template: str, left: Operand, right: Operand, dimensions: int) -> SQL:
        operands = {"left": left, "right": right, "zeros": Operand(self.zeros.format(dimensions=dimensions))}
        sql, params = compose(template, operands)
        maybe_null = [side for side in (left, right) if side.nullable]
        if not maybe_null or self.null_guard == "{distance}":
            return f"({sql})", params
        condition = " AND ".join(f"{side.sql} IS NOT NULL" for side in maybe_null)
        guarded = Operand(sql, tuple(params))
        guard = Operand(condition, tuple(value for side in maybe_null for value in side.params))
        return compose(f"({self.null_guard})", {"condition": guard, "distance": guarded})


def compose(template: str, operands: Mapping[str, Operand]) -> SQL:
    """Fill a template and collect the parameters in the order in which the operands stand in it."""
    params: list[Any] = []
    sql = ""
    for text, name in _parse(template):
        sql += text
        if name:
            sql += operands[name].sql
            params += operands[name].params
    return sql, params


@functools.cache
def _parse(template: str) -> list[tuple[str, str | None]]:
    return [(text, name) for text, name, _, _ in Formatter().parse(template)]
