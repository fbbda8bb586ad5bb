"""Rows whose vectors are wrong: zeros of a bad dump, other lengths, and other embedding models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...introspection import vector_fields
from ...values.elements import Element
from ...values.sparse import SparseVector
from ..database import Database
from ..project import label_of, models_with_vectors
from ..status import embedding_models
from .finding import Finding


def zero_vectors(database: Database) -> Iterator[Finding]:
    """Yield a finding for each field with vectors of zeros only, which an unsafe dump leaves of all vectors."""
    for model, field in _fields(database):
        zeros = _zeros(field)
        if zeros is None:
            continue
        rows = database.rows(model).filter(**{f"{field.name}__isnull": False})
        empty = rows.filter(**{field.name: zeros}).count()
        if empty:
            yield Finding(
                "zero-vectors",
                f"{label_of(model)}.{field.name}",
                f"{empty:,} of {rows.count():,} vectors are all zeros: they have no direction, and match nothing.",
                "No vector of zeros. mariadb-dump before 11.8 writes every vector as zeros unless it has --hex-blob.",
                _refill(database, model, field),
            )


def _refill(database: Database, model: Any, field: Any) -> str:
    if getattr(field, "fills", False):
        return f"dorm-vector reembed {label_of(model)} --field {field.name} --zeros{database.option()}"
    return "Restore the vectors from a safe dump: docs/howto/back-up.md."


def _zeros(field: Any) -> Any:
    """Return the value to look for; None for bits, where zeros are ordinary values."""
    if field.element is Element.BIT or field.dimensions is None:
        return None
    return SparseVector({}, field.dimensions) if field.element is Element.SPARSE else [0.0] * field.dimensions


def other_models(database: Database) -> Iterator[Finding]:
    """Yield a finding for each field with vectors of another embedding model than the field's."""
    for model, field in _fields(database):
        if not getattr(field, "fills", False):
            continue
        found = embedding_models(database.rows(model), model, field) or []
        for each in found:
            if each["model"] not in (None, field.model_name):
                yield Finding(
                    "embedding-model",
                    f"{label_of(model)}.{field.name}",
                    f"{each['rows']:,} vectors are of the model {each['model']}: their distances to queries of"
                    f" {field.model_name} mean nothing.",
                    f"{field.model_name}.",
                    f"dorm-vector reembed {label_of(model)} --field {field.name}{database.option()}",
                )


def _fields(database: Database) -> Iterator[tuple[Any, Any]]:
    for model in models_with_vectors():
        if database.is_migrated(model):
            yield from ((model, field) for field in vector_fields(model))
