"""Warn of searches by text over vectors of another embedding model, whose distances mean nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from time import monotonic
from typing import Any

from dorm.queryset import QuerySet

from ..exceptions import OtherEmbeddingModel, frames_inside
from ..expressions.query_text import texts_in
from ..introspection import key_names
from ..steps import Fetch, Steps
from .on_save import model_name

_AT_EACH_END = 100

_SECONDS = 60.0
"""How long to remember that a table has vectors of other models; one that has none is not checked again."""

_checked: dict[tuple[Any, ...], tuple[float, list[str]]] = {}


def warn_of_other_models(queryset: Any) -> Steps[None]:
    """Warn if the queryset searches by text among vectors of another model."""
    for field in _searched(queryset):
        others = yield from _other_models(field, queryset._db)
        if others:
            warnings.warn(_message(field, others), OtherEmbeddingModel, stacklevel=frames_inside())


def forget_checks(field: Any) -> None:
    """Check again at the next search, because rows have been embedded again."""
    for key in [key for key in _checked if key[1:3] == (field.model, field.name)]:
        del _checked[key]


def _searched(queryset: Any) -> Iterator[Any]:
    """Yield the fields that record their models and that the queryset searches by text."""
    for expression in queryset._query.annotations.values():
        for text in texts_in(expression):
            if getattr(text.field, "records_model", False):
                yield text.field


def _other_models(field: Any, alias: str) -> Steps[list[str]]:
    key = (alias, field.model, field.name, field.model_name)
    checked, others = _checked.get(key, (0.0, []))
    if checked and (not others or monotonic() - checked < _SECONDS):
        return others
    recorded = yield from _recorded_at_the_ends(field, alias)
    others = sorted(recorded - {field.model_name})
    _checked[key] = monotonic(), others
    return others


def _recorded_at_the_ends(field: Any, alias: str) -> Steps[set[str]]:
    """Return the models of the first and of the last rows, because a whole table may take long to read.

    After the model has changed, the oldest rows are outdated; after an unfinished ``reembed()``, the last ones.
    """
    keys, found = key_names(field.model), set()
    for sign in ("", "-"):
        rows = QuerySet(field.model, alias).order_by(*(f"{sign}{key}" for key in keys))
        found |= {*(yield Fetch(rows.values_list(model_name(field), flat=True)[:_AT_EACH_END]))}
    return found - {None}


def _message(field: Any, others: list[str]) -> str:
    return (
        f"{field.label} has vectors of {', '.join(map(repr, others))}, and searches are embedded by"
        f" {field.model_name!r}: distances between the two mean nothing. Embed the rows again:"
        f" reembed({field.model.__name__}.objects.all(), {field.name!r})."
    )
