"""Random queries of a shape, with hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.differential import queries
from tests.differential.literals import NUMBERS, ORDERED, of_kind, vectors
from tests.differential.model import Shape
from tests.differential.paths import Paths
from tests.differential.queries import Aggregate, Annotate, Distance, Filter, Leaf, Nearest, Query, Reference
from tests.differential.rows import Rows

METRICS = ("l2", "cosine", "inner_product", "l1")
MEASURES = (*METRICS, "similarity", "product")
BOUNDS = st.sampled_from([-3.517, 0.0137, 0.4713, 1.0291, 2.6113, 7.7717])


class Generator:
    """Draws parts of queries of a shape and its rows."""

    def __init__(self, shape: Shape, rows: Rows) -> None:
        self.shape, self.rows, self.paths = shape, rows, Paths(shape)
        self.vector = vectors(self.paths.dimensions())

    def made(self, table: str, steps: Any, wanted: str = "rows", **options: Any) -> Query:
        has_vectors = bool(self.shape.table(table).vectors)
        return Query(table, tuple(steps), wanted, has_vectors=has_vectors, **options)

    def flip(self, draw: st.DrawFn) -> bool:
        return draw(st.booleans())

    def rarely(self, draw: st.DrawFn) -> bool:
        # hypothesis shrinks to the first.
        return draw(st.sampled_from([False, False, False, False, True]))

    # conditions

    def value(self, kind: str, table: str, path: str) -> st.SearchStrategy[Any]:
        owner = self.paths.owner_of(table, path)
        if path.rpartition("__")[2] == "pk":
            stored = [row["id"] for row in self.rows[owner]]
        else:
            stored = [row[path.rpartition("__")[2]] for row in self.rows[owner]]
        found = [value for value in stored if value is not None]
        # Mostly what some row holds, so that filters find something.
        return st.one_of(st.sampled_from(found), st.sampled_from(found), of_kind(kind)) if found else of_kind(kind)

    def leaf(self, draw: st.DrawFn, table: str, depth: int = 2) -> Leaf:
        choice = draw(st.integers(0, 9))
        if choice == 8 and (found := self.paths.vectors(table, depth)):
            return self._vector_leaf(draw, draw(st.sampled_from(found)))
        if choice == 7 and (relations := self.paths.relations(table)):
            return Leaf(draw(st.sampled_from(sorted(relations))), "isnull", self.flip(draw))
        columns = self.paths.columns(table, depth)
        path = draw(st.sampled_from(sorted(columns)))
        return self._column_leaf(draw, table, path, columns)

    def _vector_leaf(self, draw: st.DrawFn, path: str) -> Leaf:
        if self.flip(draw):
            return Leaf(path, "isnull", self.flip(draw))
        if self.flip(draw):
            return Leaf(path, "in", draw(st.lists(self.vector, max_size=2)))
        return Leaf(path, "exact", draw(self.vector))

    def _column_leaf(self, draw: st.DrawFn, table: str, path: str, columns: dict[str, str]) -> Leaf:
        kind = columns[path]
        lookups = ["exact", "exact", "isnull", "in"]
        lookups += ["gt", "gte", "lt", "lte", "range"] if kind in ORDERED else []
        lookups += ["contains", "startswith", "endswith"] if kind == "text" else []
        lookup, values = draw(st.sampled_from(lookups)), self.value(kind, table, path)
        if lookup == "isnull":
            return Leaf(path, lookup, self.flip(draw))
        if lookup == "in":
            return Leaf(path, lookup, draw(st.lists(values, max_size=3)))
        if lookup == "range":
            return Leaf(path, lookup, draw(st.tuples(values, values)))
        alike = [other for other, found in columns.items() if found == kind and other != path]
        if alike and lookup in ("exact", "gt", "lte") and self.rarely(draw):
            return Leaf(path, lookup, Reference(draw(st.sampled_from(sorted(alike)))))
        return Leaf(path, lookup, draw(values))

    def condition(self, draw: st.DrawFn, table: str, depth: int = 2, nested: int = 2) -> queries.Condition:
        choices = [*["leaf"] * 5, *["not", "both", "both"] * bool(nested), *["subquery"] * 2 * (nested == 2)]
        choice = draw(st.sampled_from(choices))
        if choice == "leaf":
            return self.leaf(draw, table, depth)
        if choice == "subquery":
            return self._subquery(draw, table)
        if choice == "not":
            return queries.Not(self.condition(draw, table, depth, nested - 1))
        parts = tuple(self.condition(draw, table, depth, nested - 1) for _ in range(2))
        return queries.Combined(draw(st.sampled_from("|&")), parts)

    def _subquery(self, draw: st.DrawFn, table: str) -> queries.Condition:
        correlated = self.flip(draw)
        if correlated and self._own_children(table):
            found = self._correlated(draw, table)
            return queries.Exists(self.made(found.table, found.steps[:-1]), self.flip(draw))
        steps: list[Any] = [Filter(self.leaf(draw, table, 1))]
        if self.paths.vectors(table, 0) and self.flip(draw):
            steps.append(self.nearest(draw, table, own=True))
            steps.append(queries.Project(("pk",)))
            steps.append(queries.Slice(None, draw(st.integers(1, 4))))
        else:
            steps.append(queries.Project(("pk",)))
        return Leaf("pk", "in", self.made(table, tuple(steps)))

    def _own_children(self, table: str) -> dict[str, tuple[str, str]]:
        """Return the relations of rows that refer to a row of this table, with their model and its field."""
        return {
            one.related: (other.name, field)
            for other in self.shape.tables
            for field, one in other.relations.items()
            if one.target == table and not one.many
        }

    def _correlated(self, draw: st.DrawFn, table: str) -> Query:
        """Return a query of the rows that refer to the outer one; its last step cuts it to one value."""
        target, field = draw(st.sampled_from(list(self._own_children(table).values())))
        steps: list[Any] = [Filter(Leaf(field, "exact", Reference("pk", outer=True)))]
        if self.flip(draw):
            steps.append(Filter(self.leaf(draw, target, 0)))
        return self.made(target, (*steps, queries.Slice(None, 1)))

    # searches and expressions

    def to(self, draw: st.DrawFn, table: str, path: str) -> Any:
        others = [other for other in self.paths.vectors(table, 1) if other != path]
        if others and self.rarely(draw):
            return Reference(draw(st.sampled_from(others)))
        return draw(self.vector)

    def distance(self, draw: st.DrawFn, table: str, depth: int = 2) -> Distance | None:
        found = self.paths.vectors(table, depth)
        if not found:
            return None
        path = draw(st.sampled_from(found))
        return Distance(draw(st.sampled_from(MEASURES)), path, self.to(draw, table, path))

    def nearest(self, draw: st.DrawFn, table: str, *, own: bool = False) -> Nearest:
        path = draw(st.sampled_from(self.paths.vectors(table, 0 if own else 2)))
        metrics = self.shape.table(self.paths.owner_of(table, path)).metrics_of(path.rpartition("__")[2])
        metric, is_named = draw(st.sampled_from(METRICS)), True
        if self.flip(draw):
            metric, is_named = next(iter(metrics), "l2"), self.flip(draw)
        to = self.to(draw, table, path)
        rows = [row["id"] for row in self.rows[table] if row.get(path) is not None]
        if rows and self.rarely(draw):
            to = queries.Row(table, draw(st.sampled_from(rows)))
        elif rows and self.rarely(draw):
            of_row = Filter(Leaf("pk", "exact", draw(st.sampled_from(rows))))
            to = queries.Scalar(self.made(table, (of_row, queries.Project((path,)), queries.Slice(None, 1))))
        bounds: dict[str, Any] = {}
        if self.rarely(draw):
            name = "min_similarity" if metric in ("cosine", "inner_product") and self.flip(draw) else "max_distance"
            bounds[name] = draw(BOUNDS)
        return Nearest(path, to, metric, is_named, exact=draw(st.sampled_from([None, None, True])), **bounds)

    # whole queries

    def filters(self, draw: st.DrawFn, table: str, most: int = 2) -> list[queries.Step]:
        return [Filter(self.condition(draw, table), self.rarely(draw)) for _ in range(draw(st.integers(0, most)))]

    def query(self, draw: st.DrawFn) -> Query:
        table = draw(st.sampled_from(["Item", "Item", "Item", "Part", "Owner", "Tag"]))
        kinds: list[Callable[[st.DrawFn, str], Query]]
        kinds = [self._ranked, self._ranked, self._measured, self._grouped, self._of_groups, self._plain, self._union]
        return draw(st.sampled_from(kinds))(draw, table)

    def _slice(self, draw: st.DrawFn) -> list[queries.Step]:
        if self.flip(draw):
            return []
        start = draw(st.sampled_from([None, None, 0, 1, 3]))
        stop = draw(st.one_of(st.none(), st.integers(0, 6).map(lambda count: (start or 0) + count)))
        return [queries.Slice(start, stop)]

    def _ranked(self, draw: st.DrawFn, table: str) -> Query:
        """nearest()."""
        if not self.paths.vectors(table, 2):
            return self._plain(draw, table)
        steps = [*self.filters(draw, table), self.nearest(draw, table)]
        steps += self.filters(draw, table, 1)
        return self._finished(draw, table, steps, ["distance"])

    def _measured(self, draw: st.DrawFn, table: str) -> Query:
        """Annotations, filters by them, and an order."""
        steps, names = self.filters(draw, table, 1), []
        for name in ("near", "score")[: draw(st.integers(1, 2))]:
            expression: Any = self.distance(draw, table)
            if self.rarely(draw) and self._own_children(table):
                expression = self._scalar(draw, table) or expression
            if expression is not None:
                steps.append(Annotate(name, expression, hidden=self.rarely(draw)))
                names.append(name)
        if names and self.flip(draw):
            leaf = Leaf(draw(st.sampled_from(names)), draw(st.sampled_from(["lt", "gte", "isnull"])), None)
            value = self.flip(draw) if leaf.lookup == "isnull" else draw(BOUNDS)
            steps.append(Filter(Leaf(leaf.path, leaf.lookup, value), self.rarely(draw)))
        hidden = {step.name for step in steps if isinstance(step, Annotate) and step.hidden}
        steps += self._order(draw, table, names)
        return self._finished(draw, table, steps, [name for name in names if name not in hidden])

    def _scalar(self, draw: st.DrawFn, table: str) -> queries.Scalar | None:
        found = self._correlated(draw, table)
        measured = self.distance(draw, found.table, 0)
        if measured is None:
            return None
        order = [Annotate("inner", measured), queries.OrderBy(("inner",)), queries.Project(("inner",))]
        return queries.Scalar(self.made(found.table, (*found.steps[:-1], *order, found.steps[-1])))

    def _order(self, draw: st.DrawFn, table: str, names: list[str]) -> list[queries.Step]:
        choices = [*names, *names, *sorted(self.paths.columns(table, 1, many=False))]
        kinds = self.paths.columns(table, 1, many=False)
        choices = [name for name in choices if kinds.get(name, "float") in ORDERED]
        found = draw(st.lists(st.sampled_from(choices), max_size=2, unique=True)) if choices else []
        signed = tuple(draw(st.sampled_from(["", "-"])) + name for name in found)
        return [queries.OrderBy(signed)] if signed else []

    def _plain(self, draw: st.DrawFn, table: str) -> Query:
        steps = [*self.filters(draw, table), *self._order(draw, table, [])]
        return self._finished(draw, table, steps, [])

    def _finished(self, draw: st.DrawFn, table: str, steps: list[Any], names: list[str]) -> Query:
        kinds = ["rows", "rows", "iterator", "values", "values", "count", "exists", "aggregate", "first", "last"]
        wanted = draw(st.sampled_from(kinds))
        order = [name.lstrip("-") for step in steps if isinstance(step, queries.OrderBy) for name in step.names]
        # SQL orders distinct rows by what they show alone.
        distinct = [queries.Distinct()] if self.rarely(draw) and not any("__" in name for name in order) else []
        if wanted == "values":
            steps += self._project(draw, table, names, order if distinct else [])
        # What is cut has an order, or else any rows would be right.
        is_ordered = any(isinstance(step, (Nearest, queries.OrderBy)) for step in steps)
        if wanted in ("first", "last"):
            return self.made(table, (*steps, *distinct), wanted if is_ordered else "rows")
        keys = [name for name, relation in self.shape.table(table).relations.items() if not relation.many]
        if wanted == "rows" and keys and self.rarely(draw):
            steps.append(queries.SelectRelated(draw(st.sampled_from(keys))))
        steps += distinct + (self._slice(draw) if is_ordered else [])
        if wanted == "aggregate":
            return self.made(table, tuple(steps), "aggregate", aggregates=self._aggregates(draw, table, names))
        return self.made(table, tuple(steps), "rows" if wanted == "values" else wanted)

    def _project(self, draw: st.DrawFn, table: str, names: list[str], required: list[str]) -> list[queries.Step]:
        choices = [*names, *sorted(self.paths.columns(table, 1)), *self.paths.vectors(table, 1)]
        chosen = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3, unique=True))
        chosen += [name for name in required if name not in chosen and name in choices]
        kind = "flat" if len(chosen) == 1 and self.flip(draw) else draw(st.sampled_from(["values", "list"]))
        return [queries.Project(tuple(chosen), kind)]

    def _aggregates(self, draw: st.DrawFn, table: str, names: list[str]) -> tuple[tuple[str, Aggregate], ...]:
        own = self.paths.columns(table, 0)
        numbers = [*names, *(name for name, kind in own.items() if kind in NUMBERS and name != "pk")]
        vectors_of = list(self.shape.table(table).vectors)
        choices = [Aggregate("Count", "*"), Aggregate("Count", "pk")]
        choices += [Aggregate(function, name) for name in numbers for function in ("Min", "Max", "Sum", "Avg", "Count")]
        choices += [Aggregate(function, name) for name in vectors_of for function in ("Sum", "Avg", "Count")]
        found = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=2, unique=True))
        return tuple((f"total{at}", aggregate) for at, aggregate in enumerate(found))

    def _grouped(self, draw: st.DrawFn, table: str) -> Query:
        """An aggregate over a relation to many, of each row."""
        many = [name for name, is_many in self.paths.relations(table).items() if is_many]
        name = draw(st.sampled_from(sorted(many))) if many else ""
        if not name or self.rarely(draw):
            return self._summed(draw, table)
        aggregate: Aggregate = Aggregate("Count", name)
        target = self.shape.relations_of(table)[name][0]
        found = list(self.shape.table(target).vectors)
        if found and draw(st.sampled_from([False, True, True])):
            measured = Distance(
                draw(st.sampled_from(METRICS)), f"{name}__{draw(st.sampled_from(found))}", draw(self.vector)
            )
            aggregate = Aggregate(draw(st.sampled_from(["Min", "Max", "Avg", "Count"])), measured)
        return self._annotated(draw, table, aggregate)

    def _summed(self, draw: st.DrawFn, table: str) -> Query:
        """An aggregate of the row's own distance, which is one of each row."""
        measured = self.distance(draw, table, 0)
        return self._annotated(draw, table, Aggregate("Min", measured) if measured else Aggregate("Count", "pk"))

    def _annotated(self, draw: st.DrawFn, table: str, aggregate: Aggregate) -> Query:
        steps = [*self.filters(draw, table, 1), Annotate("total", aggregate)]
        wanted = draw(st.sampled_from(["rows", "rows", "count", "exists"]))
        if wanted == "rows" and self.flip(draw):
            steps.append(queries.OrderBy((draw(st.sampled_from(["total", "-total"])),)))
            steps += self._slice(draw)
        return self.made(table, tuple(steps), wanted)

    def _of_groups(self, draw: st.DrawFn, table: str) -> Query:
        """values() that are grouped."""
        names = [name for name in self.paths.columns(table, 0) if name != "pk"]
        if not names:
            return self._plain(draw, table)
        chosen = tuple(draw(st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=2, unique=True)))
        function = draw(st.sampled_from(["Count", "Min", "Max"]))
        measured = self.distance(draw, table, 0)
        aggregate = Aggregate(function, measured) if measured is not None else Aggregate("Count", "pk")
        steps = [*self.filters(draw, table, 1), queries.Project(chosen, "values", (("total", aggregate),))]
        return self.made(table, tuple(steps))

    def _union(self, draw: st.DrawFn, table: str) -> Query:
        """union(), intersection() or difference() of two filters, or of two searches."""
        combinator = draw(st.sampled_from(["union", "union", "intersection", "difference"]))
        if self.flip(draw) or not self.shape.table(table).vectors:
            first, second = (self.made(table, tuple(self.filters(draw, table, 1))) for _ in range(2))
            return self.made(table, first.steps, union=second, combinator=combinator)
        search = self.nearest(draw, table, own=True)
        first, second = (
            self.made(table, (*self.filters(draw, table, 1), search, queries.Slice(None, draw(st.integers(1, 4)))))
            for _ in range(2)
        )
        return self.made(table, first.steps, union=second, combinator=combinator, order=("distance",))


@st.composite
def random_queries(draw: st.DrawFn, generator: Generator) -> Query:
    return generator.query(draw)
