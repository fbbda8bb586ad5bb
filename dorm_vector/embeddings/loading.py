"""Embed rows that bypass ``save()``, before their values are bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..steps import Steps, Wait
from ..values.missing import is_missing
from .ahead import BeginEmbedding, EmbeddingWorker
from .on_save import embedding_fields, record_names, set_vectors, waiting_texts


@dataclass
class _Waiting:
    """Texts of one field that are being embedded."""

    field: Any
    texts: list[tuple[Any, str]]
    begun: Any


class Filling:
    """The rows of a batch (instances or dicts), whose missing embeddings are made in the background."""

    def __init__(self, model: Any, rows: list[Any]) -> None:
        self._model, self._rows = model, rows
        self._fields = embedding_fields(model)
        self._instances: list[Any] = []
        self._waiting: list[_Waiting] = []

    def begin(self, worker: EmbeddingWorker) -> Steps[None]:
        """Find the texts, and begin to embed them."""
        model, rows = self._model, self._rows
        if not self._fields or not all(isinstance(row, (model, Mapping)) for row in rows):
            return  # invalid rows are rejected later
        self._instances = [row if isinstance(row, model) else model(**_whole(row)) for row in rows]
        for field in self._fields:
            texts = yield from waiting_texts(field, self._instances)
            if texts:
                only = [text for _instance, text in texts]
                begun = yield BeginEmbedding(worker, field.embedder, only, field.batch_size)
                self._waiting.append(_Waiting(field, texts, begun))

    def end(self) -> Steps[list[Any]]:
        """Wait for the embeddings, and return the rows with them."""
        for each in self._waiting:
            vectors = yield Wait(each.begun)
            set_vectors(each.field, each.texts, map(each.field.to_vector, vectors))
        if not self._instances:
            return self._rows
        return [
            row if isinstance(row, self._model) else {**row, **_made(self._fields, instance)}
            for row, instance in zip(self._rows, self._instances, strict=True)
        ]


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if is_missing(value) else value for name, value in row.items()}


def _made(fields: list[Any], instance: Any) -> dict[str, Any]:
    return {name: instance.__dict__.get(name) for field in fields for name in (field.attname, *record_names(field))}
