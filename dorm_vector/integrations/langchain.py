"""A LangChain vector store over a model: ``DormVectorStore``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..steps import Steps, arun, run
from .extras import required
from .filters import from_dict
from .langchain_documents import Documents, Filter, as_document
from .records import Asked, Found, relevance

with required("langchain"):
    from langchain_core.documents import Document

Scored = list[tuple[Document, float]]

_NARROWED = ("filter", "max_distance", "exact", "search_options", "group_by")


class DormVectorStore(Documents):
    """A LangChain vector store over your own model, or over a ready-made one from ``document_model()``.

    Searches accept ``filter``, a LangChain dict such as ``{"pages": {"$gt": 3}}`` or a ``Q``; ``max_distance``,
    ``exact`` and ``search_options`` as in ``nearest()``; and ``group_by``, a metadata key such as ``"doc_id"``, of
    which each value is found once, by its nearest document. Documents without that key are left out.

    Args:
        model: A model, or a queryset, which limits reads, writes and deletes to its rows.
        embedding: Anything that ``as_embedder`` accepts; optional if the vector field is an EmbeddingField.
        id_field: By default, the only TextKeyField, or else the primary key.
        text_field: By default, the source of the EmbeddingField, or else the only TextField.
        embedding_field: By default, the only vector field.
        metadata_field: The JSONField for keys that have no column. By default, the JSONField named ``metadata``.
        metadata_columns: The columns that hold metadata keys of their name. By default, all other columns.
        distance: By default, the distance of the field's index, or cosine.
        relevance_score_fn: Turns a distance into a relevance. By default, the metric decides.
        using: The database alias.
        databases: Aliases to search at once, as ``federated_nearest()`` does; such a store only reads.
        on_error: What happens if one of ``databases`` fails: ``"raise"``, or ``"partial"`` for the others' documents.
        clean_text: Whether to remove NUL characters from stored text, and replace lone surrogates with U+FFFD. If
            False, such text raises ValueError.

    Raises:
        FieldDoesNotExist: The model does not have a field.
        ValueError: A filter, an id, a text or metadata is invalid, or the model or the database cannot store it.
        EmbeddingError: A text must be embedded, and there is no embedder.
    """

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the ``k`` documents nearest to the text, nearest first.

        ``hybrid=True`` adds full-text search; pass a dict instead to set the options of ``hybrid_search``.
        """
        return _documents(run(self._finding(query, k, **kwargs)))

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Do what ``similarity_search`` does."""
        return _documents(await arun(self._finding(query, k, **kwargs)))

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Return the ``k`` documents nearest to the text, each with its distance; smaller is nearer."""
        return _scored(run(self._searching(query, k, **kwargs)))

    async def asimilarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Do what ``similarity_search_with_score`` does."""
        return _scored(await arun(self._searching(query, k, **kwargs)))

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the ``k`` documents nearest to the vector, nearest first."""
        return _documents(run(self._rows.search(embedding, k, self._asked(**kwargs))))

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Do what ``similarity_search_by_vector`` does."""
        return _documents(await arun(self._rows.search(embedding, k, self._asked(**kwargs))))

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> Scored:
        """Return the ``k`` documents nearest to the vector, each with its distance."""
        return _scored(run(self._rows.search(embedding, k, self._asked(**kwargs))))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> Scored:
        """Do what ``similarity_search_with_score_by_vector`` does."""
        return _scored(await arun(self._rows.search(embedding, k, self._asked(**kwargs))))

    def hybrid_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the ``k`` best documents of a hybrid search (full-text and semantic), best first.

        ``fts_query`` holds the words where they are not those of the text that is embedded. Accepts ``fusion``,
        ``weights``, ``candidates`` and ``rrf_constant`` as in ``dorm_vector.hybrid_search``.
        """
        return _documents(run(self._searching_both(query, k, **kwargs)))

    async def ahybrid_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Do what ``hybrid_search`` does."""
        return _documents(await arun(self._searching_both(query, k, **kwargs)))

    def hybrid_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Return the documents of ``hybrid_search``, each with its fused score; greater is better."""
        return _by_score(run(self._searching_both(query, k, **kwargs)))

    async def ahybrid_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Do what ``hybrid_search_with_score`` does."""
        return _by_score(await arun(self._searching_both(query, k, **kwargs)))

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return ``k`` diverse documents, selected with MMR from the ``fetch_k`` nearest.

        ``lambda_mult`` ranges from 0, for maximum diversity, to 1, for relevance only.
        """
        return _documents(run(self._diversifying(query, k, fetch_k, lambda_mult, **kwargs)))

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search`` does."""
        return _documents(await arun(self._diversifying(query, k, fetch_k, lambda_mult, **kwargs)))

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search`` does, for a vector."""
        return _documents(run(self._rows.diverse(embedding, k, fetch_k, lambda_mult, self._asked(**kwargs))))

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search_by_vector`` does."""
        return _documents(await arun(self._rows.diverse(embedding, k, fetch_k, lambda_mult, self._asked(**kwargs))))

    def max_marginal_relevance_search_with_score(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> Scored:
        """Return the same documents, each with its distance, in the order in which they were chosen."""
        return _scored(run(self._diversifying(query, k, fetch_k, lambda_mult, **kwargs)))

    async def amax_marginal_relevance_search_with_score(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> Scored:
        """Do what ``max_marginal_relevance_search_with_score`` does."""
        return _scored(await arun(self._diversifying(query, k, fetch_k, lambda_mult, **kwargs)))

    def max_marginal_relevance_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> Scored:
        """Do what ``max_marginal_relevance_search`` does, for a vector."""
        return _scored(run(self._rows.diverse(embedding, k, fetch_k, lambda_mult, self._asked(**kwargs))))

    async def amax_marginal_relevance_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> Scored:
        """Do what ``max_marginal_relevance_search_with_score_by_vector`` does."""
        return _scored(await arun(self._rows.diverse(embedding, k, fetch_k, lambda_mult, self._asked(**kwargs))))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        if self.override_relevance_score_fn is not None:
            return self.override_relevance_score_fn
        return lambda distance: relevance(self._rows.metric, distance)

    # steps shared by the sync and async methods

    def _finding(
        self, query: str, k: int, *, hybrid: bool | Mapping[str, Any] = False, **kwargs: Any
    ) -> Steps[list[Found]]:
        if hybrid is False:
            return self._searching(query, k, **kwargs)
        return self._searching_both(query, k, **kwargs, **({} if hybrid is True else hybrid))

    def _searching_both(
        self, query: str, k: int, *, fts_query: str | None = None, **options: Any
    ) -> Steps[list[Found]]:
        narrowed = {name: options.pop(name) for name in _NARROWED if name in options}
        asked = self._asked(**narrowed)
        vector = yield from self._rows.embedded(query)
        found = yield from self._rows.both(query if fts_query is None else fts_query, vector, k, asked, **options)
        return found

    def _searching(self, query: str, k: int, **kwargs: Any) -> Steps[list[Found]]:
        asked = self._asked(**kwargs)
        vector = yield from self._rows.embedded(query)
        found = yield from self._rows.search(vector, k, asked)
        return found

    def _diversifying(self, query: str, k: int, fetch_k: int, balance: float, **kwargs: Any) -> Steps[list[Found]]:
        asked = self._asked(**kwargs)
        vector = yield from self._rows.embedded(query)
        found = yield from self._rows.diverse(vector, k, fetch_k, balance, asked)
        return found

    def _asked(self, *, filter: Filter | None = None, **options: Any) -> Asked:
        unknown = sorted(set(options) - set(_NARROWED))
        if unknown:
            also = " By words too: hybrid_search_with_score()." if {"hybrid", "fts_query"} & set(unknown) else ""
            raise TypeError(f"This search takes {', '.join(_NARROWED)}; got {', '.join(unknown)}.{also}")
        return Asked(from_dict(self._rows.columns, filter), **options)


def _documents(found: Iterable[Found]) -> list[Document]:
    return [as_document(each.record) for each in found]


def _scored(found: Iterable[Found]) -> Scored:
    return [(as_document(each.record), float("nan") if each.distance is None else each.distance) for each in found]


def _by_score(found: Iterable[Found]) -> Scored:
    return [(as_document(each.record), 0.0 if each.score is None else each.score) for each in found]
