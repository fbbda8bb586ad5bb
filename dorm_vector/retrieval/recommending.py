"""Recommend rows that are like some examples and unlike others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..exceptions import DimensionMismatch, InvalidVector, UnsuitableFunction
from ..expressions.distances import SIMILARITIES, VectorDistance
from ..expressions.operands import VALUES
from ..expressions.scope import vector_field
from ..introspection import is_one_of, is_row_of, rows_of
from ..models.queryset_types import Row, Source
from ..models.querysets import VectorQuerySet, upgraded
from ..search.nearest import chosen_metric, distance_to, require_choice, searched_by
from ..search.spec import Search, SearchCondition
from ..steps import Fetch, Steps, arun, run
from ..values.elements import Element
from ..values.metrics import Metric
from ..values.sparse import SparseVector
from .best_scores import SCORED, BestScores, scored
from .federated import EmbedTexts
from .fusion import searchable
from .hybrid import require_free_names, require_whole

Strategy = Literal["average_vector", "best_score"]

_STRATEGIES = ("average_vector", "best_score")

_MOST_SCORED = 100
"""The most examples: each is a SELECT in one compound statement, and SQLite allows 500."""


def recommend(
    queryset: Source[Row],
    field: str,
    positive: Iterable[Any] = (),
    negative: Iterable[Any] = (),
    *,
    strategy: Strategy = "average_vector",
    limit: int = 10,
    distance: str | Metric | None = None,
    exact: bool | None = None,
    prefix: str = "",
) -> list[Row]:
    """Return the rows that are like the positive examples and unlike the negative ones, best first.

    ``"average_vector"`` searches by avg(positive) + avg(positive) - avg(negative), as ``nearest()`` does and with its
    indexes; each row has its ``distance`` from that vector. ``"best_score"`` measures each row's distance from every
    example, exactly. A row that is nearer to a positive than to any negative scores sigmoid(similarity to its nearest
    positive), and any other row -sigmoid(similarity to its nearest negative), where sigmoid(x) is
    (x / (1 + |x|) + 1) / 2. Each row has its ``score``, ``positive_distance`` and ``negative_distance``.

    Args:
        queryset: The rows to choose from.
        field: The vector field; its path may cross relations.
        positive: Rows, vectors, or texts if the field has an embedder. ``"average_vector"`` needs at least one.
        negative: The same. Rows of the queryset's model that are given as examples are never recommended.
        strategy: The names and the meanings are those of Qdrant.
        limit: The maximum number of rows.
        distance: The metric, as in ``nearest()``.
        exact: As in ``nearest()``; ``"best_score"`` is always exact.
        prefix: A prefix for the names of the values that each row gets.

    Raises:
        UnsuitableFunction: ``"average_vector"`` of a BitField.
        InvalidVector: An example has no vector, or the examples cancel out and the metric is cosine.

    Source: the recommendation API of Qdrant.
    """
    asked = _Asked(field, list(positive), list(negative), strategy, limit, distance, exact, prefix)
    return run(_recommended(queryset, asked))


async def arecommend(
    queryset: Source[Row],
    field: str,
    positive: Iterable[Any] = (),
    negative: Iterable[Any] = (),
    *,
    strategy: Strategy = "average_vector",
    limit: int = 10,
    distance: str | Metric | None = None,
    exact: bool | None = None,
    prefix: str = "",
) -> list[Row]:
    """Recommend rows; the async form of ``recommend``."""
    asked = _Asked(field, list(positive), list(negative), strategy, limit, distance, exact, prefix)
    return await arun(_recommended(queryset, asked))


@dataclass(frozen=True)
class _Asked:
    """The parameters of ``recommend()``."""

    field: str
    positive: list[Any]
    negative: list[Any]
    strategy: str
    limit: int
    distance: str | Metric | None
    exact: bool | None
    prefix: str

    def __post_init__(self) -> None:
        require_whole("limit", self.limit)
        require_choice(self.exact)
        if self.strategy not in _STRATEGIES:
            raise ValueError(f"strategy={self.strategy!r}: want one of {', '.join(_STRATEGIES)}.")
        if not self.positive and (self.strategy == "average_vector" or not self.negative):
            other = ' With negatives alone, use strategy="best_score".' if self.negative else ""
            raise ValueError(f"recommend(strategy={self.strategy!r}) needs a positive example.{other}")
        if self.strategy == "best_score" and len(self.examples) > _MOST_SCORED:
            raise ValueError(
                f'recommend(strategy="best_score") compares every row with each example: want at most {_MOST_SCORED};'
                f' got {len(self.examples)}. Use strategy="average_vector".'
            )

    @property
    def examples(self) -> list[Any]:
        return [*self.positive, *self.negative]


def _recommended(queryset: Any, asked: _Asked) -> Steps[list[Any]]:
    by_score = asked.strategy == "best_score"
    rows = searchable(queryset, 'recommend(strategy="best_score")') if by_score else _upgraded(queryset)
    target = vector_field(rows.model, asked.field)
    metric = chosen_metric(target, asked.distance)
    if not by_score and target.element is Element.BIT:
        raise UnsuitableFunction(
            f'{target.label} holds bits, which have no average. Use recommend(..., strategy="best_score").'
        )
    measured = [_measured(rows, metric, target, asked.field, example) for example in asked.examples]
    yield EmbedTexts(measured)
    for each in measured:
        target.to_vector(each.vector)
    if by_score:
        _require_directions(metric, measured, asked.field)
        return (yield from _by_score(rows, metric, measured, asked))
    found: list[Any] = yield Fetch(_by_average(rows, metric, target, measured, asked))
    return found


def _require_directions(metric: Metric, measured: list[VectorDistance], field: str) -> None:
    if metric is Metric.COSINE and not all(any(each.vector.to_list()) for each in measured):
        raise InvalidVector(
            f"recommend({field!r}, ...): an example is a vector of zeros, which has no direction for the cosine"
            " distance. Leave it out."
        )


def _upgraded(queryset: Any) -> Any:
    rows = rows_of(queryset)
    return rows if isinstance(rows, VectorQuerySet) else upgraded(rows)


def _measured(rows: Any, metric: Metric, target: Any, path: str, example: Any) -> VectorDistance:
    """Return the distance from an example, which is a row, a vector or a text."""
    measured = distance_to(metric, target, path, searched_by(rows, example, path))
    if measured.text is None and not isinstance(measured.vector, VALUES):
        raise InvalidVector(f"recommend({path!r}, ...) takes rows and vectors as examples; got {example!r}.")
    return measured


def _by_average(rows: Any, metric: Metric, target: Any, measured: list[VectorDistance], asked: _Asked) -> Any:
    split = len(asked.positive)
    vectors = [each.vector for each in measured]
    to = _aim(target, vectors[:split], vectors[split:])
    if metric is Metric.COSINE and not any(to.values() if isinstance(to, SparseVector) else to):
        raise InvalidVector(
            f"recommend({asked.field!r}, ...): the examples cancel out, and a vector of zeros has no direction for the"
            ' cosine distance. Use strategy="best_score".'
        )
    found = rows.nearest(asked.field, to, distance=metric, exact=asked.exact, as_=f"{asked.prefix}distance")
    return _without(found, _own(rows.model, asked.examples))[: asked.limit]


def _aim(target: Any, positive: list[Any], negative: list[Any]) -> Any:
    """Return twice the mean of the positives minus the mean of the negatives, or the mean of the positives alone."""
    is_sparse = target.element is Element.SPARSE
    parts = [(value, 2 / len(positive) if negative else 1 / len(positive)) for value in positive]
    parts += [(value, -1 / len(negative)) for value in negative]
    _require_one_length([value for value, _share in parts])
    totals: dict[int, float] = {}
    for value, share in parts:
        for place, number in SparseVector(value).to_dict().items() if is_sparse else enumerate(value.to_list()):
            totals[place] = totals.get(place, 0.0) + share * number
    return SparseVector(totals, parts[0][0].dimensions()) if is_sparse else list(totals.values())


def _require_one_length(vectors: list[Any]) -> None:
    lengths = sorted({vector.dimensions() for vector in vectors})
    if len(lengths) > 1:
        raise DimensionMismatch(f"recommend() averages vectors of one length; got {' and '.join(map(str, lengths))}.")


def _own(model: Any, examples: list[Any]) -> list[Any]:
    """Return the examples that are rows of the model."""
    return [example for example in examples if is_row_of(example, model) and example.pk is not None]


def _without(found: Any, own: list[Any]) -> Any:
    """Return the search without these rows; they do not make it a filtered search."""
    if not own:
        return found
    without, search = found._clone(), found._query.search
    condition = SearchCondition(is_one_of(own))
    condition.negated = True
    without._query.where_nodes = [*found._query.where_nodes, condition]
    without._query.search = Search(search.name, search.field_path, len(own), search.exact, search.approximate)
    return without


def _by_score(rows: Any, metric: Metric, measured: list[VectorDistance], asked: _Asked) -> Steps[list[Any]]:
    require_free_names(rows, asked.prefix, ("score", *SCORED))
    own, split = _own(rows.model, asked.examples), len(asked.positive)
    left = rows.exclude(is_one_of(own)) if own else rows
    found = yield Fetch(scored(left, BestScores(left, measured[:split], measured[split:]), asked.prefix, asked.limit))
    for row in found:
        near, away = (getattr(row, f"{asked.prefix}{name}") for name in SCORED)
        setattr(row, f"{asked.prefix}score", _score(metric, near, away))
    return list(found)


def _score(metric: Metric, near: Any, away: Any) -> float:
    """Return the score of a row with these least distances; either is None if there is no such example."""
    is_liked = near is not None and (away is None or near < away)
    return _sigmoid(_similarity(metric, near)) if is_liked else -_sigmoid(_similarity(metric, away))


def _similarity(metric: Metric, distance: float) -> float:
    """Return what Qdrant calls the similarity; for the Euclidean distance, it is the negative square."""
    if metric in SIMILARITIES:
        return SIMILARITIES[metric].minuend - distance
    return -(float(distance) ** 2) if metric is Metric.L2 else -float(distance)


def _sigmoid(similarity: float) -> float:
    return (similarity / (1 + abs(similarity)) + 1) / 2
