"""A LlamaIndex vector store over a model: ``DormVectorStore``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from dorm.expressions import Q
from dorm.queryset import QuerySet

from ..embeddings.embedders import Embedder
from ..retrieval.each_database import OnError
from ..steps import Steps, arun, run
from .extras import required
from .filter_targets import all_of, target
from .filters import from_metadata_filters
from .records import Asked, Found, Record, relevance
from .rows import Rows

with required("llama-index"):
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode, MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

_CONTENT, _TYPE, _SOURCE = "_node_content", "_node_type", "ref_doc_id"

_BALANCE, _FETCHED = 0.5, 4

_TUNED = ("max_distance", "exact", "search_options", "group_by")

# Other stores of LlamaIndex write these too, and find the nodes of a document by one of them.
_SOURCES, _NO_SOURCE = ("document_id", "doc_id", _SOURCE), "None"

CustomizeQuery = Callable[..., Any]


class DormVectorStore(BasePydanticVectorStore):
    """A LlamaIndex vector store over your own model, or over a ready-made one from ``document_model()``.

    The LlamaIndex index embeds nodes and queries. ``embedding``, or the EmbeddingField, embeds those that come without
    a vector. Rows that your application wrote are read as TextNodes.

    Args:
        model: A model, or a queryset, which limits reads, writes and deletes to its rows.
        embedding: Anything that ``as_embedder`` accepts.
        id_field: By default, the only TextKeyField, or else the primary key.
        text_field: By default, the source of the EmbeddingField, or else the only TextField.
        embedding_field: By default, the only vector field.
        metadata_field: The JSONField for keys that have no column, and for the data that restores the node. By
            default, the JSONField named ``metadata``.
        metadata_columns: The columns that hold metadata keys of their name. By default, all other columns.
        distance: By default, the distance of the field's index, or cosine.
        customize_query_fn: ``customize_query_fn(queryset, model, **kwargs)`` returns the queryset that a query
            searches; ``kwargs`` are the ``vector_store_kwargs`` that the store does not know.
        using: The database alias.
        databases: Aliases to search at once, as ``federated_nearest()`` does; such a store only reads.
        on_error: What happens if one of ``databases`` fails: ``"raise"``, or ``"partial"`` for the others' documents.
        clean_text: Whether to remove NUL characters from stored text, and replace lone surrogates with U+FFFD. If
            False, such text raises ValueError.

    Raises:
        FieldDoesNotExist: The model does not have a field.
        ValueError: A filter, an id, a text or metadata is invalid, or the model or the database cannot store it; or
            the query mode is not supported.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    _rows: Rows = PrivateAttr()
    _customize_query_fn: CustomizeQuery | None = PrivateAttr(default=None)

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
        customize_query_fn: CustomizeQuery | None = None,
        using: str | None = None,
        databases: Iterable[str] | None = None,
        on_error: OnError = "raise",
        clean_text: bool = False,
    ) -> None:
        super().__init__(stores_text=True)
        self._customize_query_fn = customize_query_fn
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

    @classmethod
    def class_name(cls) -> str:
        return "DormVectorStore"

    @property
    def client(self) -> Any:
        """The model."""
        return self._rows.columns.model

    @property
    def embed_model(self) -> BaseEmbedding:
        """The embedder of this store: ``VectorStoreIndex.from_vector_store(store, embed_model=store.embed_model)``."""
        return EmbedModel(self._rows.embedder)

    # nodes

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Upsert all of the nodes or none, replacing nodes with the same ids, and return the ids."""
        return run(self._rows.add([self._record(node) for node in nodes]))

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Do what ``add`` does."""
        return await arun(self._rows.add([self._record(node) for node in nodes]))

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes that have these ids (or all nodes) and match the filters."""
        return [_node(record) for record in run(self._getting(node_ids, filters))]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Do what ``get_nodes`` does."""
        return [_node(record) for record in await arun(self._getting(node_ids, filters))]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document."""
        run(self._rows.delete(where=self._of_documents([ref_doc_id])))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Do what ``delete`` does."""
        await arun(self._rows.delete(where=self._of_documents([ref_doc_id])))

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Delete nodes by id, by filters, or by both (both must match); ``clear`` deletes all nodes."""
        run(self._deleting(node_ids, filters))

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Do what ``delete_nodes`` does."""
        await arun(self._deleting(node_ids, filters))

    def clear(self) -> None:
        """Delete every row of the model, or of the queryset."""
        run(self._rows.delete())

    async def aclear(self) -> None:
        """Do what ``clear`` does."""
        await arun(self._rows.delete())

    # queries

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the nodes that the query finds, best first, with similarities from 0 to 1.

        Accepts ``max_distance``, ``exact`` and ``search_options`` as in ``nearest()``, and ``group_by``, a metadata key
        such as ``"ref_doc_id"``, of which each value is found once, by its nearest node. The mode ``mmr`` also accepts
        ``mmr_threshold``, and the mode ``hybrid`` the options of ``hybrid_search``. The similarities of ``hybrid`` are
        fused scores. The modes ``text_search`` and ``sparse`` are the same, and their similarities are the database's
        own scores.
        """
        return self._result(run(self._querying(query, **kwargs)))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Do what ``query`` does."""
        return self._result(await arun(self._querying(query, **kwargs)))

    # steps shared by the sync and async methods

    def _getting(self, node_ids: list[str] | None, filters: MetadataFilters | None) -> Steps[list[Record]]:
        where = from_metadata_filters(self._rows.columns, filters)
        return self._rows.filtered(where) if node_ids is None else self._rows.get(node_ids, where)

    def _deleting(self, node_ids: list[str] | None, filters: MetadataFilters | None) -> Steps[int]:
        where = from_metadata_filters(self._rows.columns, filters)
        if node_ids is None and where is None:
            raise ValueError("delete_nodes() without node_ids and filters would delete every row. clear() does.")
        return self._rows.delete(node_ids, where)

    def _querying(self, query: VectorStoreQuery, **options: Any) -> Steps[list[Found]]:
        mode = str(getattr(query.mode, "value", query.mode))
        if mode not in _MODES:
            raise ValueError(f"The mode {mode!r} is none of this store. It has {', '.join(_MODES)}.")
        tuned = {name: options.pop(name) for name in _TUNED if name in options}
        if self._customize_query_fn is not None:
            own = {name: options.pop(name) for name in list(options) if name not in _OPTIONS.get(mode, ())}
            tuned["narrow"] = partial(self._customized, own)
        found = yield from _MODES[mode](self._rows, query, Asked(self._where(query), **tuned), **options)
        return found

    def _customized(self, own: dict[str, Any], queryset: Any) -> Any:
        function: Any = self._customize_query_fn
        customized = function(queryset, self.client, **own)
        if not isinstance(customized, QuerySet):
            raise TypeError(
                f"customize_query_fn has to return a queryset of {self.client.__name__}; got {customized!r}."
            )
        return customized

    def _similarity(self, found: Found) -> float:
        return relevance(self._rows.metric, found.distance) if found.score is None else found.score

    def _where(self, query: VectorStoreQuery) -> Q | None:
        filters = from_metadata_filters(self._rows.columns, query.filters)
        conditions = [] if filters is None else [filters]
        # An index that does not keep its own nodes sends an empty list.
        if query.node_ids:
            conditions.append(self._rows.among(query.node_ids))
        if query.doc_ids:
            conditions.append(self._of_documents(query.doc_ids))
        return all_of(conditions) if conditions else None

    def _of_documents(self, ids: Sequence[str]) -> Q:
        return target(self._rows.columns, _SOURCE).one_of(ids)

    # nodes as documents

    def _record(self, node: BaseNode) -> Record:
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        return Record(text, self._metadata(node), node.node_id, node.embedding)

    def _metadata(self, node: BaseNode) -> Mapping[str, Any]:
        columns, metadata = self._rows.columns, dict(node.metadata)
        if node.ref_doc_id is not None and (columns.metadata is not None or _SOURCE in columns.others):
            metadata[_SOURCE] = node.ref_doc_id
        if columns.metadata is not None:
            described = node_to_metadata_dict(node, remove_text=True, flat_metadata=self.flat_metadata)
            metadata |= {_CONTENT: described[_CONTENT], _TYPE: described[_TYPE]}
            if node.ref_doc_id is not None:
                metadata |= {name: node.ref_doc_id for name in _SOURCES if name not in node.metadata}
        return metadata

    def _result(self, found: list[Found]) -> VectorStoreQueryResult:
        return VectorStoreQueryResult(
            nodes=[_node(each.record) for each in found],
            similarities=[self._similarity(each) for each in found],
            ids=[str(each.record.id) for each in found],
        )


