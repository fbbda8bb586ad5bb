"""The retrievers of the document store, components of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ..extras import required
from .store import DormDocumentStore, Filters

with required("haystack"):
    from haystack import component, default_from_dict, default_to_dict
    from haystack.dataclasses import Document
    from haystack.document_stores.types import FilterPolicy, apply_filter_policy

_PUBLIC = __name__.rpartition(".")[0]
"""The module by which saved pipelines name the classes."""


class _Retriever:
    """What every retriever has: a store, filters, and how many documents it returns."""

    # Not __init__(): @component makes another class of the retriever's, for which super() fails.
    def _set_up(
        self,
        document_store: DormDocumentStore,
        filters: Filters,
        top_k: int,
        filter_policy: str | FilterPolicy,
        options: Mapping[str, Any],
    ) -> None:
        if not isinstance(document_store, DormDocumentStore):
            raise TypeError(f"{type(self).__name__}({document_store!r}): want a DormDocumentStore.")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.filter_policy = (
            filter_policy if isinstance(filter_policy, FilterPolicy) else FilterPolicy.from_str(filter_policy)
        )
        self._options = dict(options)

    def to_dict(self) -> dict[str, Any]:
        """Return what a saved pipeline has for the retriever."""
        return default_to_dict(
            self,
            document_store=self.document_store,
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
            **self._options,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the retriever that ``to_dict()`` described."""
        return default_from_dict(cls, data)

    def _asked(self, filters: Filters, top_k: int | None) -> dict[str, Any]:
        return {
            "filters": apply_filter_policy(self.filter_policy, self.filters, filters),
            "top_k": self.top_k if top_k is None else top_k,
            **{name: value for name, value in self._options.items() if value is not None},
        }


@component
class DormEmbeddingRetriever(_Retriever):
    """Retrieve the documents nearest to the embedding of a query.

    Args:
        document_store: The store.
        filters: A Haystack filter.
        top_k: How many documents to return.
        max_distance: The greatest distance of a document.
        exact: Whether to search without the index, as in ``nearest()``.
        search_options: Options of the index search, as in ``search_options()``.
        group_by: A metadata key, such as the ``source_id`` of chunks, of which each value is found once.
        filter_policy: Whether filters of a run replace those of the retriever, or are merged with them.
    """

    __module__ = _PUBLIC

    def __init__(
        self,
        document_store: DormDocumentStore,
        *,
        filters: Filters = None,
        top_k: int = 10,
        max_distance: float | None = None,
        exact: bool | None = None,
        search_options: dict[str, int | str] | None = None,
        group_by: str | None = None,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        options = {
            "max_distance": max_distance,
            "exact": exact,
            "search_options": search_options,
            "group_by": group_by,
        }
        self._set_up(document_store, filters, top_k, filter_policy, options)

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: Filters = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the nearest documents as ``documents``, nearest first."""
        return {"documents": self.document_store.embedding_retrieval(query_embedding, **self._asked(filters, top_k))}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query_embedding: list[float], filters: Filters = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Do what ``run`` does."""
        asked = self._asked(filters, top_k)
        return {"documents": await self.document_store.embedding_retrieval_async(query_embedding, **asked)}


@component
class DormKeywordRetriever(_Retriever):
    """Retrieve documents by full-text search.

    Args:
        document_store: The store.
        filters: A Haystack filter.
        top_k: How many documents to return.
        filter_policy: Whether filters of a run replace those of the retriever, or are merged with them.
    """

    __module__ = _PUBLIC

    def __init__(
        self,
        document_store: DormDocumentStore,
        *,
        filters: Filters = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        self._set_up(document_store, filters, top_k, filter_policy, {})

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: Filters = None, top_k: int | None = None) -> dict[str, list[Document]]:
        """Return the best documents as ``documents``, best first."""
        return {"documents": self.document_store.keyword_retrieval(query, **self._asked(filters, top_k))}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: Filters = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Do what ``run`` does."""
        return {"documents": await self.document_store.keyword_retrieval_async(query, **self._asked(filters, top_k))}


@component
class DormHybridRetriever(_Retriever):
    """Retrieve documents by full-text search and embedding at once, in one statement.

    Args:
        document_store: The store.
        filters: A Haystack filter.
        top_k: How many documents to return.
        fusion: How the rankings are fused, as in ``hybrid_search()``: ``"rrf"`` or ``"weighted"``.
        weights: The weights of ``"text"`` and ``"vector"``.
        candidates: How many documents each search contributes.
        rrf_constant: The constant of reciprocal rank fusion.
        exact: Whether to search without the vector index.
        filter_policy: Whether filters of a run replace those of the retriever, or are merged with them.
    """

    __module__ = _PUBLIC

    def __init__(
        self,
        document_store: DormDocumentStore,
        *,
        filters: Filters = None,
        top_k: int = 10,
        fusion: str | None = None,
        weights: dict[str, float] | None = None,
        candidates: int | None = None,
        rrf_constant: int | None = None,
        exact: bool | None = None,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        options = {
            "fusion": fusion,
            "weights": weights,
            "candidates": candidates,
            "rrf_constant": rrf_constant,
            "exact": exact,
        }
        self._set_up(document_store, filters, top_k, filter_policy, options)

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int | None = None,
    ) -> dict[str, list[Document]]:
        """Return the best documents as ``documents``, best first."""
        found = self.document_store.hybrid_retrieval(query, query_embedding, **self._asked(filters, top_k))
        return {"documents": found}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int | None = None,
    ) -> dict[str, list[Document]]:
        """Do what ``run`` does."""
        asked = self._asked(filters, top_k)
        return {"documents": await self.document_store.hybrid_retrieval_async(query, query_embedding, **asked)}
