"""Companion tables for searches on SQLite: sqlite-vec's vec0, or 8-bit integers or the sign bits of the vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ..dialects.base import Dialect
from ..dialects.shared.companions import CHANGES, DRIFT, FILL, HELD, KINDS, Companion
from ..dialects.shared.unsupported import Unsupported
from ..values.elements import Element
from ..values.metrics import Metric
from .contents import Column
from .vector import VectorIndex

_KEY = {"id": Column("id", "INTEGER", is_key=True)}


class Vec0Index(VectorIndex):
    """A vec0 table next to the model's, kept in sync by triggers: faster exact searches on SQLite.

    ``distance`` ("l2", "cosine", "l1") must match the queries. ``partition_by`` names up to four fields that searches
    filter with ``=``; a search reads only the matching partition. ``metadata`` names up to sixteen non-null fields that
    searches filter by comparison. ``precision="bit"`` stores the sign of each number instead, for ``rerank()`` and
    ``nearest(..., exact=False)``, and also supports "inner_product"; ``precision="int8"`` stores 8-bit integers for the
    same searches, by "cosine" only. On other databases it builds nothing.
    """

    metrics = (Metric.L2, Metric.COSINE, Metric.L1)
    precisions = ("bit", "int8")
    elements = frozenset({Element.FLOAT32, Element.HALF, Element.SPARSE})
    ranges: ClassVar[Mapping[str, range]] = {}
    method_in_djanorm = "hnsw"

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        *,
        distance: str | None = None,
        precision: str | None = None,
        partition_by: Sequence[str] = (),
        metadata: Sequence[str] = (),
    ) -> None:
        self.kind = f"vec0_{precision}" if precision in self.precisions else "vec0"
        if precision == "int8" and distance != Metric.COSINE:
            raise self._error(
                f"(precision='int8', distance={distance!r}): 8-bit integers keep the direction of a vector and not its"
                " length. Use distance='cosine'."
            )
        self.partition_by = self._names("partition_by", partition_by)
        self.metadata = self._names("metadata", metadata)
        twice = {*self.partition_by} & {*self.metadata}
        if twice:
            raise self._error(f" has {', '.join(sorted(twice))} in partition_by and in metadata: choose one.")
        super().__init__(fields, name, distance=distance, precision=precision)

    def statements(
        self,
        dialect: Dialect,
        name: str,
        table: str,
        column: str,
        condition: str = "",
        *,
        field: Any = None,
        rows: int = 0,
        columns: Mapping[str, Column] | None = None,
    ) -> list[str]:
        """Return the SQL that builds and fills the companion and its triggers; empty if companions are unsupported."""
        if not self.is_built_by(dialect):
            return []
        if field is not None:
            self.check(field)
        dimensions = field.dimensions if field is not None else 1
        known = columns or _KEY
        reasons = list(self.obstacles(dialect, dimensions, known))
        if reasons:
            raise self._error(f" {name} cannot be built: {reasons[0]}")
        return _Built(self, dialect.companions[self.kind], known).statements(name, table, column, dimensions)

    def obstacles(self, dialect: Dialect, dimensions: int, columns: Mapping[str, Column]) -> Iterator[str]:
        """Yield each reason why the companion cannot be built, with a fix."""
        companion = dialect.companions[self.kind]
        if companion.most_dimensions and dimensions > companion.most_dimensions:
            yield (
                f"vec0 takes up to {companion.most_dimensions:,} dimensions; the vectors have {dimensions:,}."
                ' Use precision="bit", or search without it.'
            )
        key = next((each for each in columns.values() if each.is_key), None)
        if key is None or kind_of(key) not in ("integer", "text"):
            yield "it finds rows by a primary key of one column, a whole number or text. Give the model one."
        for option, names, most in (
            ("partition_by", self.partition_by, companion.most_partitions),
            ("metadata", self.metadata, companion.most_metadata),
        ):
            if len(names) > most:
                yield f"{option} names {len(names)} fields, and it takes {most}."
            for name in names:
                yield from _unfit(option, name, columns.get(name), companion)

    def declaration(self, dialect: Dialect, name: str, dimensions: int, columns: Mapping[str, Column]) -> str:
        """Return the CREATE statement of the companion, which the database keeps."""
        return _Built(self, dialect.companions[self.kind], columns).declaration(name, dimensions)

    def drift_query(
        self, dialect: Dialect, name: str, table: str, column: str, dimensions: int, columns: Mapping[str, Column]
    ) -> str:
        """Return the SQL that compares the companion with its table, row by row."""
        return _Built(self, dialect.companions[self.kind], columns).drift_query(name, table, column, dimensions)

    @property
    def filters(self) -> tuple[str, ...]:
        """Return the names of the fields that searches may filter by."""
        return (*self.partition_by, *self.metadata)

    def is_built_by(self, dialect: Dialect) -> bool:
        return not isinstance(dialect.indexes[self.kind], Unsupported)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the path, arguments and keywords that reconstruct this index."""
        options: dict[str, Any] = {
            "fields": list(self.fields),
            "name": self.name or None,
            "distance": self.metric.value,
        }
        more = {"precision": self.precision, "partition_by": list(self.partition_by), "metadata": list(self.metadata)}
        return "dorm_vector.Vec0Index", (), options | {key: value for key, value in more.items() if value}

    def meaning(self) -> tuple[Any, ...]:
        return (*super().meaning(), self.partition_by, self.metadata)

    def _names(self, option: str, names: Sequence[str]) -> tuple[str, ...]:
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise self._error(f'({option}={names!r}): want a list of the names of fields, {option}=["section"].')
        return tuple(names)


