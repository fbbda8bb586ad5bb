"""The plan of a queryset, and how the database computes the distances in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dorm.query import _validate_identifier
from dorm.queryset import QuerySet

from ..dialects import dialect_for
from ..metrics import Metric


class Explained(QuerySet[Any]):
    """QuerySet whose plan is asked for, and completed, as the dialect says."""

    def explain(self, *, format: str | None = None, **options: Any) -> str:  # djanorm's
        plan = super().explain(format=format, **options)
        return plan if format else self._with_distances(plan, self._get_connection())

    async def aexplain(self, *, format: str | None = None, **options: Any) -> str:  # djanorm's
        plan = await super().aexplain(format=format, **options)
        return plan if format else self._with_distances(plan, self._get_async_connection())

    def _with_distances(self, plan: str, connection: Any) -> str:
        dialect = dialect_for(connection)
        metrics = dict.fromkeys(found for value in self._query.annotations.values() for found in _measured(value))
        lines = [f"{metric.value} distance: {how}" for metric in metrics if (how := dialect.how(metric))]
        return "\n".join([plan, *lines])

    # djanorm's is static, and is called through self.
    def _build_explain_prefix(self, connection: Any, analyze: bool, format: str | None, verbose: bool) -> str:  # type: ignore[override]  # djanorm's
        dialect = dialect_for(connection)
        template = dialect.explain_analyze if analyze else dialect.explain
        if not template:
            return str(QuerySet._build_explain_prefix(connection, analyze, format, verbose))
        chosen = format or dialect.explain_format
        if chosen:
            _validate_identifier(chosen, "explain format")
        return template.format(format=f" FORMAT={chosen.upper()}" if chosen else "")


def _measured(expression: Any) -> Iterator[Metric]:
    """Yield the metric of each distance in an expression."""
    if hasattr(expression, "metric"):
        yield expression.metric
    for side in (getattr(expression, "lhs", None), getattr(expression, "rhs", None)):
        if side is not None:
            yield from _measured(side)
