"""Aggregates over vectors, whichever queryset they are asked of."""

from __future__ import annotations

from typing import Any

from dorm.aggregates import Aggregate
from dorm.queryset import QuerySet

from .compiling import Names
from .repairs import repair


def over_vectors(queryset: Any, expressions: dict[str, Any]) -> dict[str, Any]:
    """Return the expressions with djanorm's Avg and Sum over vectors as ours."""
    if not any(isinstance(expression, Aggregate) for expression in expressions.values()):
        return expressions
    from ..aggregates import of_vectors

    names = Names(queryset._query, queryset.model)
    return {name: of_vectors(expression, names) for name, expression in expressions.items()}


def _aggregates_vectors(queryset: Any, expressions: dict[str, Any]) -> bool:
    from ..aggregates import VectorAggregate

    return any(isinstance(expression, VectorAggregate) for expression in over_vectors(queryset, expressions).values())


@repair("dorm.queryset:QuerySet", "annotate", name="vector_aggregates")
@repair("dorm.queryset:QuerySet", "alias", name="vector_aggregates")
@repair("dorm.queryset:QuerySet", "aggregate", name="vector_aggregates")
@repair("dorm.queryset:QuerySet", "aaggregate", name="vector_aggregates")
def vector_aggregates(original: Any, queryset: Any, **expressions: Any) -> Any:
    """Let Avg and Sum over a vector of a related model give a vector.

    Symptom: ``Author.objects.annotate(center=Avg("documents__embedding"))`` is 0.0 on SQLite, and text on PostgreSQL.
    Cause: djanorm's aggregates and a plain QuerySet know nothing of vectors. djanorm 4.3 to 4.5.
    """
    if type(queryset) is not QuerySet or not _aggregates_vectors(queryset, expressions):
        return original(queryset, **expressions)
    from .querysets import upgraded

    return getattr(upgraded(queryset), original.__name__)(**expressions)
