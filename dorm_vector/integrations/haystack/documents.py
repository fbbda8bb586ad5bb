"""Haystack's documents as records: what has no column is stored under one key of the metadata."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..columns import Columns
from ..extras import required
from ..records import Record
from .moments import moments_in

with required("haystack"):
    from haystack.dataclasses import ByteStream, Document, SparseEmbedding

HIDDEN = "_haystack"

NO_CONTENT = "no_content"


def records_of(documents: Any, columns: Columns) -> list[Record]:
    """Return the records of a list of documents; raise ValueError if it is none."""
    if not isinstance(documents, Sequence) or isinstance(documents, str):
        raise ValueError(f"write_documents() takes a list of Documents; got {documents!r}.")  # noqa: TRY004  # as Haystack
    for position, document in enumerate(documents):
        if not isinstance(document, Document):
            raise ValueError(  # noqa: TRY004  # the error of Haystack's other stores
                f"write_documents() takes Documents; got {document!r} at position {position}."
            )
    return [_record(document, position, columns) for position, document in enumerate(documents)]


def _record(document: Document, position: int, columns: Columns) -> Record:
    metadata = with_moments(document.meta, columns)
    hidden = {**metadata.pop(HIDDEN, {}), **_hidden(document, columns)}
    if hidden and columns.metadata is None:
        raise ValueError(
            f"Document {position} has {' and '.join(hidden)}, which {columns.model.__name__} has no place for."
            " Add a field: metadata = dorm.JSONField(default=dict)."
        )
    metadata |= {HIDDEN: hidden} if hidden else {}
    return Record(document.content or "", metadata, document.id, document.embedding)


def _hidden(document: Document, columns: Columns) -> dict[str, Any]:
    hidden: dict[str, Any] = {}
    if document.content is None and columns.metadata is not None:
        hidden[NO_CONTENT] = True
    if document.blob is not None:
        blob = {name: value for name, value in vars(document.blob).items() if name != "data"}
        hidden["blob"] = {**blob, "data": b64encode(document.blob.data).decode("ascii")}
    if document.sparse_embedding is not None:
        hidden["sparse_embedding"] = document.sparse_embedding.to_dict()
    return hidden


def with_moments(meta: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return the metadata with its dates in a form that filters compare; columns of the model stay as they are."""
    if HIDDEN in meta:
        raise ValueError(f"The metadata key {HIDDEN!r} is the store's own. Give the key another name.")
    if columns.metadata is None:
        return dict(meta)
    found = moments_in({key: value for key, value in meta.items() if key not in columns.others})
    return {**meta, HIDDEN: found} if found else dict(meta)


def rewritten(stored: Mapping[str, Any], meta: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return stored metadata with new values for some keys; what is hidden goes with it."""
    hidden = {name: value for name, value in (stored.get(HIDDEN) or {}).items() if name not in ("wall", "utc")}
    metadata = with_moments({**without_hidden(stored), **meta}, columns)
    hidden |= metadata.pop(HIDDEN, {})
    return {**metadata, HIDDEN: hidden} if hidden else metadata


def without_hidden(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a document as its author knows it."""
    return {name: value for name, value in stored.items() if name != HIDDEN}


def document_of(record: Record, score: float | None = None) -> Document:
    hidden = record.metadata.get(HIDDEN) or {}
    document = Document(
        id=str(record.id),
        content=None if hidden.get(NO_CONTENT) else record.text,
        meta=without_hidden(record.metadata),
        embedding=None if record.vector is None else [float(number) for number in record.vector],
        score=score,
    )
    if "blob" in hidden:
        blob = hidden["blob"]
        document = replace(document, blob=ByteStream(**{**blob, "data": b64decode(blob["data"])}))
    if "sparse_embedding" in hidden:
        document = replace(document, sparse_embedding=SparseEmbedding.from_dict(hidden["sparse_embedding"]))
    return document