class SignTable(Vec0Index):
    """The sign bits of an HnswIndex with ``precision="bit"``, where the database keeps them in a table of their own."""

    def __init__(self, index: VectorIndex) -> None:
        super().__init__(index.fields, index.name, distance=index.metric.value, precision="bit")
        self.kind, self.dimensions = "signs", index.dimensions

    def statements(
        self,
        dialect: Dialect,
        name: str,
        table: str,
        column: str,
        condition: str = "",
        *,
        field: Any = None,
        rows: int = 0,
        columns: Mapping[str, Column] | None = None,
    ) -> list[str]:
        """Return the SQL that builds it; none over a key by which it cannot find rows, so that searches are exact."""
        if not self.fits(dialect, columns or _KEY):
            return []
        return super().statements(dialect, name, table, column, condition, field=field, rows=rows, columns=columns)

    def fits(self, dialect: Dialect, columns: Mapping[str, Column]) -> bool:
        """Return whether it can find the rows of a table with these columns."""
        return next(self.obstacles(dialect, 1, columns), None) is None


class _Built:
    """The SQL of one companion of one table."""

    def __init__(self, index: Vec0Index, companion: Companion, columns: Mapping[str, Column]) -> None:
        self.index, self.companion = index, companion
        self.key = next(column for column in columns.values() if column.is_key)
        self.parts = [columns[name] for name in index.partition_by]
        self.others = [columns[name] for name in index.metadata]

    def statements(self, name: str, table: str, column: str, dimensions: int) -> list[str]:
        said = {"name": name, "table": table, "key": self.key.name, **self._said(f'"{column}"', dimensions)}
        templates = [*([self.companion.indexed_partition] if self.parts else []), FILL]
        written = [template.format(**said, columns=self._columns(template)) for template in templates if template]
        return [
            self.declaration(name, dimensions),
            *written,
            *(template.format(**said) for template in (self.companion.insert, *CHANGES)),
        ]

    def declaration(self, name: str, dimensions: int) -> str:
        said = {"name": name, "dimensions": str(dimensions), "metric": self.companion.metrics[self.index.metric]}
        create = self.companion.create
        return create.format(**said, kind=kind_of(self.key), columns=self._columns(create))

    def drift_query(self, name: str, table: str, column: str, dimensions: int) -> str:
        operand = f't."{column}"'
        pairs = [("vector", self._value(operand, dimensions))]
        pairs += [(f"by_{each.name}", f't."{each.name}"') for each in self._filters]
        differs = " OR ".join(f"v.{own} IS NOT {source}" for own, source in pairs)
        held = f"({self._held(operand)})"
        return DRIFT.format(name=name, table=table, key=self.key.name, held=held, differs=differs)

    def _columns(self, template: str) -> str:
        if template is FILL:
            return _listed(f'"{each.name}"' for each in self._filters)
        if template is self.companion.indexed_partition:
            return _listed(f"by_{each.name}" for each in self.parts)
        declared = [*((self.companion.partition, each) for each in self.parts)]
        declared += [(self.companion.metadata, each) for each in self.others]
        return _listed(form.format(column=each.name, kind=kind_of(each)) for form, each in declared)

    @property
    def _filters(self) -> list[Column]:
        return [*self.parts, *self.others]

    def _said(self, vector: str, dimensions: int) -> dict[str, str]:
        """Return the template values for the columns of a row, and of that row before and after a change."""
        names = [f'"{each.name}"' for each in (self.key, *self.parts)]
        watched = [vector, *(f'"{each.name}"' for each in self.others)]
        said = {
            "kind": str(kind_of(self.key)),
            "into": _listed(f"by_{each.name}" for each in self._filters),
            "new": _listed(f'new."{each.name}"' for each in self._filters),
            "watched": ", ".join([*names, *watched]),
            "stays": " AND ".join(f"new.{each} IS old.{each}" for each in names),
            "changed": " OR ".join(f"new.{each} IS NOT old.{each}" for each in watched),
            "assignments": _listed(f'by_{each.name} = new."{each.name}"' for each in self.others),
        }
        for row in ("", "new.", "old."):
            prefix = row.replace(".", "_")
            said |= {f"{prefix}value": self._value(row + vector, dimensions), f"{prefix}held": self._held(row + vector)}
        return said

    def _value(self, operand: str, dimensions: int) -> str:
        return self.companion.value.format(operand=held_part(self.index, self.companion, operand, dimensions))

    def _held(self, operand: str) -> str:
        undirected = self.companion.undirected.get(self.index.metric)
        if not undirected:
            return f"{operand} IS NOT NULL"
        return HELD.format(operand=operand, measurable=f"NOT {undirected.format(operand=operand)}")


