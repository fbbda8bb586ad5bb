"""A ready-made document model, and its table."""

from __future__ import annotations

from functools import cache
from typing import Any

import dorm

from ..indexes.hnsw_ivfflat import HnswIndex
from ..indexes.text import TextIndex
from ..models.fields import TextKeyField, VectorField
from ..schema.tables import acreate_tables, create_tables
from ..values.metrics import Metric


def document_model(
    table: str,
    dimensions: int,
    *,
    distance: str = "cosine",
    language: str | None = "english",
    app_label: str | None = None,
) -> Any:
    """Return a document model for ``table``: ``document_id``, ``text``, ``metadata`` and an indexed ``embedding``.

    The same arguments return the same model.

    Args:
        table: The name of the table.
        dimensions: The length of the vectors.
        distance: The distance of the HnswIndex on ``embedding``.
        language: The language of the TextIndex on ``text``, for full-text search; None for no TextIndex.
        app_label: The app that the model belongs to; call ``document_model()`` in its ``models.py``. If None,
            migrations ignore the model, and ``create_table`` creates its table.
    """
    return _model(table, dimensions, Metric(distance).value, language, app_label)


@cache
def _model(table: str, dimensions: int, distance: str, language: str | None, app_label: str | None) -> Any:
    indexes: list[Any] = [HnswIndex(fields=["embedding"], name=f"{table}_embedding", distance=distance)]
    if language is not None:
        indexes.append(TextIndex(fields=["text"], name=f"{table}_text", language=language))
    meta = {
        "db_table": table,
        "indexes": indexes,
        "managed": app_label is not None,
        **({"app_label": app_label} if app_label else {}),
    }
    attributes = {
        "__module__": __name__,
        "__doc__": f"Documents in the table {table}.",
        # Not the primary key: MariaDB's vector index supports keys up to 256 bytes, and libSQL's no text keys.
        "document_id": TextKeyField(max_length=255, unique=True),
        "text": dorm.TextField(default=""),
        "metadata": dorm.JSONField(default=dict),
        "embedding": VectorField(dimensions),
        "Meta": type("Meta", (), meta),
    }
    metaclass: Any = type(dorm.Model)
    return metaclass(f"DocumentOf_{table}", (dorm.Model,), attributes)


def create_table(model: Any, *, using: str = "default") -> Any:
    """Do what ``create_tables(model)`` does, and return the model."""
    create_tables(model, using=using)
    return model


async def acreate_table(model: Any, *, using: str = "default") -> Any:
    """Do what ``acreate_tables(model)`` does, and return the model."""
    await acreate_tables(model, using=using)
    return model


__all__ = ["acreate_table", "create_table", "document_model"]
