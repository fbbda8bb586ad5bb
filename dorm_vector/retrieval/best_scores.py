"""The statement behind ``recommend(strategy="best_score")``: each row's least distance from both kinds of examples."""

from __future__ import annotations

from typing import Any

from ..dialects.shared.operands import SQL
from ..expressions.compiled import CompiledSQL
from ..expressions.distances import OrderBy, VectorDistance
from ..expressions.scope import current_connection
from .fusion import VALUE, filtered, joined, selected

SCORED = ("positive_distance", "negative_distance")

_NAME = "scored"


class BestScores:
    """The rows with their least distance from the positive and from the negative examples; compiled as a CTE."""

    def __init__(self, rows: Any, positive: list[VectorDistance], negative: list[VectorDistance]) -> None:
        self.rows, self.positive, self.negative = rows, positive, negative

    @property
    def _query(self) -> BestScores:
        return self

    def as_subquery_sql(self, outer_alias: str | None = None, outer_model: Any = None) -> SQL:
        rows = filtered(self.rows, current_connection(self.rows._query))
        examples = [*((1, each) for each in self.positive), *((0, each) for each in self.negative)]
        selects = [_select(rows, is_positive, measured) for is_positive, measured in examples]
        # One SELECT per example, because not every database has LEAST(), and where it is NULL differs.
        measured = " UNION ALL ".join(sql for sql, _params in selects)
        near, away = (f'MIN(CASE WHEN "kind" = {kind} THEN "{VALUE}" END) AS "{SCORED[1 - kind]}"' for kind in (1, 0))
        sql = f'SELECT "pk", {near}, {away} FROM ({measured}) AS "measured" GROUP BY "pk"'
        return sql, [value for _sql, params in selects for value in params]


def scored(rows: Any, scores: BestScores, prefix: str, limit: int) -> Any:
    """Return a queryset of the rows with the best scores, with both distances as annotations."""
    near, away = (f'"{_NAME}"."{name}"' for name in SCORED)
    is_liked = f"{away} IS NULL OR {near} < {away}"
    # Distances sort more finely than scores, which lose digits where they are near 0 or 1.
    order = [
        OrderBy(CompiledSQL(f"CASE WHEN {is_liked} THEN 0 ELSE 1 END")),
        OrderBy(CompiledSQL(f"CASE WHEN {is_liked} THEN {near} ELSE 0 - {away} END")),
        rows.model._meta.pk.name,
    ]
    columns = {f"{prefix}{name}": CompiledSQL(f'"{_NAME}"."{name}"') for name in SCORED}
    return joined(rows, _NAME, scores, columns).order_by(*order)[:limit]


def _select(rows: Any, is_positive: int, measured: VectorDistance) -> SQL:
    ranked = rows._clone()
    ranked._query.annotations = {**ranked._query.annotations, VALUE: measured}
    ranked._query.order_by_fields = []
    sql, params = selected(ranked, None)
    return f'SELECT "pk", "{VALUE}", {is_positive} AS "kind" FROM ({sql}) AS "each" WHERE "{VALUE}" IS NOT NULL', params
