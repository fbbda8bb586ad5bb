"""The documents of the LangChain store: how they are written, read and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Self

from dorm.expressions import Q

from ..retrieval.each_database import OnError
from ..steps import Steps, arun, run
from .extras import required
from .filter_targets import all_of
from .filters import from_dict, on_text
from .records import Page, Record
from .rows import Rows

with required("langchain"):
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore

Filter = Mapping[str, Any] | Q

INCLUDED = ("documents", "metadatas", "embeddings")


class Documents(VectorStore):
    """The half of the LangChain store that writes, reads and deletes documents."""

    def __init__(
        self,
        model: Any,
        embedding: Any = None,
        *,
        id_field: str | None = None,
        text_field: str | None = None,
        embedding_field: str | None = None,
        metadata_field: str | None = None,
        metadata_columns: Sequence[str] | None = None,
        distance: str | None = None,
        relevance_score_fn: Callable[[float], float] | None = None,
        using: str | None = None,
        databases: Iterable[str] | None = None,
        on_error: OnError = "raise",
        clean_text: bool = False,
    ) -> None:
        self._embedding = embedding
        self.override_relevance_score_fn = relevance_score_fn
        self._rows = Rows(
            model,
            embedding=embedding,
            distance=distance,
            using=using,
            databases=databases,
            on_error=on_error,
            clean_text=clean_text,
            id_field=id_field,
            text_field=text_field,
            embedding_field=embedding_field,
            metadata_field=metadata_field,
            metadata_columns=metadata_columns,
        )

    @property
    def embeddings(self) -> Embeddings | None:
        return self._embedding if isinstance(self._embedding, Embeddings) else None

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Any,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        model: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over ``model``, and add the texts to it; its table must exist."""
        store = cls(_given(model), embedding, **options)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Any,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        model: Any = None,
        **options: Any,
    ) -> Self:
        """Do what ``from_texts`` does."""
        store = cls(_given(model), embedding, **options)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def from_embeddings(
        cls,
        text_embeddings: Iterable[tuple[str, list[float]]],
        embedding: Any = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        model: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over ``model`` with texts that are embedded already; ``embedding`` embeds questions."""
        store, (texts, vectors) = cls(_given(model), embedding, **options), _unzipped(text_embeddings)
        store.add_embeddings(texts, vectors, metadatas, ids)
        return store

    @classmethod
    async def afrom_embeddings(
        cls,
        text_embeddings: Iterable[tuple[str, list[float]]],
        embedding: Any = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        model: Any = None,
        **options: Any,
    ) -> Self:
        """Do what ``from_embeddings`` does."""
        store, (texts, vectors) = cls(_given(model), embedding, **options), _unzipped(text_embeddings)
        await store.aadd_embeddings(texts, vectors, metadatas, ids)
        return store

    # writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Upsert all of the texts or none, replacing documents with the same ids, and return the ids.

        ``batch_size`` is how many texts the embedding gets at once, and how many rows one statement writes.
        """
        return run(self._adding(texts, None, metadatas, ids, batch_size, **kwargs))

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Do what ``add_texts`` does."""
        return await arun(self._adding(texts, None, metadatas, ids, batch_size, **kwargs))

    def add_embeddings(
        self,
        texts: Iterable[str],
        embeddings: Sequence[Any],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        *,
        batch_size: int | None = None,
    ) -> list[str]:
        """Write texts with the vectors that they already have, as ``add_texts`` writes texts."""
        return run(self._adding(texts, embeddings, metadatas, ids, batch_size))

    async def aadd_embeddings(
        self,
        texts: Iterable[str],
        embeddings: Sequence[Any],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        *,
        batch_size: int | None = None,
    ) -> list[str]:
        """Do what ``add_embeddings`` does."""
        return await arun(self._adding(texts, embeddings, metadatas, ids, batch_size))

    # reading and deleting

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents with these ids, in the same order; ids that do not exist are skipped."""
        return [as_document(record) for record in run(self._rows.get(ids))]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Do what ``get_by_ids`` does."""
        return [as_document(record) for record in await arun(self._rows.get(ids))]

    def get(
        self,
        ids: str | Sequence[str] | None = None,
        where: Filter | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Return ``ids``, ``documents`` and ``metadatas``, in the order of the primary key.

        ``where`` is a filter, and ``where_document`` one of the text: ``{"$contains": "delta"}``. ``include`` names
        what comes with the ids: ``documents``, ``metadatas`` and ``embeddings``.
        """
        included, page = _included(include), self._page(ids, where, where_document, limit, offset)
        return _columns(run(self._rows.page(page)), included)

    async def aget(
        self,
        ids: str | Sequence[str] | None = None,
        where: Filter | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Do what ``get`` does."""
        included, page = _included(include), self._page(ids, where, where_document, limit, offset)
        return _columns(await arun(self._rows.page(page)), included)

    def delete(self, ids: list[str] | None = None, *, filter: Filter | None = None, **kwargs: Any) -> bool:
        """Delete documents by id, by filter, or by both (both must match); ``filter={}`` deletes all documents."""
        return run(self._deleting(ids, filter, **kwargs))

    async def adelete(self, ids: list[str] | None = None, *, filter: Filter | None = None, **kwargs: Any) -> bool:
        """Do what ``delete`` does."""
        return await arun(self._deleting(ids, filter, **kwargs))

    # steps shared by the sync and async methods

    def _adding(
        self,
        texts: Iterable[str],
        vectors: Sequence[Any] | None,
        metadatas: list[dict[str, Any]] | None,
        ids: list[str] | None,
        batch_size: int | None,
    ) -> Steps[list[str]]:
        return self._rows.add(list(_records(list(texts), vectors, metadatas, ids)), batch_size=batch_size)

    def _deleting(self, ids: list[str] | None, filter: Filter | None) -> Steps[bool]:
        if ids is None and filter is None:
            raise ValueError("delete() without ids and filter would delete every row. Say delete(filter={}) for that.")
        yield from self._rows.delete(ids, from_dict(self._rows.columns, filter))
        return True

    def _page(
        self,
        ids: str | Sequence[str] | None,
        where: Filter | None,
        where_document: Mapping[str, Any] | None,
        limit: int | None,
        offset: int | None,
    ) -> Page:
        columns = self._rows.columns
        found = [from_dict(columns, where), on_text(columns, where_document)]
        conditions = [condition for condition in found if condition is not None]
        wanted = None if ids is None else [ids] if isinstance(ids, str) else list(ids)
        return Page(wanted, all_of(conditions) if conditions else None, limit, offset or 0)


def as_document(record: Record) -> Document:
    return Document(id=record.id, page_content=record.text, metadata=dict(record.metadata))


def _given(model: Any) -> Any:
    if model is None:
        raise TypeError(
            "The store needs a model: from_texts(texts, embedding, model=Document), or"
            ' model=create_table(document_model("documents", dimensions=384)).'
        )
    return model


def _unzipped(text_embeddings: Iterable[tuple[str, list[float]]]) -> tuple[list[str], list[list[float]]]:
    pairs = list(text_embeddings)
    return [text for text, _vector in pairs], [vector for _text, vector in pairs]


def _records(
    texts: Sequence[str],
    vectors: Sequence[Any] | None,
    metadatas: Sequence[dict[str, Any]] | None,
    ids: Sequence[str | None] | None,
) -> Iterator[Record]:
    for name, given in (("embeddings", vectors), ("metadatas", metadatas), ("ids", ids)):
        if given is not None and len(given) != len(texts):
            raise ValueError(f"There are {len(texts)} texts, and {len(given)} {name}. Give one for each text.")
    columns = (() if given is None else given for given in (metadatas, ids, vectors))
    for text, metadata, key, vector in zip_longest(texts, *columns):
        yield Record(text, metadata or {}, key, vector)


def _included(include: Sequence[str] | None) -> Sequence[str]:
    if include is None:
        return INCLUDED[:2]
    unknown = [name for name in include if name not in INCLUDED]
    if isinstance(include, str) or unknown:
        raise ValueError(f"include={include!r}: want a list of {', '.join(INCLUDED)}.")
    return include


def _columns(records: Sequence[Record], included: Sequence[str]) -> dict[str, Any]:
    columns = {
        "documents": lambda record: record.text,
        "metadatas": lambda record: dict(record.metadata),
        "embeddings": lambda record: record.vector,
    }
    found: dict[str, Any] = {"ids": [record.id for record in records]}
    return found | {name: [columns[name](record) for record in records] for name in included}
