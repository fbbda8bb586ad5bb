"""A repair of djanorm's ``~Q``."""

from __future__ import annotations

from typing import Any

from dorm.expressions import Q

from .repairs import repair


def _is_mended() -> bool:
    return not any(child.negated for child in (~(Q(a=1) & Q(b=2))).children)


@repair("dorm.expressions:Q", "__invert__", mended=_is_mended)
def not_of_several(original: Any, condition: Any) -> Any:
    """Let ``~`` of conditions joined by ``&`` or ``|`` be their negation.

    Symptom: ``~(Q(a=1) & Q(b=2))`` finds what ``Q(a=1) | Q(b=2)`` does, and so does ``exclude()`` of it. Cause: ``~``
    negates each condition inside, too. djanorm 4.3 to 4.5.
    """
    negated = Q(*condition.children)
    negated.connector, negated.negated = condition.connector, not condition.negated
    return negated
