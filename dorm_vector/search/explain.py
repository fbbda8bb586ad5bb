"""Explain a search: which index serves it, or why none does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from dorm.expressions import CombinedExpression

from ..expressions.combined_distances import CombinedDistance
from ..expressions.distances import VectorDistance, VectorSimilarity
from ..expressions.scope import vector_field
from ..introspection import indexes_of
from ..values.vector import Vector
from .observed_plans import BuiltIndex, Observed, aobserve, observe, query_of
from .partitions.plans import PartitionPlan, unserved, where_served
from .plans.choice import candidates_for, plan_for
from .plans.plan import Estimate, ExactPlan, Purpose
from .plans.sign_bits import asked_index
from .spec import OTHER_KEY, SIGNS_NOT_REQUESTED


@dataclass(frozen=True)
class Reason:
    """A reason why no index serves a search: ``code`` is for programs, ``problem`` and ``remedy`` are for people."""

    code: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}"


@dataclass(frozen=True)
class PlanCost:
    """A way to answer a search, and the milliseconds that it was estimated to take."""

    name: str
    milliseconds: float

    def __str__(self) -> str:
        return f"{self.name} ({self.milliseconds:.3g} ms)"


@dataclass(frozen=True)
class SearchPlan:
    """How the database runs a search: ``index`` names the index that serves it; ``plan`` is the database's query plan.

    If no index serves the search, ``index`` is None and ``reasons`` explain why. ``distance`` describes how the
    distance is computed if servers of the database differ in it. ``warnings`` are about the index: what it lost.
    """

    index: str | None
    reasons: tuple[Reason, ...]
    plan: str
    distance: str = ""
    warnings: tuple[Reason, ...] = ()
    name: str = ""
    """The way in which the search is answered: exact, client ranking, index, index with iterative scan, index before
    the filter, index with labels, companion, sign bits or 8-bit integers."""
    estimate: Estimate | None = field(default=None, compare=False)
    """The rows that the choice was based on; None if no costs were compared."""
    costs: tuple[PlanCost, ...] = field(default=(), compare=False)
    """The plans that were compared, cheapest first."""
    partitions: tuple[PartitionPlan, ...] = ()
    """The partitions that are searched, and the index that serves each; empty if the table has none."""
    shards: int = field(default=0, compare=False)  # how many a search of a distributed table reads
    shards_by_index: int = field(default=0, compare=False)  # on how many of them the index serves it

    def __str__(self) -> str:
        if self.index is not None:
            where = f" on {self.shards_by_index} of {self.shards} shards" if self.shards else ""
            where += where_served(self.partitions)
            lines = [f"The index {self.index} serves this search{where}.", *map("- {}".format, self.warnings)]
        else:
            lines = ["No index serves this search.", *(f"- {reason}" for reason in self.reasons)]
            lines += [f"The distance is {self.distance}"] if self.distance else []
        if self.estimate is not None:
            lines.append(f"About {self.estimate}: {', '.join(map(str, self.costs))}.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the plan for notebooks: the index of the search, and the database's own plan to unfold."""
        plan = f"<details><summary>Query plan</summary><pre>{escape(self.plan)}</pre></details>"
        return f"<pre>{escape(str(self))}</pre>{plan}"


def explained(queryset: Any) -> SearchPlan:
    """Return the search plan of the queryset, based on the database's real query plan."""
    queryset = _searched(queryset, queryset._get_connection())
    return _judged(observe(queryset, field_path(queryset)))


async def aexplained(queryset: Any) -> SearchPlan:
    """Return the search plan of the queryset; the async form of ``explained``."""
    queryset = _searched(queryset, queryset._get_async_connection())
    return _judged(await aobserve(queryset, field_path(queryset)))


def _searched(queryset: Any, connection: Any) -> Any:
    """Return the search that an index serves: of one result per group, that of the nearest rows of any group."""
    query = query_of(queryset)
    plan: Any = (
        plan_for(query, connection, Purpose.STATEMENT)
        if query.group is not None or query.combined is not None
        else None
    )
    if plan is None:
        return queryset
    found = type(queryset)(query.searched_model(), queryset._db)
    found._query = plan.first(query)
    return found


