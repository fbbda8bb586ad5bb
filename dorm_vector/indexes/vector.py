"""Vector indexes: one declaration for every database, rendered with each database's parameter names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dorm.expressions import Q
from dorm.fields import _inline_literal
from dorm.functions import _compile_condition
from dorm.indexes import Index

from ..dialects.base import Dialect
from ..dialects.shared.unsupported import Unsupported
from ..engines import dialect_of_index_sql
from ..values.elements import Element
from ..values.metrics import Metric
from .build_options import BuildOptions, checked_build_options
from .contents import PRECISIONS, Column, holds_form, index_contents, require_fitting

NOTHING_TO_BUILD = ("SELECT 1", "SELECT 1")

_SHORT = {
    Metric.L2: "l2",
    Metric.COSINE: "cosine",
    Metric.INNER_PRODUCT: "ip",
    Metric.L1: "l1",
    Metric.HAMMING: "hamming",
    Metric.JACCARD: "jaccard",
}

OPCLASSES: Mapping[str, tuple[Element, Metric]] = {
    f"{element.value}_{short}_ops": (element, metric)
    for element in Element
    for metric, short in _SHORT.items()
    if element in metric.elements
}

_NUMBERS = tuple(metric for metric in Metric if Element.FLOAT32 in metric.elements)


class _Column:
    dimensions = 1
    label = "a column"

    def __init__(self, element: Element) -> None:
        self.element = element


class VectorIndex(Index):
    """An index on one vector field. Use HnswIndex, IvfflatIndex, DiskAnnIndex or Vec0Index."""

    kind: str
    has_word_as_name: ClassVar[bool] = True
    """Whether the name may hold word characters only: libSQL reads it without its quotes."""
    method_in_djanorm: ClassVar[str] = ""
    """The index method to report to djanorm, if djanorm does not know the kind."""
    metrics: ClassVar[tuple[Metric, ...]]
    precisions: ClassVar[tuple[str, ...]] = tuple(PRECISIONS)
    elements: ClassVar[frozenset[Element]]
    labels: tuple[str, ...] = ()
    """The fields whose values the index stores, so that it can evaluate filters on them."""
    ranges: ClassVar[Mapping[str, range]]

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        precision: str | None = None,
        dimensions: int | None = None,
        condition: Q | None = None,
        build_options: BuildOptions | None = None,
        **parameters: Any,
    ) -> None:
        if len(fields) != 1:
            raise self._error(f" indexes one vector field; got {list(fields)}. Declare one index each.")
        if precision not in (None, *self.precisions):
            raise self._error(f"(precision={precision!r}): want one of {', '.join(self.precisions)}, or leave it out.")
        if precision == "int8" and dimensions is not None:
            raise self._error(f"(precision='int8', dimensions={dimensions!r}): it holds all dimensions. Leave one out.")
        if dimensions is not None:
            self._check("dimensions", dimensions, range(1, 64_001))
        for parameter, value in parameters.items():
            self._check(parameter, value, self.ranges[parameter])
        self.precision, self.dimensions = precision, dimensions
        self.metric, self.measure = self._metrics(opclass, distance)
        self._asked_opclass = opclass
        method = self.method_in_djanorm or self.kind
        super().__init__(list(fields), name, method=method, opclasses=[self.opclass], condition=condition)
        self.with_options = dict(parameters)
        self.build_options = checked_build_options(type(self).__name__, build_options)

    @property
    def opclass(self) -> str:
        """Return the given opclass; by default that of a VectorField, or of a BitField for a distance between bits."""
        numbers = PRECISIONS.get(self.precision or "", Element.FLOAT32)
        return self._asked_opclass or self.opclass_of(
            numbers if Element.FLOAT32 in self.measure.elements else Element.BIT
        )

    def opclass_of(self, element: Element) -> str:
        return f"{element.value}_{_SHORT[self.measure]}_ops"

    def check(self, field: Any) -> None:
        """Raise ValueError if the index does not fit the field."""
        if field.dimensions is None:
            raise self._error(
                f" on {field.label}: an index holds vectors of one length, and the field has dimensions=None."
                " Declare the dimensions, or leave the index out."
            )
        held = PRECISIONS.get(self.precision or "", field.element)
        if self.metric not in self.metrics_of(field.element):
            wanted = " or ".join(f"distance={metric.value!r}" for metric in self.metrics_of(field.element)) or "none"
            raise self._error(
                f" on {field.label}: {field.element.value} has no {self.metric.value} index. Use {wanted}."
            )
        is_held = held is field.element and self.precision != "int8"
        if self.precision and (is_held or field.element not in (Element.FLOAT32, Element.HALF)):
            raise self._error(f"(precision={self.precision!r}) on {field.label}: {field.element.value} needs none.")
        if self.dimensions and (
            field.element not in (Element.FLOAT32, Element.HALF) or self.dimensions >= field.dimensions
        ):
            raise self._error(
                f"(dimensions={self.dimensions}) on {field.label}: want fewer than the {field.dimensions} of a"
                " VectorField or HalfVectorField."
            )
        if self._asked_opclass not in (None, self.opclass_of(held)):
            raise self._error(
                f"(opclass={self._asked_opclass!r}) on {field.label}: it holds {held.value}."
                f" Use {self.opclass_of(held)!r}, or distance={self.metric.value!r}."
            )

    def check_model(self, model: str, fields: Mapping[str, Any]) -> None:
        """Raise ValueError if the index names fields that the model does not have."""

    def metrics_of(self, element: Element) -> list[Metric]:
        """Return the distances that the index supports on a column of that type."""
        known = _NUMBERS if self.precision == "bit" else self.metrics
        return [metric for metric in known if element in metric.elements and element in self.elements]

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the path, arguments and keywords that reconstruct this index."""
        options: dict[str, Any] = {"fields": list(self.fields), "name": self.name or None}
        if self._asked_opclass is not None:
            options["opclass"] = self._asked_opclass
        if self._asked_opclass is None or self.precision == "bit":
            options["distance"] = self.metric.value
        options |= {"precision": self.precision, "dimensions": self.dimensions, **self.with_options}
        options |= {"condition": self.condition, "build_options": self.build_options or None}
        given = {key: value for key, value in options.items() if value is not None or key == "name"}
        return f"dorm_vector.{type(self).__name__}", (), given

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
        """Return the SQL that builds the index over that many rows; none if the database searches without an index.

        Without ``field``, the index is on a column of the type that the opclass is for. ``columns`` are the columns of
        the table, by field name.
        """
        if self.on(dialect) is not self:
            return self.on(dialect).statements(dialect, name, table, column, field=field, rows=rows, columns=columns)
        if field is None:
            field = _Column(Element.FLOAT32 if self.precision else OPCLASSES[self.opclass][0])
        else:
            self.check(field)
        if self.holds_signs(dialect):
            from .sign_columns import SignBits  # imported late: few databases have such a column

            return SignBits(self, dialect, name, table, column, field.dimensions).statements()
        held = index_contents(self, field, dialect)
        if held is None or not self.is_built_by(dialect):
            return []
        require_fitting(held, field, self.kind, dialect)
        expression = f'"{column}"'
        if held.is_reduced:
            expression = f"({held.template.format(operand=expression)})"
        return dialect.create_index(
            self.kind,
            name=name,
            table=table,
            column=column,
            expression=expression,
            opclass=self.opclass_of(held.element),
            condition=f" WHERE {condition}" if condition else "",
            metric=self._metric_name(held.dimensions, dialect),
            **self.parts(dialect, rows, columns),
        )

    def parts(self, dialect: Dialect, rows: int, columns: Mapping[str, Column] | None) -> dict[str, str]:
        """Return the parameters of a build over that many rows, as parts of the CREATE statement."""
        parameters = self.parameters(rows)
        return {
            "options": f" WITH ({', '.join(f'{key} = {value}' for key, value in parameters.items())})",
            # pgvector allows 2·m links on the lowest layer of an HNSW graph, which holds all rows.
            "links": str(2 * parameters.get("m", 0)),
            "labels": "",
            **{key: str(value) for key, value in parameters.items()},
        }

    @property
    def counts_rows(self) -> bool:
        """Return whether a parameter depends on the number of rows."""
        return False

    def parameters(self, rows: int) -> dict[str, int]:
        """Return the parameters of a build over that many rows."""
        return dict(self.with_options)

    def serves(self, field: Any, metric: Metric, dialect: Dialect) -> bool:
        """Return whether the database has this index for searches of the field by the metric."""
        return self.is_built_by(dialect) and self.metric is metric and list(self.fields) == [field.name]

    def holds_signs(self, dialect: Dialect) -> bool:
        """Return whether the database keeps this index as a column of sign bits."""
        return dialect.sign_column is not None and self.precision == "bit" and self.kind == "hnsw"

    def on(self, dialect: Dialect) -> VectorIndex:
        """Return what the database builds: this index, or a table of sign bits that stands in for it."""
        return self

    def form_on(self, dialect: Dialect) -> str:
        """Return the kind of what the database builds: that of the index, or "signs"."""
        return "signs" if self.holds_signs(dialect) else self.on(dialect).kind

    def is_built_by(self, dialect: Dialect) -> bool:
        """Return whether the database supports indexes of this form; if not, nothing is built."""
        if self.holds_signs(dialect) or self.on(dialect) is not self:
            return True
        return not isinstance(dialect.indexes[self.kind], Unsupported) and holds_form(self, dialect)

    def create_sql(self, table: str, *, vendor: str = "") -> tuple[str, str]:
        """Return the SQL that builds and drops the index; ``SELECT 1`` if the database has no such index.

        The SQL is for a field of the opclass's type, in a column of the field's name. On SQLite and Turso, only
        migrations build a Vec0Index, because it takes several statements. ``vendor`` may also be ``"mariadb"``.
        """
        dialect = dialect_of_index_sql(vendor)
        if dialect and self.precision and not self.dimensions and self.is_built_by(dialect):
            raise self._error(
                f"(precision={self.precision!r}).create_sql(): the SQL names the dimensions of the field, which an"
                " index alone does not know. `dorm sqlmigrate` and create_tables() do."
            )
        name = self.get_name(table.partition("_")[2] or table)
        made = self.statements(dialect, name, table, self.fields[0], self._condition_sql()) if dialect else []
        dropped = dialect.drop_index(self.kind, name, table) if dialect else []
        return (made[0], dropped[0]) if made and dropped else NOTHING_TO_BUILD

    def _condition_sql(self) -> str:
        if self.condition is None:
            return ""
        sql, params = _compile_condition(self.condition)
        return str(_inline_literal(sql, params) if params else sql)

    def _metrics(self, opclass: str | None, distance: str | None) -> tuple[Metric, Metric]:
        """Return the distance of the queries, and the distance that the index itself measures."""
        is_bits = self.precision == "bit"
        if opclass is not None and distance is not None and not is_bits:
            raise self._error(" takes opclass or distance, not both.")
        known = _NUMBERS if self.precision else self.metrics
        if distance is not None and distance not in known:
            raise self._error(f"(distance={distance!r}): want one of {', '.join(known)}.")
        if opclass is not None and opclass not in self._opclasses():
            raise self._error(f"(opclass={opclass!r}): want one of {', '.join(self._opclasses())}.")
        asked = OPCLASSES[opclass][1] if opclass else None
        if is_bits:
            return Metric(distance or Metric.L2), asked or Metric.HAMMING
        metric = asked or Metric(distance or Metric.L2)
        return metric, metric

    def _metric_name(self, dimensions: int, dialect: Dialect) -> str:
        rules = dialect.index_rules
        is_wide = dimensions >= rules.wide and self.precision != "int8"
        return {**(rules.metrics or {}), **(rules.wide_metrics if is_wide else {})}.get(self.metric, "")

    def _opclasses(self) -> list[str]:
        held = PRECISIONS.get(self.precision or "")
        return [
            name
            for name, (element, metric) in OPCLASSES.items()
            if metric in self.metrics and element in self.elements and held in (None, element)
        ]

    def _check(self, name: str, value: Any, allowed: range) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            raise self._error(f"({name}={value!r}): want a whole number from {allowed[0]} to {allowed[-1]}.")

    def _error(self, text: str) -> ValueError:
        return ValueError(f"{type(self).__name__}{text}")

    def meaning(self) -> tuple[Any, ...]:
        """Return the parts that make two declarations the same index; build options do not count."""
        parts = (self.metric, self.measure, self.precision, self.dimensions, tuple(self.with_options.items()))
        return (type(self), self.name, tuple(self.fields), *parts, repr(self.condition))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VectorIndex) and self.meaning() == other.meaning()

    def __hash__(self) -> int:
        return hash(self.meaning())

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.deconstruct()[2].items())
        return f"{type(self).__name__}({options})"
