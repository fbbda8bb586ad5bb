"""A ready model of documents, and its table."""

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
    """Return a model of documents in ``table``: ``document_id``, ``text``, ``metadata`` and an indexed ``embedding``.

    ``language`` is that of the TextIndex of ``text``, for searches of words; None for no such index. The same arguments
    give the same model. Without ``app_label`` migrations leave the model alone, and ``create_table`` creates its table;
    with it, the model is one of that app's, to be made in its ``models.py``.
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
        # Beside a key of numbers: MariaDB's index takes no key past 256 bytes, and libSQL's none of text.
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