def _judged(observed: Observed) -> SearchPlan:
    used = observed.signs or _used(observed, observed.plan)
    distance = _distance(observed.query)
    how = observed.dialect.how(distance.metric) if distance is not None else ""
    reasons = () if used else tuple(_reasons(observed))
    return SearchPlan(
        used,
        reasons,
        observed.plan,
        how,
        tuple(_warnings(observed, used)),
        _named(observed, used),
        observed.estimate,
        _costs(observed),
        tuple(observed.partitions),
        observed.dialect.planning.shards_in(observed.plan),
        observed.dialect.planning.shards_by_index(observed.plan, used) if used else 0,
    )


def _named(observed: Observed, used: str | None) -> str:
    """Return what the plan is called."""
    plan = plan_for(observed.query, observed.connection, Purpose.STATEMENT)
    if used is None:
        return "client ranking" if plan is not None and plan.is_client else ExactPlan.kind
    return plan.title(observed.query, observed.dialect) if plan is not None else "index"


def _costs(observed: Observed) -> tuple[PlanCost, ...]:
    """Return the plans that could answer the search, cheapest first."""
    query, dialect, estimate = observed.query, observed.dialect, observed.estimate
    if estimate is None:
        return ()
    plans = candidates_for(query, observed.connection, Purpose.STATEMENT)
    found = [PlanCost(plan.title(query, dialect), plan.cost(estimate.of_shard(), dialect.costs)) for plan in plans]
    return tuple(sorted(found, key=lambda each: each.milliseconds))


def _warnings(observed: Observed, used: str | None) -> Iterator[Reason]:
    for lost in observed.lost:
        if lost.index == used:
            yield Reason("lost-rows", lost.problem, lost.remedy)
    if used is not None:
        yield from (Reason(*each) for each in unserved(observed.partitions))


def _used(observed: Observed, plan: str) -> str | None:
    if observed.partitions:
        return next((part.index for part in observed.partitions if part.index is not None), None)
    distance = _distance(observed.query)
    names = [index.name for index in observed.built]
    if distance is not None:
        # libSQL's plan does not name the index.
        field = vector_field(observed.query.model, distance.field_path)
        declared = [index for index in indexes_of(field) if index.serves(field, distance.metric, observed.dialect)]
        names += [index.name for index in declared if not observed.dialect.companions]
    return next((name for name in names if observed.dialect.uses_index(plan, name)), None)


def field_path(queryset: Any) -> str:
    """Return the path of the vector field that the queryset sorts by, or an empty string."""
    distance = _distance(query_of(queryset))
    return distance.field_path if distance is not None else ""


def _distance(query: Any) -> VectorDistance | None:
    """Return the first distance that a query sorts by, including one inside arithmetic."""
    expressions = [query.annotations.get(name.removeprefix("-")) for name in query.order_by_fields]
    return next((found for expression in expressions for found in _inside(expression)), None)


def _inside(expression: Any) -> Iterator[VectorDistance]:
    if isinstance(expression, VectorDistance):
        yield expression
    elif isinstance(expression, CombinedDistance):
        yield from (each for each in expression.distances[:1] if isinstance(each.field_path, str))
    elif isinstance(expression, CombinedExpression):
        yield from (*_inside(expression.lhs), *_inside(expression.rhs))


def _reasons(observed: Observed) -> Iterator[Reason]:
    distance = _distance(observed.query)
    if observed.dialect.index_use.probe and not _asks_an_index(observed.query):
        yield Reason(
            "no-such-index",
            f"{observed.dialect.title} uses no index on its own.",
            "Every search there is exact, unless it sets nearest(..., exact=False).",
        )
    elif observed.companions:
        yield from _without_companions(observed)
    elif observed.dialect.sign_column is not None and _declared_signs(observed):
        yield from _without_signs(observed)
    elif not (observed.dialect.index_use.probe or observed.dialect.is_approximate):
        yield Reason(
            "no-such-index",
            f"{observed.dialect.title} has no index for vectors.",
            "Every search there is exact; keep it.",
        )
    elif distance is None:
        yield Reason("no-distance", "It is not sorted by a distance.", 'Use nearest("embedding", vector).')
    elif _is_cheaper_exactly(observed):
        yield from _choice(observed)
    else:
        found = [*_shape(observed, distance), *_indexes(observed, distance)]
        found = found or [Reason(*each) for each in unserved(observed.partitions)]
        yield from found or _choice(observed)


