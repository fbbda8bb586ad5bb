"""nearest() by several vectors: the smallest or mean distance, or late interaction (MaxSim)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dorm.query import SQLQuery

from ..exceptions import InvalidVector
from ..expressions.combined_distances import Combine, CombinedDistance, Items
from ..expressions.distances import DISTANCES, SIMILARITIES
from ..expressions.scope import FieldResolver, field_across, vector_field
from ..introspection import indexes_of, innermost, key_names, reads_vectors
from ..values.metrics import Metric
from ..values.vector import is_zero
from .grouping import crosses_many
from .spec import Search, SearchCondition, Within, as_search

_MOST = 256
"""The most query vectors; each makes the statement longer, and measures every row."""


@dataclass(frozen=True)
class Asked:
    """The parameters of a search by several vectors."""

    vectors: Any
    combine: Any
    distance: str | Metric | None
    bound: float | None
    metric_of: Callable[[Any, Any], Metric]
    """Returns the metric for a field and what was given."""


def nearest_to_several(queryset: Any, search: Search, asked: Asked) -> Any:
    """Return the rows by their distance from several vectors, nearest first; of equal ones, the first key."""
    combine, model, name = _combine(asked.combine), queryset.model, search.field_path
    array = FieldResolver(SQLQuery(model), model).field(name) if isinstance(name, str) else None
    is_array = hasattr(array, "base_field") and reads_vectors(array)
    target = innermost(array) if is_array else vector_field(model, name)
    relations = name.rpartition("__")[0]
    is_related = crosses_many(model, relations)
    if combine is Combine.MAXSIM and not (is_array or is_related):
        raise ValueError(
            f'nearest({name!r}, combine="maxsim"): a row has one vector there. Late interaction is for several:'
            ' those of related rows, as in nearest("tokens__embedding", …), or of an array. Use combine="mean".'
        )
    metric = _metric(combine, target, asked)
    path = Items(name) if is_array else name
    distances = [DISTANCES[metric](path, vector) for vector in _vectors(asked.vectors)]  # type: ignore[arg-type]  # Items
    _require_directions(metric, distances, name)
    holder = field_across(model, name.split("__")).model if is_related else None
    measured = CombinedDistance(distances, combine, many=is_array or is_related, holder_model=holder)
    ranked = queryset.annotate(**{search.name: measured}).order_by(search.name, *key_names(model))
    conditions = _conditions(queryset, search, target, is_related=is_related, is_array=is_array)
    if asked.bound is not None:
        conditions.append(Within(**{f"{search.name}__lte": asked.bound}))
    return as_search(ranked, search, conditions)


def _combine(value: Any) -> Combine:
    if value not in [each.value for each in Combine]:
        raise ValueError(f"nearest(combine={value!r}): want one of {', '.join(each.value for each in Combine)}.")
    return Combine(value)


def _vectors(vectors: Any) -> list[Any]:
    if isinstance(vectors, (str, bytes)) or not hasattr(vectors, "__len__") or not 1 <= len(vectors) <= _MOST:
        raise InvalidVector(f"nearest(combine=…) takes a list of 1 to {_MOST} vectors; got {_told(vectors)}.")
    return list(vectors)


def _told(vectors: Any) -> str:
    return (
        f"{len(vectors)} of them" if isinstance(vectors, Sequence) and not isinstance(vectors, str) else repr(vectors)
    )


def _metric(combine: Combine, target: Any, asked: Asked) -> Metric:
    if combine is Combine.MAXSIM and asked.distance is None and not indexes_of(target):
        return Metric.COSINE
    metric = asked.metric_of(target, asked.distance)
    if combine is Combine.MAXSIM and metric not in SIMILARITIES:
        raise ValueError(
            f'nearest(combine="maxsim"): {metric.value} has no similarity. Use'
            f" distance={' or distance='.join(repr(each.value) for each in SIMILARITIES)}."
        )
    return metric


def _require_directions(metric: Metric, distances: list[Any], field: str) -> None:
    if metric is Metric.COSINE and any(is_zero(each.vector) for each in distances):
        raise InvalidVector(
            f"nearest({field!r}, combine=…): a vector of zeros has no direction for the cosine distance. Leave it out."
        )


def _conditions(
    queryset: Any, search: Search, target: Any, *, is_related: bool, is_array: bool
) -> list[SearchCondition]:
    conditions, path = [], search.field_path
    if is_related and len(key_names(queryset.model)) == 1:
        having = type(queryset)(queryset.model, queryset._db).filter(**{f"{path}__isnull": False})
        conditions.append(SearchCondition(pk__in=having.values("pk")))
    elif is_related or is_array:
        # Without related vectors, or in an empty array, there is no distance either.
        conditions.append(SearchCondition(**{f"{search.name}__isnull": False}))
    elif target.null or "__" in path:
        conditions.append(SearchCondition(**{f"{path}__isnull": False}))
    return conditions
