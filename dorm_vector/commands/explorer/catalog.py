"""What can be explored in a database: its models with vectors, and their fields."""

from __future__ import annotations

from typing import Any

from ...engines.limits.exempt import exempt
from ...introspection import indexes_of, vector_fields
from ...values.elements import Element
from ...values.metrics import Metric
from ..database import Database
from ..project import label_of, models_with_vectors
from ..search import columns_of


@exempt
def catalog(alias: str) -> dict[str, Any]:
    """Return the database and its migrated models with vectors."""
    database = Database(alias)
    models = [model for model in models_with_vectors() if database.is_migrated(model)]
    return {
        "database": database.alias,
        "title": database.dialect.title,
        "models": [_model(database, model) for model in models if vector_fields(model)],
    }


def _model(database: Database, model: Any) -> dict[str, Any]:
    return {
        "label": label_of(model),
        "rows": database.rows(model).count(),
        "has_one_key": not getattr(model._meta.pk, "field_names", None),
        "fields": [_field(field) for field in vector_fields(model)],
        "columns": colored_by(model),
    }


def colored_by(model: Any) -> list[str]:
    """Return the fields that a map can be colored by."""
    return [name for name in columns_of(model) if name != model._meta.pk.name]


def _field(field: Any) -> dict[str, Any]:
    metrics = [metric.value for metric in Metric if field.element in metric.elements]
    return {
        "name": field.name,
        "kind": type(field).__name__,
        "dimensions": field.dimensions,
        "reads_text": getattr(field, "_embedder", None) is not None,
        "distances": metrics,
        "distance": metric_of(field).value,
        "indexes": [index.name for index in indexes_of(field)],
    }


def metric_of(field: Any, distance: str | None = None) -> Metric:
    """Return the given distance, or that of the field's first index, or the usual one of its elements."""
    if distance:
        return Metric(distance)
    declared = sorted({index.metric for index in indexes_of(field)})
    if declared:
        return Metric(declared[0])
    return Metric.HAMMING if field.element is Element.BIT else Metric.L2