def _declared_signs(observed: Observed) -> list[Any]:
    """Return the declared indexes of sign bits for the field and the distance of the search."""
    distance = _distance(observed.query)
    if distance is None:
        return []
    declared = indexes_of(vector_field(observed.query.model, distance.field_path))
    return [each for each in declared if each.holds_signs(observed.dialect) and each.metric is distance.metric]


def _without_signs(observed: Observed) -> Iterator[Reason]:
    """Yield the reasons why the search does not use the sign bits of its field."""
    distance: Any = _distance(observed.query)
    found = list(_shape(observed, distance))
    if "__" in distance.field_path:
        found.append(Reason("relation", "It measures a field of another model.", "Search that model."))
    if not found and asked_index(observed.query, observed.dialect) is None:
        found.append(Reason(*SIGNS_NOT_REQUESTED))
    name = _declared_signs(observed)[0].get_name(observed.query.model.__name__)
    yield from found or [
        Reason(
            "not-built",
            f"The index {name} is not in the database, or built for other columns.",
            "Run: dorm migrate, or rebuild_index().",
        )
    ]


def _is_cheaper_exactly(observed: Observed) -> bool:
    costs = _costs(observed)
    return bool(costs) and costs[0].name == ExactPlan.kind


def _asks_an_index(query: Any) -> bool:
    return query.search is not None and bool(query.search.approximate)


def _without_companions(observed: Observed) -> Iterator[Reason]:
    """Yield the reasons why the search does not use the table's companions."""
    distance = _distance(observed.query)
    if distance is None:
        yield Reason("no-distance", "It is not sorted by a distance.", 'Use nearest("embedding", vector).')
        return
    obstacles = [Reason(*each) for each in observed.obstacles]
    found = [*_shape(observed, distance), *(each for each in obstacles if each.code == OTHER_KEY)]
    found = found or list(_indexes(observed, distance)) or obstacles
    yield from found or [Reason("unknown", "Its plan shows no more.", "Read it: queryset.explain().")]


def _shape(observed: Observed, distance: VectorDistance) -> Iterator[Reason]:
    """Yield the reasons in the query itself that rule out every index."""
    query = observed.query
    if query.search is not None and query.search.exact:
        yield Reason("exact", "It is set to be exact.", "Leave out exact=True.")
    if query.limit_val is None:
        yield Reason("no-limit", "It has no limit, so every row is wanted.", "Slice it: queryset[:10].")
    yield from _order(observed)
    if query.distinct_flag:
        yield Reason("distinct", "It selects distinct rows, so all are read first.", "Leave out distinct().")
    if not isinstance(distance.vector, Vector):
        yield Reason(
            "another-column", "It measures from another column, row by row.", "Search by one vector, read beforehand."
        )


def _order(observed: Observed) -> Iterator[Reason]:
    names = observed.query.order_by_fields
    expression = observed.query.annotations.get(names[0].removeprefix("-"))
    if expression is None or not any(_inside(expression)):
        yield Reason("not-first", f"It sorts by {names[0]!r} first.", "Sort by the distance first.")
        return
    if names[0].startswith("-") is not isinstance(expression, VectorSimilarity):
        yield Reason("descending", "It sorts the farthest first.", "Sort by the distance, ascending.")
    elif not isinstance(expression, (VectorDistance, VectorSimilarity)):
        yield Reason("arithmetic", "It sorts by arithmetic on the distance.", "Sort by the distance itself.")
    if len(names) > 1 and (observed.companions or not observed.dialect.ordering.second_key):
        yield Reason("second-key", "It has a second sort key.", "Sort by the distance alone.")


