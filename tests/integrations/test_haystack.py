"""The Haystack store over ready and own models: policies, what a document holds, retrievers and pipelines."""

from __future__ import annotations

from typing import Any

import pytest
from dorm.exceptions import FieldDoesNotExist, IntegrityError
from dorm.signals import post_query
from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.core.errors import DeserializationError, SerializationError
from haystack.core.serialization import allow_deserialization_module
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from dorm_vector.integrations import create_table, document_model
from dorm_vector.integrations.haystack import (
    DormDocumentStore,
    DormEmbeddingRetriever,
    DormHybridRetriever,
    DormKeywordRetriever,
)
from dorm_vector.integrations.storage import Insert, Written
from dorm_vector.steps import Steps, run
from tests.databases import Database
from tests.integrations.conftest import TEXTS, WORDS, Leaflet, by_distance, vector_of
from tests.models import Author, Chunk, Note

allow_deserialization_module("dorm_vector")
allow_deserialization_module("tests")

YEAR_2022 = {"field": "meta.year", "operator": ">=", "value": 2022}


def documents_of(texts: list[str]) -> list[Document]:
    return [
        Document(id=str(at), content=text, meta={"year": 2020 + at}, embedding=vector_of(text))
        for at, text in enumerate(texts)
    ]


def ready_model() -> Any:
    return document_model("haystack_texts", len(WORDS), null_embeddings=True, vector_index=False)


@pytest.fixture
def store(db: Database) -> DormDocumentStore:
    store = DormDocumentStore(create_table(ready_model()))
    store.delete_all_documents()
    return store


@pytest.fixture
def filled(store: DormDocumentStore) -> DormDocumentStore:
    store.write_documents([*documents_of(TEXTS), Document(id="none", content="cholera", meta={"year": 2030})])
    return store


@pytest.fixture
def indexed(db: Database) -> DormDocumentStore:
    return DormDocumentStore(create_table(document_model("haystack_indexed", len(WORDS))))


# what a document holds


async def test_every_part_of_a_document_comes_back(store: DormDocumentStore) -> None:
    vector = [0.5, 0.25, 0, -1, 2, 0]
    documents = [
        Document(id="blob", blob=ByteStream(b"\0\xff", {"page": 1}, "image/png"), meta={"a": {"b": [1, None, "x"]}}),
        Document(id="sparse", content="", sparse_embedding=SparseEmbedding([0, 7], [0.5, 0.1]), embedding=vector),
        Document(id="none"),
    ]
    assert store.write_documents(documents) == 3
    assert store.filter_documents() == documents
    assert await store.filter_documents_async() == documents
    assert store.get_metadata_fields_info() == {"a": {"type": "keyword"}}
    # What only the store knows of survives a change of the metadata, and dates are found by their new values.
    everything = {"field": "id", "operator": "!=", "value": None}
    assert store.update_by_filter(everything, {"at": "2025-01-01T00:00:00+01:00"}) == 3
    assert store.update_by_filter(everything, {"at": "2026-01-01T00:00:00+01:00"}) == 3
    found = store.filter_documents({"field": "meta.at", "operator": "==", "value": "2025-12-31T23:00:00Z"})
    assert [(each.blob, each.sparse_embedding, each.content) for each in found] == [
        (each.blob, each.sparse_embedding, each.content) for each in documents
    ]
    assert found[0].meta == {"a": {"b": [1, None, "x"]}, "at": "2026-01-01T00:00:00+01:00"}


def test_what_a_model_has_no_place_for_is_refused(db: Database, leaflets: None) -> None:
    store = DormDocumentStore(Leaflet)
    for document, said in (
        (Document(id="1", content="a", blob=ByteStream(b"x")), "Document 0 has blob, which Leaflet has no place for"),
        (Document(id="1", content="a", meta={"year": 1}), "Leaflet has no place for the metadata 'year'"),
        (Document(id="1", content="a", meta={"_haystack": 1}), "'_haystack' is the store's own"),
        (Document(content="a"), "Leaflet.id is a BigAutoField, and cannot hold the id"),
        (Document(id="1", content="a\0"), "Document 0 cannot be stored"),
    ):
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared
            store.write_documents([document])
        assert said in str(caught.value)
    assert store.count_documents() == 0


