"""The model of a store in a saved pipeline: a dotted path, or the arguments of ``document_model()``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..extras import required
from ..tables import document_model, document_options

with required("haystack"):
    from haystack.core.errors import SerializationError
    from haystack.core.serialization import import_class_by_name


def serialized(source: Any) -> str | dict[str, Any]:
    """Return what a saved pipeline has for a model; raise SerializationError for one that it could not import."""
    options = document_options(source) if isinstance(source, type) else None
    if options is not None:
        keys = [list(each) for each in options["indexed_metadata_keys"]]
        return {**options, "indexed_metadata_keys": keys}
    path = f"{getattr(source, '__module__', '')}.{getattr(source, '__qualname__', '')}"
    if not isinstance(source, type) or "<" in path or not _is_there(source):
        raise SerializationError(
            f"A saved pipeline imports the model by its name, and {source!r} has none. Give the store a model class of"
            " a module, or document_model(…); to confine the store, use the model's default manager or filters of the"
            " retriever."
        )
    return path


def _is_there(model: type) -> bool:
    return getattr(import_module(model.__module__), model.__qualname__, None) is model


def deserialized(stored: Any) -> Any:
    """Return the model that ``serialized()`` describes; Haystack's allowlist decides what is imported."""
    if isinstance(stored, Mapping):
        keys = [(name, kind) for name, kind in stored.get("indexed_metadata_keys", ())]
        return document_model(**{**stored, "indexed_metadata_keys": keys})
    return import_class_by_name(stored) if isinstance(stored, str) else stored
