"""Answer a query in plain Python: join, filter with three truth values, measure, sort, cut, and project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dorm_vector import Metric
from tests.differential import queries
from tests.differential.conditions import Conditions
from tests.differential.model import Shape
from tests.differential.named_paths import paths_of
from tests.differential.ordering import Candidate, Uncertain, cut, is_row, sort_key
from tests.differential.queries import Aggregate, Annotate, Distance, Filter, Nearest, Query, Reference, Scalar
from tests.differential.rows import Row, Rows
from tests.differential.summaries import summarise
from tests.helpers.oracle import distance

SIMILARITIES = {"similarity": ("cosine", lambda found: 1 - found), "product": ("inner_product", lambda found: -found)}


COMBINED: dict[str, Callable[[list[Candidate], list[Candidate]], list[Candidate]]] = {
    "union": lambda first, second: first + second,
    "intersection": lambda first, second: [one for one in first if one in second],
    "difference": lambda first, second: [one for one in first if one not in second],
}


@dataclass(frozen=True)
class Environment:
    """One joined row: a row, or None, for each relation path, and the values of annotations."""

    rows: dict[str, Row | None]
    named: dict[str, Any]


class Interpreter:
    """Answers queries over rows."""

    def __init__(self, shape: Shape, rows: Rows, *, nulls_first: bool) -> None:
        self.shape, self.rows, self.nulls_first = shape, rows, nulls_first
        self.conditions = Conditions(self)

    def answer(self, query: Query) -> Any:
        """Return the candidates and the bounds of the slice, or the value that is wanted."""
        if query.wanted in queries.ROWS:
            return self.candidates(query)
        if query.wanted in ("first", "last"):
            found, start, stop = self.candidates(query)
            return found, start, min(start + 1, len(found) if stop is None else stop)
        if query.wanted == "aggregate":
            return self._aggregated(query)
        count = len(cut(*self.candidates(query)))
        return count if query.wanted == "count" else count > 0

    # rows

    def candidates(self, query: Query, outer: Environment | None = None) -> tuple[list[Candidate], int, int | None]:
        """Return the rows before the slice, in order, and the bounds of the slice."""
        if query.union is not None:
            return self._united(query), 0, None
        found = self._projected(query, self._grouped(query, self._environments(query, outer)))
        order = _order(query)
        if any(isinstance(step, queries.Distinct) for step in query.steps):
            found = _distinct(found)
        if order:
            found.sort(key=lambda candidate: candidate.key)
        bounds = next((step for step in query.steps if isinstance(step, queries.Slice)), queries.Slice(None, None))
        return found, bounds.start or 0, bounds.stop

    def _united(self, query: Query) -> list[Candidate]:
        assert query.union is not None
        first, second = (
            [Candidate((), one.shown) for one in self.settled(part)] for part in (_without_union(query), query.union)
        )
        found = _distinct(COMBINED[query.combinator](first, second))
        keyed = [
            Candidate(tuple(self._key(one.shown.get(name.lstrip("-")), name, True) for name in query.order), one.shown)
            for one in found
        ]
        return sorted(keyed, key=lambda one: one.key)

    def settled(self, query: Query, outer: Environment | None = None) -> list[Candidate]:
        """Return the rows of a query inside of another one, which have to be certain."""
        return cut(*self.candidates(query, outer), is_settled=True)

    def _environments(self, query: Query, outer: Environment | None) -> list[Environment]:
        paths = sorted({prefix for path in paths_of(query) for prefix in self._prefixes(query.table, path)})
        found = [Environment({"": row}, {}) for row in self.rows[query.table]]
        for path in paths:
            found = [
                Environment({**one.rows, path: other}, {}) for one in found for other in self._related(query, one, path)
            ]
        for step in query.steps:
            if isinstance(step, Annotate) and not isinstance(step.expression, Aggregate):
                for one in found:
                    one.named[step.name] = self.value_of(step.expression, one)
            elif isinstance(step, Filter):
                wanted = not step.excludes
                found = [one for one in found if self.conditions.truth(step.condition, one, outer) is wanted]
            elif isinstance(step, Nearest):
                found = self._searched(step, found)
        return found

    def _prefixes(self, table: str, path: str) -> Iterator[str]:
        """Yield each relation that a path crosses."""
        parts, crossed = path.split("__"), ""
        for at, part in enumerate(parts):
            relations = self.shape.relations_of(table)
            if part not in relations or (at == len(parts) - 1 and not relations[part][1]):
                return
            crossed = f"{crossed}__{part}" if crossed else part
            yield crossed
            table = relations[part][0]

    def _related(self, query: Query, one: Environment, path: str) -> list[Row | None]:
        before, _, name = path.rpartition("__")
        row = one.rows[before]
        if row is None:
            return [None]
        table = self.table_at(query.table, before)
        target = self.shape.relations_of(table)[name][0]
        relation = self.shape.table(table).relations.get(name)
        if relation is not None:
            keys = row[name] if relation.many else [row[name]]
            found = [other for other in self.rows[target] if other["id"] in keys]
        else:
            field = next(
                key
                for key, one_of in self.shape.table(target).relations.items()
                if (one_of.related, one_of.target) == (name, table)
            )
            found = [
                other
                for other in self.rows[target]
                if row["id"] in (other[field] if isinstance(other[field], list) else [other[field]])
            ]
        return [*found] or [None]

    def table_at(self, table: str, path: str) -> str:
        for name in path.split("__") if path else []:
            table = self.shape.relations_of(table)[name][0]
        return table

    def _searched(self, step: Nearest, found: list[Environment]) -> list[Environment]:
        kept = []
        for one in found:
            to = step.to
            if isinstance(to, queries.Row):
                if one.rows[""]["id"] == to.key:  # type: ignore[index]
                    continue
                to = next(row for row in self.rows[to.table] if row["id"] == to.key)[step.path]
            elif isinstance(to, Scalar):
                to = self.value_of(to, one)
            one.named["distance"] = self.value_of(Distance(step.metric, step.path, to), one)
            if self.at(step.path, one) is None:
                continue
            if _is_near(step, one.named["distance"]):
                kept.append(one)
        return kept

    # values

    def at(self, path: str, one: Environment) -> Any:
        """Return what a path leads to: a value, or the key of a related row."""
        if path in one.named:
            return one.named[path]
        if path in one.rows:
            row = one.rows[path]
            return row["id"] if row is not None else None
        before, _, name = path.rpartition("__")
        row = one.rows[before]
        return row["id" if name == "pk" else name] if row is not None else None

    def value_of(self, expression: Any, one: Environment) -> Any:
        if isinstance(expression, Scalar):
            rows = self.settled(expression.query, one)
            return next(iter(rows[0].shown.values())) if rows else None
        to = self.at(expression.to.path, one) if isinstance(expression.to, Reference) else expression.to
        metric, turned = SIMILARITIES.get(expression.measure, (expression.measure, lambda found: found))
        found = distance(Metric(metric), self.at(expression.path, one), to)
        return None if found is None else turned(found)

    # groups, projections and order

    def _grouped(self, query: Query, found: list[Environment]) -> list[Environment]:
        """Summarise the joined rows of each row, where an annotation is an aggregate."""
        steps = [step for step in query.steps if isinstance(step, Annotate) and isinstance(step.expression, Aggregate)]
        if not steps:
            return found
        groups: dict[Any, list[Environment]] = {}
        for one in found:
            groups.setdefault(one.rows[""]["id"], []).append(one)  # type: ignore[index]
        for group in groups.values():
            for step in steps:
                group[0].named[step.name] = self.summary(step.expression, group)
        return [group[0] for group in groups.values()]

    def summary(self, aggregate: Any, group: Sequence[Environment]) -> Any:
        if aggregate.of == "*":
            return len(group)
        if isinstance(aggregate.of, Distance):
            return summarise(aggregate.function, [self.value_of(aggregate.of, one) for one in group])
        return summarise(aggregate.function, [self.at(aggregate.of, one) for one in group])

    def _projected(self, query: Query, found: list[Environment]) -> list[Candidate]:
        project = next((step for step in query.steps if isinstance(step, queries.Project)), None)
        order = _order(query)
        if project is not None and project.groups:
            return self._summarised(project, order, found)
        hidden = {step.name for step in query.steps if isinstance(step, Annotate) and step.hidden}
        candidates = []
        for one in found:
            shown = self._shown(query, project, one, hidden)
            key = tuple(
                self._key(self.at(name.lstrip("-"), one), name, name.lstrip("-") in one.named) for name in order
            )
            vectors = [value for row in one.rows.values() if row for value in row.values() if isinstance(value, list)]
            candidates.append(Candidate(key, shown, repr(vectors) if set(one.named) & set(shown) else ""))
        return candidates

    def _shown(self, query: Query, project: Any, one: Environment, hidden: set[str]) -> dict[str, Any]:
        if project is not None:
            return {name: self.at(name, one) for name in project.names}
        row: Any = one.rows[""]
        many = {name for name, relation in self.shape.table(query.table).relations.items() if relation.many}
        own = {name: value for name, value in row.items() if name not in many}
        return own | {name: value for name, value in one.named.items() if name not in hidden}

    def _summarised(self, project: Any, order: Sequence[str], found: list[Environment]) -> list[Candidate]:
        groups: dict[Any, list[Environment]] = {}
        for one in found:
            groups.setdefault(tuple(self.at(name, one) for name in project.names), []).append(one)
        candidates = []
        for values, group in groups.items():
            shown = dict(zip(project.names, values, strict=True))
            shown |= {name: self.summary(aggregate, group) for name, aggregate in project.groups}
            key = tuple(self._key(shown[name.lstrip("-")], name, False) for name in order)
            candidates.append(Candidate(key, shown))
        return candidates

    def _key(self, value: Any, name: str, is_annotation: bool) -> Any:
        # The package sorts what it measures: NULL last, in both directions. Of columns the database decides.
        first = False if is_annotation else self.nulls_first is not name.startswith("-")
        return sort_key(value, descending=name.startswith("-"), nulls_first=first, is_measured=is_annotation)

    def _aggregated(self, query: Query) -> dict[str, Any]:
        inner = replace(query, wanted="rows", aggregates=(), union=None, order=())
        if any(isinstance(step, (queries.Slice, queries.Distinct)) for step in query.steps):
            kept = self.settled(inner)
            found = [Environment({"": one.shown}, one.shown) for one in kept]
        else:
            found = self._environments(inner, None)
        return {name: self.summary(aggregate, found) for name, aggregate in query.aggregates}


def _is_near(step: Nearest, found: float | None) -> bool:
    bound = step.max_distance
    if step.min_similarity is not None:
        bound = {"cosine": 1.0}.get(step.metric, 0.0) - step.min_similarity
    return bound is None or _within(found, bound)


def _within(found: float | None, bound: float) -> bool:
    if found is not None and abs(found - bound) <= 1e-4 * max(1, abs(bound)):
        raise Uncertain
    return found is not None and found <= bound


def _order(query: Query) -> tuple[str, ...]:
    names: tuple[str, ...] = ()
    for step in query.steps:
        names = step.names if isinstance(step, queries.OrderBy) else names
        names = ("distance",) if isinstance(step, Nearest) else names
    # The last row is the first of the reverse order, in which NULL comes last as well.
    return tuple(map(_reversed, names)) if query.wanted == "last" else names


def _reversed(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


def _without_union(query: Query) -> Query:
    return replace(query, wanted="rows", aggregates=(), union=None, order=())


def _distinct(found: list[Candidate]) -> list[Candidate]:
    kept: dict[str, Candidate] = {}
    alike: dict[str, list[Candidate]] = {}
    for one in found:
        same = kept.setdefault(repr((one.key, one.shown)), one)
        if same.measured != one.measured:
            # Other vectors have the same distance here, but perhaps not as a database rounds it.
            raise Uncertain
        if same is one:
            exact = [value for value in one.shown.values() if not isinstance(value, float)]
            others = alike.setdefault(repr(exact), [])
            if any(is_row(other.shown, one.shown) for other in others if other.shown != one.shown):
                # Whether two numbers that nearly are the same are distinct depends on their rounding.
                raise Uncertain
            others.append(one)
    return list(kept.values())