def test_a_model_that_embeds_gets_its_vectors(db: Database, leaflets: None) -> None:
    store = DormDocumentStore(Leaflet)
    documents = [Document(id=str(at), content=text, meta={"topic": "t"}) for at, text in enumerate(TEXTS, 1)]
    store.write_documents(documents)
    (best,) = store.embedding_retrieval(vector_of("measles school"), top_k=1)
    assert (best.content, best.meta["topic"]) == ("measles at school", "t")
    assert [each.embedding for each in store.filter_documents()] == [vector_of(text) for text in TEXTS]


def test_an_embedding_is_required_where_the_column_is(db: Database) -> None:
    store = DormDocumentStore(Note)
    store.delete_all_documents()
    for policy in DuplicatePolicy:
        with pytest.raises(ValueError, match=r"Document 1 has no embedding, and Note\.embedding cannot be null"):
            store.write_documents([*documents_of(TEXTS[:1]), Document(content="b")], policy)
    assert store.count_documents() == 0


# policies


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_policy_decides_on_documents_that_are_there(store: DormDocumentStore, asynchronous: bool) -> None:
    async def write(documents: list[Document], policy: DuplicatePolicy) -> int:
        if asynchronous:
            return await store.write_documents_async(documents, policy)
        return store.write_documents(documents, policy)

    def contents() -> dict[str, str | None]:
        return {each.id: each.content for each in store.filter_documents()}

    old = [Document(id="a", content="A"), Document(id="b", content="B", embedding=[1.0] * 6)]
    assert await write(old, DuplicatePolicy.FAIL) == 2
    new = [Document(id="c", content="C"), Document(id="b", content="new"), Document(id="c", content="again")]
    for policy in (DuplicatePolicy.FAIL, DuplicatePolicy.NONE):
        with pytest.raises(DuplicateDocumentError, match="such as 'c'"):
            await write(new, policy)
        with pytest.raises(DuplicateDocumentError, match=r"1 of 2 documents .* such as 'b'.* Nothing was written"):
            await write(new[:2], policy)
    assert contents() == {"a": "A", "b": "B"}
    assert await write(new, DuplicatePolicy.SKIP) == 1
    assert contents() == {"a": "A", "b": "B", "c": "C"}
    assert await write(new, DuplicatePolicy.OVERWRITE) == 3
    assert contents() == {"a": "A", "b": "new", "c": "again"}
    assert [each.embedding for each in store.filter_documents()] == [None] * 3
    assert await write([], DuplicatePolicy.FAIL) == 0


class _ReadBefore(Written):
    """Reads the first time what was there before another writer inserted something."""

    reads = 0

    def keys_in(self, queryset: Any) -> Steps[set[Any]]:
        type(self).reads += 1
        found = yield from super().keys_in(queryset)
        return set() if self.reads == 1 else found


def test_an_id_that_another_writer_inserts_meanwhile_is_found(store: DormDocumentStore) -> None:
    store.write_documents([Document(id="a", content="theirs")])
    model = ready_model()
    instances = [model(document_id=each, text="ours") for each in ("a", "b")]
    _ReadBefore.reads = 0
    written = _ReadBefore(model.objects.all(), model._meta.get_field("document_id"), instances)
    assert run(Insert(written, skips=True).steps()) == {"a"}
    assert _ReadBefore.reads == 2
    assert {each.id: each.content for each in store.filter_documents()} == {"a": "theirs", "b": "ours"}


def test_an_error_that_remains_is_raised(store: DormDocumentStore) -> None:
    model = ready_model()
    twins = [model(document_id="a", text=text) for text in ("one", "two")]
    with pytest.raises(IntegrityError):
        run(Insert(Written(model.objects.all(), model._meta.get_field("document_id"), twins), skips=True).steps())
    assert store.count_documents() == 0