def _indexes(observed: Observed, distance: VectorDistance) -> Iterator[Reason]:
    """Yield the reasons why the search does not use each declared or built index."""
    field = vector_field(observed.query.model, distance.field_path)
    wanted = distance.metric
    declared = [index for index in indexes_of(field) if index.is_built_by(observed.dialect)]
    suggestion = observed.suggested(field.name, wanted.value)
    metrics = {index.name: index.metric for index in declared}
    built = {index.name: index for index in observed.built}
    if not declared and not built:
        yield Reason(
            "no-index", f"{field.label} has no vector index.", f"Add {suggestion} to Meta.indexes, and migrate."
        )
    for name, metric in metrics.items():
        if metric is not wanted:
            yield Reason(
                "other-distance",
                f"The index {name} is for {metric.value}, and this search measures {wanted.value}.",
                f"Search by {metric.value}, or add {suggestion}.",
            )
        elif observed.dialect.planning.built_indexes and name not in built:
            yield Reason("not-built", f"The index {name} is not in the database.", "Run: dorm migrate.")
    yield from _small(observed, [index for index in declared if index.metric is wanted and index.name in built])
    for index in observed.built:
        yield from _badly_built(index, [each for each in declared if each.name == index.name])
    if any(metric is wanted for metric in metrics.values()):
        yield from _partial(observed, [index for index in declared if index.metric is wanted])


def _small(observed: Observed, declared: list[Any]) -> Iterator[Reason]:
    """Yield a reason for each index that stores only part of the vector and so needs ``rerank()``."""
    listed = observed.query.search is not None and observed.query.search.shortlist is not None
    for index in declared if not (listed or observed.companions) else ():
        if index.precision == "bit" or index.dimensions:
            held = "its signs" if index.precision == "bit" else f"its first {index.dimensions} numbers"
            yield Reason(
                "shortlist",
                f"The index {index.name} holds of a vector {held}, and finds a shortlist.",
                "Rank it exactly: nearest(...).rerank(200)[:10].",
            )


def _badly_built(index: BuiltIndex, declared: list[Any]) -> Iterator[Reason]:
    """Yield what is wrong with a built index, regardless of how much of the vector it stores."""
    if not index.valid:
        yield Reason(
            "invalid", f"The build of the index {index.name} failed.", f'Rebuild it: REINDEX INDEX "{index.name}".'
        )
    for each in declared:
        if index.opclass and index.opclass.partition("_")[2] != each.opclass.partition("_")[2]:
            yield Reason(
                "other-opclass",
                f"The index {index.name} is built with {index.opclass}, and declared for {each.metric.value}.",
                f'Drop it, DROP INDEX "{index.name}", and create it as it is declared.',
            )


def _partial(observed: Observed, declared: list[Any]) -> Iterator[Reason]:
    if _used(observed, observed.forced_plan):
        return
    for index in declared:
        if index.condition is not None:
            yield Reason(
                "condition",
                f"The index {index.name} holds only the rows of its condition, {index.condition!r}.",
                "Filter by the same condition, in the same words.",
            )


def _choice(observed: Observed) -> Iterator[Reason]:
    """Yield the likely reason for the planner's choice if nothing rules out an index."""
    width = observed.dialect.index_use.probe_width
    if _is_cheaper_exactly(observed):
        yield Reason(
            "selective-filter",
            "So few rows pass the filter that measuring all of them is cheaper.",
            "Nothing to do: the answer is exact. After a large load, run ANALYZE.",
        )
    elif width and observed.query.candidates() > width:
        yield Reason(
            "too-many-rows",
            f"It requests {observed.query.candidates()} rows, and an index finds {width} at most.",
            "Slice it shorter, or leave out exact=False.",
        )
    elif width or (observed.dialect.planning.switch and not _used(observed, observed.forced_plan)):
        yield Reason("unknown", "Its plan shows no more.", "Read it: queryset.explain().")
    elif observed.query.is_filtered():
        yield Reason(
            "selective-filter",
            f"{observed.dialect.title} reads the rows that pass the filter: it estimates that they are few.",
            "Nothing to do: the answer is exact. After a large load, run ANALYZE.",
        )
    else:
        yield Reason(
            "small-table",
            f"{observed.dialect.title} reads the whole table instead: it estimates that it is small.",
            "Nothing to do: the answer is exact. After a large load, run ANALYZE.",
        )
