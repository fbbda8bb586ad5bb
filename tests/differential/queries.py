"""What a query is, and the Python that makes it: a tree that the interpreter walks and the database is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

EXPRESSIONS = {
    "l2": "L2Distance",
    "cosine": "CosineDistance",
    "inner_product": "MaxInnerProduct",
    "l1": "L1Distance",
    "similarity": "CosineSimilarity",
    "product": "InnerProduct",
}


# What is wanted of a query, where rows are: a list of them, or a stream.
ROWS = ("rows", "iterator")

# conditions


@dataclass(frozen=True)
class Reference:
    """``F("path")``, or a key of the outer query."""

    path: str
    outer: bool = False

    def source(self, suffix: str) -> str:
        return f'{"OuterRef" if self.outer else "F"}("{self.path}")'


@dataclass(frozen=True)
class Leaf:
    """A comparison of what a path leads to."""

    path: str
    lookup: str
    value: Any

    def source(self, suffix: str) -> str:
        lookup = "" if self.lookup == "exact" else f"__{self.lookup}"
        return f"Q({self.path}{lookup}={source_of(self.value, suffix)})"


@dataclass(frozen=True)
class Combined:
    """Conditions that all hold (``&``), or one of them (``|``)."""

    operator: str
    parts: tuple[Condition, ...]

    def source(self, suffix: str) -> str:
        return "(" + f" {self.operator} ".join(part.source(suffix) for part in self.parts) + ")"


@dataclass(frozen=True)
class Not:
    """The negation of a condition."""

    condition: Condition

    def source(self, suffix: str) -> str:
        return f"~{self.condition.source(suffix)}"


@dataclass(frozen=True)
class Exists:
    """``Exists()`` of rows that refer to the outer one."""

    query: Query
    negated: bool

    def source(self, suffix: str) -> str:
        return f"{'~' if self.negated else ''}Exists({self.query.queryset(suffix)})"


Condition = Leaf | Combined | Not | Exists


# expressions


@dataclass(frozen=True)
class Distance:
    """A distance or a similarity."""

    measure: str
    path: str
    to: list[float] | Reference

    def source(self, suffix: str) -> str:
        return f'{EXPRESSIONS[self.measure]}("{self.path}", {source_of(self.to, suffix)})'


@dataclass(frozen=True)
class Aggregate:
    """An aggregate of a path, an annotation, an expression, or of the rows (``*``)."""

    function: str
    of: str | Distance

    def source(self, suffix: str) -> str:
        return f"{self.function}({source_of(self.of, suffix)})"


@dataclass(frozen=True)
class Scalar:
    """``Subquery()`` of one value."""

    query: Query

    def source(self, suffix: str) -> str:
        return f"Subquery({self.query.queryset(suffix)})"


# steps


@dataclass(frozen=True)
class Filter:
    """``filter()`` or ``exclude()``."""

    condition: Condition
    excludes: bool = False

    def source(self, suffix: str) -> str:
        return f".{'exclude' if self.excludes else 'filter'}({self.condition.source(suffix)})"


@dataclass(frozen=True)
class Annotate:
    """``annotate()``, or ``alias()``."""

    name: str
    expression: Distance | Aggregate | Scalar
    hidden: bool = False

    def source(self, suffix: str) -> str:
        return f".{'alias' if self.hidden else 'annotate'}({self.name}={self.expression.source(suffix)})"


@dataclass(frozen=True)
class Row:
    """A stored row, which a search starts from."""

    table: str
    key: Any

    def source(self, suffix: str) -> str:
        return f"{self.table}{suffix}.objects.get(pk={self.key!r})"


@dataclass(frozen=True)
class Nearest:
    """``nearest()``; its metric is what the search measures, named only where ``is_named``."""

    path: str
    to: list[float] | Reference | Row | Scalar
    metric: str
    is_named: bool = True
    max_distance: float | None = None
    min_similarity: float | None = None
    exact: bool | None = None
    shortlist: int | None = None

    def source(self, suffix: str) -> str:
        options = [f'distance="{self.metric}"'] * self.is_named
        options += [f"max_distance={self.max_distance!r}"] if self.max_distance is not None else []
        options += [f"min_similarity={self.min_similarity!r}"] if self.min_similarity is not None else []
        options += [f"exact={self.exact}"] if self.exact is not None else []
        arguments = ", ".join([f'"{self.path}"', source_of(self.to, suffix), *options])
        rerank = f".rerank({self.shortlist})" if self.shortlist is not None else ""
        return f".nearest({arguments}){rerank}"


@dataclass(frozen=True)
class OrderBy:
    """``order_by()`` of fields and annotations."""

    names: tuple[str, ...]

    def source(self, suffix: str) -> str:
        return f".order_by({', '.join(map(repr, self.names))})"


@dataclass(frozen=True)
class Project:
    """``values()`` or ``values_list()``, and what its groups are summarised by."""

    names: tuple[str, ...]
    kind: str = "values"
    groups: tuple[tuple[str, Aggregate], ...] = ()

    def source(self, suffix: str) -> str:
        flat = ", flat=True" if self.kind == "flat" else ""
        listed = ", ".join(map(repr, self.names))
        grouped = ", ".join(f"{name}={aggregate.source(suffix)}" for name, aggregate in self.groups)
        called = f".{'values' if self.kind == 'values' else 'values_list'}({listed}{flat})"
        return called + (f".annotate({grouped})" if grouped else "")


@dataclass(frozen=True)
class SelectRelated:
    """``select_related()`` of a foreign key, which changes no answer."""

    name: str

    def source(self, suffix: str) -> str:
        return f'.select_related("{self.name}")'


@dataclass(frozen=True)
class Distinct:
    """``distinct()``."""

    def source(self, suffix: str) -> str:
        return ".distinct()"


@dataclass(frozen=True)
class Slice:
    """A slice."""

    start: int | None
    stop: int | None

    def source(self, suffix: str) -> str:
        return f"[{'' if self.start is None else self.start}:{'' if self.stop is None else self.stop}]"


Step = Filter | Annotate | Nearest | OrderBy | Project | SelectRelated | Distinct | Slice


@dataclass(frozen=True)
class Query:
    """A query of a model, and what is wanted of it: rows, one of them, count, exists, or aggregates."""

    table: str
    steps: tuple[Step, ...] = ()
    wanted: str = "rows"
    aggregates: tuple[tuple[str, Aggregate], ...] = ()
    union: Query | None = None
    combinator: str = "union"
    order: tuple[str, ...] = ()
    has_vectors: bool = True
    """Whether the model has vectors of its own; else as_vector() makes its querysets search."""

    def queryset(self, suffix: str) -> str:
        start = f"{self.table}{suffix}.objects.all()"
        found = (start if self.has_vectors else f"as_vector({start})") + "".join(
            step.source(suffix) for step in self.steps
        )
        found += f".{self.combinator}({self.union.queryset(suffix)})" if self.union is not None else ""
        return found + (OrderBy(self.order).source(suffix) if self.order else "")

    def program(self, suffix: str, *, is_async: bool) -> str:
        """Return the expression that asks the database."""
        queryset = self.queryset(suffix)
        if self.wanted in ROWS:
            streamed = f".{'a' if is_async else ''}iterator(2)" if self.wanted == "iterator" else ""
            return f"[row {'async ' if is_async else ''}for row in {queryset}{streamed}]"
        given = ", ".join(f"{name}={aggregate.source(suffix)}" for name, aggregate in self.aggregates)
        return f"{'await ' if is_async else ''}{queryset}.{'a' if is_async else ''}{self.wanted}({given})"


def source_of(value: Any, suffix: str) -> str:
    if hasattr(value, "source"):
        return str(value.source(suffix))
    return value.queryset(suffix) if isinstance(value, Query) else repr(value)