def test_a_confined_store_writes_and_deletes_its_own(db: Database) -> None:
    Note.objects.all().delete()
    DormDocumentStore(Note).write_documents([Document(id="other", content="o", embedding=[1.0] * 6)])
    store = DormDocumentStore(Note.objects.filter(source="ours"))
    document = Document(id="a", content="A", embedding=[1.0] * 6)
    assert store.write_documents([document], DuplicatePolicy.SKIP) == 1
    assert store.filter_documents()[0].meta == {"source": "ours"}
    with pytest.raises(DuplicateDocumentError, match="such as 'other'"):
        store.write_documents([Document(id="other", embedding=[1.0] * 6)])
    with pytest.raises(ValueError, match="1 of 1 documents would not be in it"):
        store.write_documents([Document(id="b", meta={"source": "theirs"}, embedding=[1.0] * 6)])
    with pytest.raises(ValueError, match="1 of 1 documents would not be in it"):
        store.update_by_filter({"field": "id", "operator": "==", "value": "a"}, {"source": "theirs"})
    assert (store.count_documents(), Note.objects.count()) == (1, 2)
    store.delete_documents(["a", "other"])
    assert (store.count_documents(), Note.objects.count()) == (0, 1)


async def test_deleting_all_can_rebuild_the_index(indexed: DormDocumentStore) -> None:
    for recreate in (False, True):
        indexed.write_documents(documents_of(TEXTS), DuplicatePolicy.OVERWRITE)
        await indexed.delete_all_documents_async(recreate_index=recreate)
        assert await indexed.embedding_retrieval_async(vector_of("school")) == []
    indexed.write_documents(documents_of(TEXTS))
    indexed.delete_all_documents(recreate_index=True)
    indexed.write_documents(documents_of(TEXTS[2:3]))
    assert [each.content for each in indexed.embedding_retrieval(vector_of("school"))] == TEXTS[2:3]
    with pytest.raises(ValueError, match=r"would delete every row\. delete_all_documents\(\) does"):
        indexed.delete_by_filter({})


# retrievers and pipelines


async def test_a_retriever_finds_what_python_finds(filled: DormDocumentStore) -> None:
    question = "cholera school"
    wanted = by_distance(question)
    retriever = DormEmbeddingRetriever(filled, top_k=10, exact=True)
    query = {"query_embedding": vector_of(question)}
    for documents in (retriever.run(**query)["documents"], (await retriever.run_async(**query))["documents"]):
        # The document without an embedding is nowhere near.
        assert [each.content for each in documents] == [text for text, _distance in wanted]
        assert [each.score for each in documents] == pytest.approx([1 - distance for _text, distance in wanted])
    found = retriever.run(**query, filters=YEAR_2022, top_k=2)["documents"]
    assert [each.content for each in found] == [text for text, _ in wanted if TEXTS.index(text) >= 2][:2]
    filled.update_by_filter(YEAR_2022, {"source_id": "one"})
    chunks = DormEmbeddingRetriever(filled, group_by="meta.source_id", exact=True)
    assert [each.id for each in chunks.run(**query)["documents"]] == [
        str(next(at for text, _ in wanted if (at := TEXTS.index(text)) >= 2))
    ]
    (ungrouped, *_) = filled.embedding_retrieval(vector_of(question), group_by=None, exact=True)
    assert ungrouped.content == wanted[0][0]
    near = DormEmbeddingRetriever(filled, filters=YEAR_2022, max_distance=wanted[0][1] + 1e-4)
    assert [each.content for each in near.run(**query)["documents"]] == [wanted[0][0]]
    assert near.run(**query, filters={"field": "meta.year", "operator": "<", "value": 2022})["documents"] == []
    with pytest.raises(ValueError, match="k=-1: want a whole number"):
        retriever.run(**query, top_k=-1)
    with pytest.raises(TypeError, match="want a DormDocumentStore"):
        DormEmbeddingRetriever(object())


async def test_words_and_both_are_retrieved(filled: DormDocumentStore) -> None:
    words = DormKeywordRetriever(filled, top_k=3)
    both = DormHybridRetriever(filled, filters=YEAR_2022, filter_policy="merge", fusion="rrf", rrf_constant=10)
    vector = vector_of("measles")
    assert [each.content for each in words.run("dengue")["documents"]] == ["dengue in the capital"]
    assert [each.id for each in (await words.run_async("cholera", filters=YEAR_2022))["documents"]] != []
    found = both.run("measles", vector)["documents"]
    assert found[0].content == "measles at school"
    assert found[0].score == pytest.approx(2 / 11)
    assert (await both.run_async("measles", vector))["documents"] == found
    # The document without an embedding is found by its words.
    not_3 = {"field": "id", "operator": "!=", "value": "3"}
    merged = both.run("cholera", vector_of("cholera"), filters=not_3)["documents"]
    assert {each.id for each in merged} == {"2", "4", "none"}


