"""A ready-made document model, and its table."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import dorm

from ..indexes.hnsw_ivfflat import HnswIndex
from ..indexes.text import TextIndex
from ..models.fields import LongTextField, TextKeyField, VectorField
from ..schema.tables import acreate_tables, create_tables
from ..values.metrics import Metric


def document_model(
    table: str,
    dimensions: int,
    *,
    distance: str = "cosine",
    language: str | None = "english",
    indexed_metadata_keys: Iterable[tuple[str, str]] = (),
    null_embeddings: bool = False,
    vector_index: bool = True,
    app_label: str | None = None,
) -> Any:
    """Return a document model for ``table``: ``document_id``, ``text``, ``metadata`` and an indexed ``embedding``.

    The same arguments return the same model.

    Args:
        table: The name of the table.
        dimensions: The length of the vectors.
        distance: The distance of the HnswIndex on ``embedding``.
        language: The language of the TextIndex on ``text``, for full-text search; None for no TextIndex.
        indexed_metadata_keys: Keys of the metadata that get a column and an index of their own, each with its type:
            ``{("year", "int"), ("source", "text")}``.
        null_embeddings: Whether documents may have no vector, as Haystack's may. MariaDB has no index of such a column.
        vector_index: Whether ``embedding`` has an HnswIndex; without one, every search is exact.
        app_label: The app that the model belongs to; call ``document_model()`` in its ``models.py``. If None,
            migrations ignore the model, and ``create_table`` creates its table.
    """
    keys = tuple(sorted((name, kind) for name, kind in indexed_metadata_keys))
    metric = Metric(distance).value
    return _model(
        _Options(table, dimensions, metric, language, keys, null_embeddings, vector_index, app_label),
    )


def document_options(model: Any) -> dict[str, Any] | None:
    """Return the arguments of ``document_model()`` that return this model; None for any other model."""
    options = vars(model).get(_OPTIONS)
    return None if options is None else asdict(options)


@dataclass(frozen=True)
class _Options:
    table: str
    dimensions: int
    distance: str
    language: str | None
    indexed_metadata_keys: tuple[tuple[str, str], ...]
    null_embeddings: bool
    vector_index: bool
    app_label: str | None


@cache
def _model(options: _Options) -> Any:
    table = options.table
    indexes: list[Any] = []
    if options.vector_index:
        indexes.append(HnswIndex(fields=["embedding"], name=f"{table}_embedding", distance=options.distance))
    if options.language is not None:
        indexes.append(TextIndex(fields=["text"], name=f"{table}_text", language=options.language))
    columns = {name: _column(name, kind) for name, kind in options.indexed_metadata_keys}
    indexes += [dorm.Index(fields=[name], name=f"{table}_{name}_key") for name in columns]
    meta = {
        "db_table": table,
        "indexes": indexes,
        "managed": options.app_label is not None,
        **({"app_label": options.app_label} if options.app_label else {}),
    }
    attributes = {
        "__module__": __name__,
        "__doc__": f"Documents in the table {table}.",
        # Not the primary key: MariaDB's vector index supports keys up to 256 bytes, and libSQL's no text keys.
        "document_id": TextKeyField(max_length=255, unique=True),
        "text": LongTextField(default=""),
        "metadata": dorm.JSONField(default=dict),
        "embedding": VectorField(options.dimensions, null=options.null_embeddings),
        **columns,
        _OPTIONS: options,
        "Meta": type("Meta", (), meta),
    }
    metaclass: Any = type(dorm.Model)
    return metaclass(f"DocumentOf_{table}", (dorm.Model,), attributes)


def _column(name: str, kind: str) -> Any:
    if not name.isidentifier() or keyword.iskeyword(name) or "__" in name or name in _TAKEN:
        raise ValueError(
            f"The metadata key {name!r} cannot be a column: want a Python name that is none of {', '.join(_TAKEN)}."
        )
    if kind not in _COLUMNS:
        raise ValueError(f"The metadata key {name!r} has the type {kind!r}. Known are {', '.join(_COLUMNS)}.")
    return _COLUMNS[kind]()


_OPTIONS = "_document_options"

_TAKEN = ("id", "pk", "document_id", "text", "metadata", "embedding", "objects")

# By the names that LlamaIndex's store for PostgreSQL has.
_COLUMNS: dict[str, Callable[[], Any]] = {
    "text": lambda: TextKeyField(max_length=255, null=True),
    "int": lambda: dorm.BigIntegerField(null=True),
    "integer": lambda: dorm.BigIntegerField(null=True),
    "bigint": lambda: dorm.BigIntegerField(null=True),
    "numeric": lambda: dorm.FloatField(null=True),
    "float": lambda: dorm.FloatField(null=True),
    "double precision": lambda: dorm.FloatField(null=True),
    "boolean": lambda: dorm.BooleanField(null=True),
}


def create_table(model: Any, *, using: str = "default") -> Any:
    """Do what ``create_tables(model)`` does, and return the model."""
    create_tables(model, using=using)
    return model


async def acreate_table(model: Any, *, using: str = "default") -> Any:
    """Do what ``acreate_tables(model)`` does, and return the model."""
    await acreate_tables(model, using=using)
    return model


__all__ = ["acreate_table", "create_table", "document_model"]
