"""The document store: how Haystack writes, reads and deletes documents, and what its retrievers call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ...retrieval.each_database import OnError
from ...steps import Steps, arun, run
from ..extras import required
from ..records import Asked, Found, Page, similarity
from .documents import document_of, records_of, rewritten, without_hidden
from .filters import from_haystack
from .metadata import field_types, lowest_and_highest, page_of, unique
from .models import deserialized, serialized
from .rows import DocumentRows

with required("haystack"):
    from haystack import default_from_dict, default_to_dict
    from haystack.dataclasses import Document
    from haystack.document_stores.errors import DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy

Filters = dict[str, Any] | None


class DormDocumentStore:
    """A Haystack document store over your own model, or over a ready-made one from ``document_model()``.

    Every method has an async twin, ``…_async``. Documents are embedded by Haystack's components, or by the model if its
    vector is an EmbeddingField.

    Args:
        model: A model, or a queryset, which limits reads, writes and deletes to its rows.
        id_field: By default, the only TextKeyField, or else the primary key.
        text_field: By default, the source of the EmbeddingField, or else the only TextField.
        embedding_field: By default, the only vector field. Documents may lack an embedding if it has ``null=True``.
        metadata_field: The JSONField for metadata that has no column, and for blobs and sparse embeddings. By default,
            the JSONField named ``metadata``.
        metadata_columns: The columns that hold metadata of their name. By default, all other columns.
        distance: By default, the distance of the field's index, or cosine.
        using: The database alias.
        databases: Aliases to search at once, as ``federated_nearest()`` does; such a store only reads.
        on_error: What happens if one of ``databases`` fails: ``"raise"``, or ``"partial"`` for the others' documents.
        clean_text: Whether to remove NUL characters from stored text, and replace lone surrogates with U+FFFD. If
            False, such text raises ValueError.

    Raises:
        FieldDoesNotExist: The model does not have a field.
        FilterError: A filter is invalid.
        DuplicateDocumentError: A document with the same id is stored already, and the policy is FAIL, or NONE.
        ValueError: An id, a text or metadata is invalid, or the model or the database cannot store it.
    """

    # The module by which saved pipelines name the class.
    __module__ = __name__.rpartition(".")[0]

    def __init__(
        self,
        model: Any,
        *,
        id_field: str | None = None,
        text_field: str | None = None,
        embedding_field: str | None = None,
        metadata_field: str | None = None,
        metadata_columns: Sequence[str] | None = None,
        distance: str | None = None,
        using: str | None = None,
        databases: Iterable[str] | None = None,
        on_error: OnError = "raise",
        clean_text: bool = False,
    ) -> None:
        self.model = model
        self._options: dict[str, Any] = {
            "id_field": id_field,
            "text_field": text_field,
            "embedding_field": embedding_field,
            "metadata_field": metadata_field,
            "metadata_columns": metadata_columns if metadata_columns is None else list(metadata_columns),
            "distance": distance,
            "using": using,
            "databases": databases if databases is None or isinstance(databases, str) else list(databases),
            "on_error": on_error,
            "clean_text": clean_text,
        }
        self._rows = DocumentRows(model, store=type(self).__name__, **self._options)

    def to_dict(self) -> dict[str, Any]:
        """Return what a saved pipeline has for the store; raise SerializationError for a queryset."""
        return default_to_dict(self, model=serialized(self.model), **self._options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the store that ``to_dict()`` described."""
        parameters = data.get("init_parameters", {})
        model = deserialized(parameters.get("model"))
        return default_from_dict(cls, {**data, "init_parameters": {**parameters, "model": model}})

    # writing

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write all of the documents or none, and return how many were written.

        ``NONE`` is ``FAIL``. ``OVERWRITE`` keeps columns that the metadata does not name.
        """
        return run(self._writing(documents, policy))

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Do what ``write_documents`` does."""
        return await arun(self._writing(documents, policy))

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Set values in the metadata of the documents that pass the filter, and return how many there were."""
        return run(self._updating(filters, meta))

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Do what ``update_by_filter`` does."""
        return await arun(self._updating(filters, meta))

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete the documents with these ids; ids that do not exist are skipped."""
        run(self._rows.delete(document_ids))

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """Do what ``delete_documents`` does."""
        await arun(self._rows.delete(document_ids))

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete the documents that pass the filter, and return how many there were."""
        return run(self._deleting(filters))

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """Do what ``delete_by_filter`` does."""
        return await arun(self._deleting(filters))

    def delete_all_documents(self, recreate_index: bool = False) -> None:
        """Delete all documents of the store, and with ``recreate_index`` rebuild the vector index of the table."""
        run(self._emptying(recreate_index))

    async def delete_all_documents_async(self, recreate_index: bool = False) -> None:
        """Do what ``delete_all_documents`` does."""
        await arun(self._emptying(recreate_index))

    # reading

    def count_documents(self) -> int:
        return run(self._rows.count(None))

    async def count_documents_async(self) -> int:
        return await arun(self._rows.count(None))

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        return run(self._rows.count(self._where(filters)))

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        return await arun(self._rows.count(self._where(filters)))

    def filter_documents(self, filters: Filters = None) -> list[Document]:
        """Return the documents that pass the filter, in the order of the primary key."""
        return run(self._filtered(filters))

    async def filter_documents_async(self, filters: Filters = None) -> list[Document]:
        """Do what ``filter_documents`` does."""
        return await arun(self._filtered(filters))

    # about the metadata, of which every document is read

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """Return the keys of the metadata, each with its ``type``: ``keyword``, ``int``, ``float`` or ``boolean``."""
        return field_types(run(self._metadata(None)))

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """Do what ``get_metadata_fields_info`` does."""
        return field_types(await arun(self._metadata(None)))

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """Return the ``min`` and the ``max`` of a key; both are None if there is none, or they have no order."""
        return lowest_and_highest(run(self._metadata(None)), metadata_field)

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        """Do what ``get_metadata_field_min_max`` does."""
        return lowest_and_highest(await arun(self._metadata(None)), metadata_field)

    def count_unique_metadata_by_filter(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """Return how many different values each key has in the documents that pass the filter."""
        return run(self._unique_counts(filters, metadata_fields))

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """Do what ``count_unique_metadata_by_filter`` does."""
        return await arun(self._unique_counts(filters, metadata_fields))

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """Return a page of the different values of a key, in the order of their text, and how many there are.

        ``search_term`` selects values that have it in their text, in any case.
        """
        return page_of(unique(run(self._metadata(filters)), metadata_field), search_term, from_, size)

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """Do what ``get_metadata_field_unique_values`` does."""
        return page_of(unique(await arun(self._metadata(filters)), metadata_field), search_term, from_, size)

    # searching, for the retrievers

    def embedding_retrieval(
        self, query_embedding: Sequence[float], *, filters: Filters = None, top_k: int = 10, **options: Any
    ) -> list[Document]:
        """Return the ``top_k`` nearest documents, nearest first, with their similarity as ``score``.

        The options are ``max_distance``, ``exact`` and ``search_options``, as in ``nearest()``, and ``group_by``, a
        metadata key of which each value is found once, by its nearest document.
        """
        return run(self._near(query_embedding, top_k, self._asked(filters, options)))

    async def embedding_retrieval_async(
        self, query_embedding: Sequence[float], *, filters: Filters = None, top_k: int = 10, **options: Any
    ) -> list[Document]:
        """Do what ``embedding_retrieval`` does."""
        return await arun(self._near(query_embedding, top_k, self._asked(filters, options)))

    def keyword_retrieval(self, query: str, *, filters: Filters = None, top_k: int = 10) -> list[Document]:
        """Return the ``top_k`` best documents of a full-text search, with the database's own ``score``."""
        return run(_by_score(self._rows.of_words(query, top_k, self._asked(filters, {}))))

    async def keyword_retrieval_async(self, query: str, *, filters: Filters = None, top_k: int = 10) -> list[Document]:
        """Do what ``keyword_retrieval`` does."""
        return await arun(_by_score(self._rows.of_words(query, top_k, self._asked(filters, {}))))

    def hybrid_retrieval(
        self,
        query: str,
        query_embedding: Sequence[float],
        *,
        filters: Filters = None,
        top_k: int = 10,
        exact: bool | None = None,
        **options: Any,
    ) -> list[Document]:
        """Return the ``top_k`` best documents of a hybrid search, with their fused ``score``.

        The options are ``fusion``, ``weights``, ``candidates`` and ``rrf_constant``, as in ``hybrid_search()``.
        """
        asked = self._asked(filters, {"exact": exact})
        return run(_by_score(self._rows.both(query, query_embedding, top_k, asked, **options)))

    async def hybrid_retrieval_async(
        self,
        query: str,
        query_embedding: Sequence[float],
        *,
        filters: Filters = None,
        top_k: int = 10,
        exact: bool | None = None,
        **options: Any,
    ) -> list[Document]:
        """Do what ``hybrid_retrieval`` does."""
        asked = self._asked(filters, {"exact": exact})
        return await arun(_by_score(self._rows.both(query, query_embedding, top_k, asked, **options)))

    # steps shared by the sync and async methods

    def _writing(self, documents: list[Document], policy: DuplicatePolicy) -> Steps[int]:
        records = records_of(documents, self._rows.columns)
        if policy == DuplicatePolicy.OVERWRITE:
            return len((yield from self._rows.add(records)))
        count, there = yield from self._rows.insert(records, skips=policy == DuplicatePolicy.SKIP)
        if there and policy != DuplicatePolicy.SKIP:
            raise DuplicateDocumentError(
                f"{len(there)} of {len(records)} documents have an id that is stored already, such as {there[0]!r}."
                " Nothing was written. To replace or keep what is stored, write with DuplicatePolicy.OVERWRITE or SKIP."
            )
        return count

    def _updating(self, filters: dict[str, Any], meta: Mapping[str, Any]) -> Steps[int]:
        columns = self._rows.columns
        return self._rows.rewrite(self._where(filters), lambda stored: rewritten(stored, meta, columns))

    def _deleting(self, filters: dict[str, Any]) -> Steps[int]:
        where = self._where(filters)
        if where is None:
            raise ValueError("delete_by_filter() without a filter would delete every row. delete_all_documents() does.")
        return self._rows.delete(where=where)

    def _emptying(self, recreate_index: bool) -> Steps[None]:
        yield from self._rows.delete()
        if recreate_index:
            yield from self._rows.rebuild_indexes()

    def _filtered(self, filters: Filters) -> Steps[list[Document]]:
        found = yield from self._rows.page(Page(where=self._where(filters)))
        return [document_of(each) for each in found]

    def _unique_counts(self, filters: Filters, names: Sequence[str]) -> Steps[dict[str, int]]:
        found = yield from self._metadata(filters)
        return {name.removeprefix("meta."): len(unique(found, name)) for name in names}

    def _near(self, vector: Sequence[float], k: int, asked: Asked) -> Steps[list[Document]]:
        found = yield from self._rows.nearest(vector, k, asked)
        return [document_of(each.record, similarity(self._rows.metric, each.distance)) for each in found]

    def _metadata(self, filters: Filters) -> Steps[list[dict[str, Any]]]:
        found = yield from self._rows.metadata(self._where(filters))
        return [without_hidden(each) for each in found]

    def _where(self, filters: Filters) -> Any:
        return from_haystack(self._rows.columns, filters)

    def _asked(self, filters: Filters, options: dict[str, Any]) -> Asked:
        if options.get("group_by") is not None:
            options = options | {"group_by": options["group_by"].removeprefix("meta.")}
        return Asked(self._where(filters), **options)


def _by_score(search: Steps[list[Found]]) -> Steps[list[Document]]:
    found = yield from search
    return [document_of(each.record, each.score) for each in found]