async def test_a_pipeline_writes_searches_and_is_loaded_again(store: DormDocumentStore) -> None:
    writing = Pipeline()
    writing.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.SKIP))
    documents = documents_of(TEXTS)
    assert writing.run({"writer": {"documents": documents}})["writer"]["documents_written"] == len(TEXTS)
    assert (await writing.run_async({"writer": {"documents": documents}}))["writer"]["documents_written"] == 0

    searching = Pipeline()
    searching.add_component("near", DormEmbeddingRetriever(store, top_k=2, filters=YEAR_2022))
    searching.add_component("words", DormKeywordRetriever(store))
    searching.add_component("both", DormHybridRetriever(store, weights={"text": 1, "vector": 2}, fusion="weighted"))
    question = "measles at school"
    vector = {"query_embedding": vector_of(question)}
    asked: dict[str, Any] = {"near": vector, "words": {"query": question}, "both": {"query": question, **vector}}
    found = searching.run(asked)
    assert [found[name]["documents"][0].content for name in asked] == [question] * 3
    assert await searching.run_async(asked) == found
    loaded = Pipeline.loads(searching.dumps())
    assert loaded.run(asked) == found
    assert loaded.to_dict() == searching.to_dict()


def test_a_store_is_described_by_its_model(store: DormDocumentStore) -> None:
    described = store.to_dict()
    assert described["type"] == "dorm_vector.integrations.haystack.DormDocumentStore"
    assert described["init_parameters"]["model"]["table"] == "haystack_texts"
    again = DormDocumentStore.from_dict(described)
    assert again.model is store.model
    assert again.to_dict() == described

    own = DormDocumentStore(Note, metadata_columns=("pages",), distance="l2", clean_text=True)
    assert own.to_dict()["init_parameters"]["model"] == "tests.models.Note"
    again = DormDocumentStore.from_dict(own.to_dict())
    assert (again.model, again.to_dict()) == (Note, own.to_dict())
    with pytest.raises(SerializationError, match="imports the model by its name"):
        DormDocumentStore(Note.objects.filter(pages=1)).to_dict()
    with pytest.raises(DeserializationError):
        DormDocumentStore.from_dict({**described, "init_parameters": {"model": "os.path"}})


def test_errors_name_this_store(db: Database) -> None:
    with pytest.raises(ValueError, match=r"DormDocumentStore takes using='default' or databases"):
        DormDocumentStore(Note, using="default", databases=["default"])
    for model, option in ((Author, "embedding_field"), (Chunk, "text_field")):
        with pytest.raises(FieldDoesNotExist, match=rf"Name the field: DormDocumentStore\(…, {option}=…\)"):
            DormDocumentStore(model)
    reading = DormDocumentStore(Note, databases=["default"])
    for write in (
        lambda: reading.write_documents(documents_of(TEXTS)),
        lambda: reading.write_documents(documents_of(TEXTS), DuplicatePolicy.OVERWRITE),
        lambda: reading.update_by_filter(YEAR_2022, {}),
        lambda: reading.delete_documents([]),
    ):
        with pytest.raises(TypeError, match=r"Use a store of one database: DormDocumentStore\(…, using='default'\)"):
            write()


async def test_documents_of_several_databases_are_counted(db: Database) -> None:
    one = DormDocumentStore(Note)
    one.delete_all_documents()
    one.write_documents(documents_of(TEXTS))
    several = DormDocumentStore(Note, databases=["default"])
    sent: list[str] = []
    post_query.connect(lambda sender, sql="", **_more: sent.append(sql), weak=False, dispatch_uid="counted")
    try:
        assert (several.count_documents(), await several.count_documents_async()) == (5, 5)
        assert several.count_documents_by_filter(YEAR_2022) == 3
    finally:
        post_query.disconnect(dispatch_uid="counted")
    # The database counts: no key is read.
    assert ["COUNT(" in sql for sql in sent if sql.startswith("SELECT")] == [True] * 3
    assert several.filter_documents(YEAR_2022) == one.filter_documents(YEAR_2022)
    assert several.get_metadata_field_min_max("year") == {"min": 2020, "max": 2024}