def _node(record: Record) -> BaseNode:
    metadata = dict(record.metadata)
    described = {name: metadata.pop(name) for name in (_CONTENT, _TYPE) if name in metadata}
    source = metadata.pop(_SOURCE, None)
    if _CONTENT in described:
        node = metadata_dict_to_node(described, text=record.text)
        # The metadata and the text of the row go first: the application may have changed them.
        had = node.metadata
        added = [name for name in _SOURCES if name not in had and metadata.get(name) in (source, _NO_SOURCE)]
        metadata = {name: value for name, value in metadata.items() if name not in added}
        node.metadata = metadata | ({_SOURCE: had[_SOURCE]} if _SOURCE in had else {})
        return node
    node = TextNode(id_=str(record.id), text=record.text, metadata=metadata)
    if source is not None:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=str(source))
    return node


# the modes of a query


def _vector(rows: Rows, query: VectorStoreQuery) -> Steps[Any]:
    if query.query_embedding is not None:
        return query.query_embedding
    if query.query_str is None:
        raise ValueError("A query needs query_embedding, or query_str to embed.")
    vector = yield from rows.embedded(query.query_str)
    return vector


def _nearest(rows: Rows, query: VectorStoreQuery, asked: Asked) -> Steps[list[Found]]:
    vector = yield from _vector(rows, query)
    found = yield from rows.search(vector, query.similarity_top_k, asked)
    return found


