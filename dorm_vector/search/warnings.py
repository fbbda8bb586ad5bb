"""Warn about a search whose distance no index of its field supports."""

from __future__ import annotations

import warnings
from typing import Any

from ..exceptions import IndexMissed, frames_inside
from ..introspection import indexes_of


def warn_of_a_miss(query: Any) -> None:
    """Warn if the field has indexes, but none for the distance of the search; this needs no query plan."""
    field = query._resolve_field(query.search.field_path.split("__"))
    metrics = sorted({index.metric.value for index in indexes_of(field)})
    wanted = query.annotations[query.search.name].metric.value
    if metrics and wanted not in metrics:
        message = (
            f"{field.label} has an index for {' and '.join(metrics)}, and this search measures {wanted}: every row is"
            f" read. Search by {metrics[0]}, add an index for {wanted}, or say exact=True."
        )
        warnings.warn(message, IndexMissed, stacklevel=frames_inside())
