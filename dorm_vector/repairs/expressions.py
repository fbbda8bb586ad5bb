"""Repairs of djanorm's expressions."""

from __future__ import annotations

from typing import Any

from dorm.aggregates import Aggregate
from dorm.expressions import F, Q
from dorm.functions import Lower

from ..dialects.shared.operands import SQL
from ..models.hooks import _of_an_expression
from ..patching.registry import repair


def _negates_the_whole() -> bool:
    both = Q(a=1) & Q(b=2)
    return not any(child.negated or child in both.children for child in (~both).children)


@repair("dorm.expressions:Q", "__invert__", is_fixed=_negates_the_whole)
def not_of_several(original: Any, condition: Any) -> Any:
    """Negate conditions joined by ``&`` or ``|`` as a whole with ``~``.

    Symptom: ``~(Q(a=1) & Q(b=2))`` returns the rows of ``Q(a=1) | Q(b=2)``, and so does ``exclude()`` of it. Cause:
    ``~`` also negates each inner condition. djanorm 4.3 to 4.5.
    """
    negated = _copied(condition)
    negated.negated = not condition.negated
    return negated


def _copied(condition: Any) -> Q:
    """Return a deep copy of the condition, so that changes to one do not affect the other."""
    copied = Q(*(_copied(child) if isinstance(child, Q) else child for child in condition.children))
    copied.connector, copied.negated = condition.connector, condition.negated
    return copied


def _aggregates_expressions() -> bool:
    lowered: Any = Lower(F("name"))
    sql, _params = Aggregate(lowered).as_sql("item")
    return "LOWER(" in sql


@repair("dorm.aggregates:Aggregate", "as_sql", is_fixed=_aggregates_expressions)
def aggregates_of_expressions(original: Any, aggregate: Any, table_alias: str | None = None, **context: Any) -> SQL:
    """Let an annotation aggregate an expression, such as the length of a text.

    Symptom: ``Author.objects.annotate(longest=Max(Length("name")))`` selects a column of that name. Cause: an aggregate
    treats its argument as a name. djanorm 4.3 to 4.5.
    """
    return _of_an_expression(original, aggregate, table_alias, context)