def held_part(index: Vec0Index, companion: Companion, operand: str, dimensions: int) -> str:
    """Return the numbers of the vector operand that count, padded as the companion requires."""
    if index.dimensions:
        return companion.first_numbers.format(operand=operand, bytes=4 * index.dimensions)
    return filled_up(companion, operand, dimensions)


def filled_up(companion: Companion, operand: str, dimensions: int) -> str:
    """Return the vector operand, padded as the companion requires."""
    missing = -dimensions % 8 if companion.filled_up else 0
    return companion.filled_up.format(operand=operand, bytes=4 * missing) if missing else operand


def kind_of(column: Column) -> str | None:
    """Return the companion's type for the column; None if the column cannot be in a companion."""
    return KINDS.get(column.declared)


def _unfit(option: str, name: str, column: Column | None, companion: Companion) -> Iterator[str]:
    if column is None:
        yield f"{option} names {name!r}, and the model has no such field."
    elif kind_of(column) is None:
        yield f"{option} takes whole numbers, floats and text, and {name} is {column.declared or 'none of a column'}."
    elif option == "partition_by" and kind_of(column) not in companion.partition_kinds:
        yield f"vec0 cannot be partitioned by {name}, which is {column.declared}. Put it into metadata instead."
    elif option == "metadata" and column.nullable and not companion.takes_null:
        yield f"vec0 takes no NULL in metadata, and {name} may be. Declare it without null=True, or leave it out."


def _listed(parts: Iterable[str]) -> str:
    return "".join(f"{part}, " for part in parts)