def _diverse(
    rows: Rows, query: VectorStoreQuery, asked: Asked, mmr_threshold: float | None = None
) -> Steps[list[Found]]:
    vector = yield from _vector(rows, query)
    k, given = query.similarity_top_k, (mmr_threshold, query.mmr_threshold)
    balance = next((value for value in given if value is not None), _BALANCE)
    found = yield from rows.diverse(vector, k, _FETCHED * k, balance, asked)
    return found


def _of_words(rows: Rows, query: VectorStoreQuery, asked: Asked) -> Steps[list[Found]]:
    k = query.similarity_top_k if query.sparse_top_k is None else query.sparse_top_k
    return rows.of_words(_text(query), k, asked)


def _of_both(rows: Rows, query: VectorStoreQuery, asked: Asked, **options: Any) -> Steps[list[Found]]:
    """Run a hybrid search; ``alpha`` weighs the vector search, and ``sparse_top_k`` can raise the candidates."""
    text = _text(query)
    vector = yield from _vector(rows, query)
    if query.alpha is not None:
        options.setdefault("weights", {"text": 1 - query.alpha, "vector": query.alpha})
    if query.sparse_top_k is not None:
        options.setdefault("candidates", max(query.similarity_top_k, query.sparse_top_k))
    k = query.similarity_top_k if query.hybrid_top_k is None else query.hybrid_top_k
    found = yield from rows.both(text, vector, k, asked, **options)
    return found


def _text(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise ValueError(f"The mode {query.mode.value!r} searches words, and needs query_str.")
    return query.query_str


_MODES: dict[str, Callable[..., Steps[list[Found]]]] = {
    VectorStoreQueryMode.DEFAULT.value: _nearest,
    VectorStoreQueryMode.MMR.value: _diverse,
    VectorStoreQueryMode.HYBRID.value: _of_both,
    VectorStoreQueryMode.TEXT_SEARCH.value: _of_words,
    VectorStoreQueryMode.SPARSE.value: _of_words,
}


# The additional options of each mode; all others go to customize_query_fn.
_OPTIONS: dict[str, tuple[str, ...]] = {
    VectorStoreQueryMode.MMR.value: ("mmr_threshold",),
    VectorStoreQueryMode.HYBRID.value: ("fusion", "weights", "candidates", "rrf_constant"),
}


class EmbedModel(BaseEmbedding):
    """A LlamaIndex embedding model that wraps a dorm_vector embedder."""

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(model_name=embedder.name)
        self._embedder = embedder

    def _get_query_embedding(self, query: str) -> list[float]:
        return list(self._embedder.embed_query(query))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return list(await self._embedder.aembed_query(query))

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [list(vector) for vector in self._embedder.embed_documents(texts)]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [list(vector) for vector in await self._embedder.aembed_documents(texts)]
