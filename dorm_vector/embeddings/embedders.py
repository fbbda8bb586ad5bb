"""The Embedder protocol, and adapters for functions, LangChain, LlamaIndex and SentenceTransformers."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

from ..exceptions import EmbeddingError
from ..steps import Step
from ..telemetry.observers import embedding


@runtime_checkable
class Embedder(Protocol):
    """The protocol for objects that turn texts into vectors: documents to store, and queries to search with.

    ``name`` is recorded with each stored vector, so that vectors of another model can be detected. ``dimensions`` is
    the length of the vectors, or None if it is not known in advance.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int | None: ...

    def embed_documents(self, texts: Sequence[str]) -> Sequence[Any]: ...

    def embed_query(self, text: str) -> Any: ...

    async def aembed_documents(self, texts: Sequence[str]) -> Sequence[Any]: ...

    async def aembed_query(self, text: str) -> Any: ...


Documents = Callable[[Sequence[str]], Any]

Query = Callable[[str], Any]


class _Adapted:
    """An embedder built from functions, some of which may be missing."""

    def __init__(
        self,
        name: str,
        dimensions: int | None,
        documents: Documents,
        query: Query | None = None,
        adocuments: Callable[[Sequence[str]], Awaitable[Any]] | None = None,
        aquery: Callable[[str], Awaitable[Any]] | None = None,
    ) -> None:
        self.name, self.dimensions = name, dimensions
        self.documents, self.query, self.adocuments, self.aquery = documents, query, adocuments, aquery

    def embed_documents(self, texts: Sequence[str]) -> Sequence[Any]:
        found: Sequence[Any] = _finished(self.documents(list(texts)))
        return found

    def embed_query(self, text: str) -> Any:
        return _finished(self.query(text)) if self.query is not None else self.embed_documents([text])[0]

    async def aembed_documents(self, texts: Sequence[str]) -> Sequence[Any]:
        # Embedding is slow, so run it in a thread to keep the event loop free.
        if self.adocuments is None:
            return await asyncio.to_thread(self.embed_documents, texts)
        found: Sequence[Any] = await self.adocuments(list(texts))
        return found

    async def aembed_query(self, text: str) -> Any:
        if self.aquery is not None:
            return await self.aquery(text)
        if self.query is not None or self.adocuments is None:
            return await asyncio.to_thread(self.embed_query, text)
        return (await self.aembed_documents([text]))[0]


def as_embedder(source: Any, *, name: str | None = None, dimensions: int | None = None) -> Embedder:
    """Return ``source`` as an Embedder.

    Args:
        source: An Embedder; a sync or async function of a list of texts; a LangChain or LlamaIndex embedding object; a
            SentenceTransformer; or the dotted path of one of these, which is imported immediately.
        name: The name to record with each vector; by default, that of the model, or of the function or class.
        dimensions: The length of the vectors; by default, what the source declares.

    Raises:
        EmbeddingError: ``source`` is none of these, or cannot be imported.
    """
    if isinstance(source, str):
        source = _imported(source)
    if isinstance(source, Embedder) and name is None and dimensions is None:
        return source
    known = name or _name_of(source), dimensions or _dimensions_of(source)
    if hasattr(source, "get_text_embedding_batch"):
        return _llama_index(source, *known)
    if hasattr(source, "embed_documents"):
        return _Adapted(
            *known,
            source.embed_documents,
            getattr(source, "embed_query", None),
            getattr(source, "aembed_documents", None),
            getattr(source, "aembed_query", None),
        )
    if hasattr(source, "encode"):
        return _sentence_transformer(source, *known)
    if callable(source):
        return _Adapted(*known, source, adocuments=source if inspect.iscoroutinefunction(source) else None)
    raise EmbeddingError(
        f"{source!r} is no embedder. Give a function of a list of texts, a LangChain or LlamaIndex embedding object,"
        " a SentenceTransformer, or the dotted path of one."
    )


def one_for_each(embedder: Embedder, texts: Sequence[str], vectors: Any) -> list[Any]:
    """Return the vectors as a list; raise EmbeddingError unless there is one for each text."""
    found = list(vectors) if isinstance(vectors, Iterable) else []
    if len(found) != len(texts):
        got = len(found) if isinstance(vectors, Iterable) else repr(vectors)
        raise EmbeddingError(f"{embedder.name} gave {got} vectors for {len(texts)} texts. It has to give one for each.")
    return found


def _llama_index(source: Any, name: str, dimensions: int | None) -> Embedder:
    # Do not use its async methods: unless a class overrides them, they block the event loop.
    return _Adapted(name, dimensions, source.get_text_embedding_batch, source.get_query_embedding)


def _sentence_transformer(source: Any, name: str, dimensions: int | None) -> Embedder:
    # Since 5.0, a model may encode queries differently from documents.
    of_documents = getattr(source, "encode_document", source.encode)
    of_query = getattr(source, "encode_query", source.encode)

    def documents(texts: Sequence[str]) -> Any:
        return of_documents(list(texts), show_progress_bar=False)

    return _Adapted(name, dimensions, documents, lambda text: of_query(text, show_progress_bar=False))


def _imported(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (AttributeError, ImportError, ValueError) as error:
        raise EmbeddingError(f"The embedder {path!r} cannot be imported: {error}.") from error


def _name_of(source: Any) -> str:
    if hasattr(source, "encode"):
        return _name_of_model(source) or _name_of_type(source)
    for attribute in ("name", "model_name", "model"):
        value = getattr(source, attribute, None)
        if isinstance(value, str) and value:
            return value
    return _name_of_type(source)


def _name_of_type(source: Any) -> str:
    named = source if hasattr(source, "__qualname__") else type(source)
    return f"{named.__module__}.{named.__qualname__}"


def _name_of_model(source: Any) -> str:
    """Return the model name or path of a SentenceTransformer, shortened to two parts, because a folder may move."""
    first = next(iter(source), None) if hasattr(source, "__iter__") else None
    path = getattr(getattr(getattr(first, "auto_model", None), "config", None), "name_or_path", "")
    return "/".join(PurePath(path).parts[-2:])


def _dimensions_of(source: Any) -> int | None:
    # The names of a SentenceTransformer's method since 5.2, and before.
    methods = (getattr(source, f"get_{name}_dimension", None) for name in ("embedding", "sentence_embedding"))
    method = next((method for method in methods if method is not None), None)
    value = method() if method is not None else getattr(source, "dimensions", None)
    return value if isinstance(value, int) else None


def _finished(result: Any) -> Any:
    """Return the result of an async function to sync code, by running it in a thread without an event loop."""
    if not inspect.iscoroutine(result):
        return result
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, result).result()


class EmbedDocuments(Step):
    """Embed a list of texts."""

    def __init__(self, embedder: Embedder, texts: list[str]) -> None:
        self.embedder, self.texts = embedder, texts

    def run(self, wrapper: Any) -> Any:
        with embedding(self.embedder.name, len(self.texts)):
            return self.embedder.embed_documents(self.texts)

    async def arun(self, wrapper: Any) -> Any:
        with embedding(self.embedder.name, len(self.texts)):
            return await self.embedder.aembed_documents(self.texts)
