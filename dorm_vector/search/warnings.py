"""Warn about a search whose distance no index of its field supports."""

from __future__ import annotations

import warnings
from typing import Any

from ..exceptions import IndexMissed, frames_inside
from ..introspection import indexes_of


def misses(query: Any) -> bool:
    """Return whether the field has indexes, but none for the distance of the search."""
    _field, metrics, wanted = _indexed(query)
    return bool(metrics) and wanted not in metrics


def warn_of_a_miss(query: Any) -> None:
    """Warn if the field has indexes, but none for the distance of the search; this needs no query plan."""
    field, metrics, wanted = _indexed(query)
    if metrics and wanted not in metrics:
        message = (
            f"{field.label} has an index for {' and '.join(metrics)}, and this search measures {wanted}: every row is"
            f" read. Search by {metrics[0]}, add an index for {wanted}, or say exact=True."
        )
        warnings.warn(message, IndexMissed, stacklevel=frames_inside())


def _indexed(query: Any) -> tuple[Any, list[str], str]:
    """Return the field of a search, the distances of its indexes, and the distance that is searched by."""
    field = query._resolve_field(query.search.field_path.split("__"))
    metrics = sorted({index.metric.value for index in indexes_of(field)})
    return field, metrics, query.annotations[query.search.name].metric.value
