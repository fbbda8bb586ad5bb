"""Measure the recall of an index against exact searches, and recommend search options that reach a target recall."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..expressions.scope import vector_field
from ..indexes.build_progress import Progress
from ..introspection import indexes_of, primary_key, require_one_key, rows_of
from ..search.lost_rows import LookForLostRows
from ..search.nearest import chosen_metric
from ..search.observed_plans import dialect_of
from ..steps import Fetch, Steps, arun, run
from .many_searches import many_searches

_DISTANCE = "measured_distance"

# The last bit of a distance may differ from the same distance elsewhere in the statement.
_SAME = 1e-6


@dataclass(frozen=True)
class Recall:
    """The share of the exact ``k`` nearest neighbors that searches found: mean and worst, over ``queries`` searches.

    ``recall`` and ``worst`` are 0 to 1. ``milliseconds`` and ``exact_milliseconds`` are the medians with and without
    the index. ``lost`` is the share of rows that the index no longer finds by their own vectors: rebuild it then.
    """

    recall: float
    worst: float
    k: int
    queries: int
    milliseconds: float
    exact_milliseconds: float
    options: Mapping[str, int | str] = field(default_factory=dict)
    lost: float = 0.0
    remedy: str = ""
    """What lost rows mean and what to do; empty if there are none."""

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options.items()) or "no options"
        return (
            f"recall@{self.k} {self.recall:.3f} (worst {self.worst:.2f}) over {self.queries} queries, {options}:"
            f" {self.milliseconds:.1f} ms, exactly {self.exact_milliseconds:.1f} ms"
            f"{f'. {self.remedy}' if self.remedy else ''}"
        )


@dataclass(frozen=True)
class Recommendation:
    """The cheapest options that reached the target; ``measured`` lists all that were tried, cheapest first.

    Pass ``options`` to ``search_options(**options)``; they are empty if every search is exact. If ``reached`` is
    False, they are the best ones tried.
    """

    options: Mapping[str, int | str]
    recall: float
    reached: bool
    measured: tuple[Recall, ...]


@dataclass(frozen=True)
class _Truth:
    query: Any
    farthest: float
    count: int
    seconds: float


def measure_recall(
    source: Any,
    field: str,
    k: int = 10,
    sample: int = 100,
    *,
    queries: Sequence[Any] | None = None,
    distance: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: int | str,
) -> Recall:
    """Measure recall: search a model or a queryset with its index and exactly, and compare the results.

    The queries are the vectors in ``queries``, or ``sample`` stored rows, each excluded from its own search.
    ``options`` are those of ``search_options``. Rows at the same distance are interchangeable.
    ``progress(done, total)`` is called with the number of searches, before the first one and after each.

    Raises:
        ValueError: There are no rows or no queries.
    """
    with many_searches():
        return run(_recall(_Measured(source, field, k, sample, queries, distance, seed, progress), options))


async def ameasure_recall(
    source: Any,
    field: str,
    k: int = 10,
    sample: int = 100,
    *,
    queries: Sequence[Any] | None = None,
    distance: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: int | str,
) -> Recall:
    """Measure recall; the async form of ``measure_recall``."""
    with many_searches():
        return await arun(_recall(_Measured(source, field, k, sample, queries, distance, seed, progress), options))


def recommend_search_options(
    source: Any,
    field: str,
    target_recall: float = 0.95,
    k: int = 10,
    sample: int = 50,
    *,
    queries: Sequence[Any] | None = None,
    distance: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Recommendation:
    """Try values of the index's search option, cheapest first, and return the first that reaches the target recall.

    ``progress(done, total)`` is called with the number of searches, before the first one and after each; the total is
    that of all values, and at the end that of the values that were tried.
    """
    measured = _Measured(source, field, k, sample, queries, distance, seed, progress)
    with many_searches():
        return run(_recommendation(measured, target_recall))


async def arecommend_search_options(
    source: Any,
    field: str,
    target_recall: float = 0.95,
    k: int = 10,
    sample: int = 50,
    *,
    queries: Sequence[Any] | None = None,
    distance: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Recommendation:
    """Recommend search options; the async form of ``recommend_search_options``."""
    measured = _Measured(source, field, k, sample, queries, distance, seed, progress)
    with many_searches():
        return await arun(_recommendation(measured, target_recall))


@dataclass
class _Measured:
    source: Any
    field: str
    k: int
    sample: int
    queries: Sequence[Any] | None
    distance: str | None
    seed: int
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self._done, self.rounds = 0, 2
        for name, value in (("k", self.k), ("sample", self.sample)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}: want a whole number, at least 1.")

    @property
    def rows(self) -> Any:
        return rows_of(self.source)

    def tell(self, queries: int, searches: int = 1) -> None:
        """Report that many searches more, of those of all rounds."""
        self._done += searches
        if self.progress is not None:
            self.progress(self._done, self.rounds * queries)

    def nearest(self, query: Any, *, exact: bool = False) -> Any:
        found = self.rows.nearest(self.field, query, distance=self.distance, exact=exact, as_=_DISTANCE)
        return found.values_list(_DISTANCE, flat=True)


def _recall(measured: _Measured, options: Mapping[str, int | str]) -> Steps[Recall]:
    truth = yield from _truth(measured)
    result = yield from _against(truth, measured, options)
    lost = yield LookForLostRows(measured.rows, measured.field)
    return replace(result, lost=lost[0].share, remedy=f"{lost[0].problem} {lost[0].remedy}") if lost else result


def _recommendation(measured: _Measured, target: float) -> Steps[Recommendation]:
    if not 0 < target <= 1:
        raise ValueError(f"recommend_search_options(target_recall={target!r}): want more than 0, and at most 1.")
    ladder = list(_ladder(measured))
    measured.rounds = 1 + len(ladder)
    truth, tried = (yield from _truth(measured)), []
    for options in ladder:
        tried.append((yield from _against(truth, measured, options)))
        if tried[-1].recall >= target:
            break
    measured.rounds = 1 + len(tried)
    measured.tell(len(truth), 0)
    best = max(tried, key=lambda each: each.recall)
    return Recommendation(best.options, best.recall, best.recall >= target, tuple(tried))


def _ladder(measured: _Measured) -> Iterator[dict[str, int | str]]:
    """Yield the options to try, cheapest first; one empty set if no index has an option."""
    target, dialect = vector_field(measured.rows.model, measured.field), dialect_of(measured.rows)
    metric = chosen_metric(target, measured.distance)
    kinds = [index.form_on(dialect) for index in indexes_of(target) if index.metric is metric]
    name = next((dialect.tuning.by_kind[kind] for kind in kinds if kind in dialect.tuning.by_kind), None)
    if name is None:
        yield {}
        return
    option = dialect.tuning.options[name]
    least, greatest = int(option.allowed[0]), int(option.allowed[-1])
    value = max(least, int(option.default) // 4, measured.k if name == dialect.tuning.width else 0)
    while value < greatest:
        yield {name: value}
        value *= 2
    yield {name: greatest}


def _truth(measured: _Measured) -> Steps[list[_Truth]]:
    """Return the exact results of each query."""
    measured.tell(measured.sample if measured.queries is None else len(measured.queries), 0)
    queries = measured.queries if measured.queries is not None else (yield from _stored(measured))
    truth = []
    for query in queries:
        started = time.perf_counter()
        distances = yield Fetch(measured.nearest(query, exact=True)[: measured.k])
        seconds = time.perf_counter() - started
        known = [each for each in distances if each is not None]
        if known:
            truth.append(_Truth(query, known[-1], len(known), seconds))
            measured.tell(len(queries))
    if not truth:
        raise ValueError(f"{measured.rows.model.__name__} has no rows to search, or there are no queries.")
    return truth


def _stored(measured: _Measured) -> Steps[list[Any]]:
    """Return a sample of the stored rows."""
    require_one_key(measured.rows.model, "measure_recall() without queries=[…]")
    key = primary_key(measured.rows.model)
    whole = measured.rows.filter(**{f"{measured.field}__isnull": False})
    keys = yield Fetch(whole.order_by(key).values_list(key, flat=True))
    chosen = random.Random(measured.seed).sample(keys, min(measured.sample, len(keys)))  # noqa: S311  # no secret
    rows: list[Any] = yield Fetch(measured.rows.filter(**{f"{key}__in": chosen}).order_by(key))
    return rows


def _against(truth: list[_Truth], measured: _Measured, options: Mapping[str, int | str]) -> Steps[Recall]:
    shares, seconds = [], []
    for each in truth:
        search = measured.nearest(each.query)
        started = time.perf_counter()
        found = yield Fetch((search.search_options(**options) if options else search)[: measured.k])
        seconds.append(time.perf_counter() - started)
        shares.append(count_as_near(found, each.farthest) / each.count)
        measured.tell(len(truth))
    exact = statistics.median(each.seconds for each in truth)
    middle = statistics.median(seconds)
    return Recall(
        statistics.mean(shares), min(shares), measured.k, len(truth), middle * 1000, exact * 1000, dict(options)
    )


def count_as_near(distances: Iterable[float | None], farthest: float) -> int:
    """Return how many of the distances are not greater than that of the farthest exact neighbor."""
    near = farthest + _SAME * max(1.0, abs(farthest))
    return sum(distance is not None and distance <= near for distance in distances)
