"""The LlamaIndex store: its contract, over a ready model and over models of somebody's own, on each database."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from llama_index.core import Document as SourceDocument
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MetadataMode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode, VectorStoreQueryResult

from dorm_vector.integrations.columns import columns_of
from dorm_vector.integrations.filters import LLAMA_INDEX, from_metadata_filters
from dorm_vector.integrations.llama_index import DormVectorStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.helpers.project import ROOT
from tests.integrations.conftest import METADATA, TEXTS, WORDS, Leaflet, by_distance, embed, vector_of
from tests.models import Note

QUESTION = "cholera"
SOURCES = ("north", "north", "south", "south", "south")


@pytest.fixture
def ready(db: Database) -> DormVectorStore:
    """An empty store over a ready model."""
    store = DormVectorStore(create_table(document_model("llama_documents", len(WORDS))))
    store.clear()
    return store


@pytest.fixture
def store(ready: DormVectorStore) -> DormVectorStore:
    """Five nodes of two documents."""
    ready.add(nodes())
    return ready


def nodes() -> list[BaseNode]:
    return [
        TextNode(
            id_=f"node-{at}",
            text=text,
            metadata={**METADATA[at], "labels": text.split()},
            embedding=vector_of(text),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=SOURCES[at])},
        )
        for at, text in enumerate(TEXTS)
    ]


def texts(found: Any) -> list[str]:
    return [node.get_content(metadata_mode=MetadataMode.NONE) for node in found]


def asked(question: str = QUESTION, k: int = 9, **options: Any) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=vector_of(question), similarity_top_k=k, **options)


def only(*filters: Any, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    made = [
        MetadataFilter(key=each[0], operator=each[1], value=each[2]) if isinstance(each, tuple) else each
        for each in filters
    ]
    return MetadataFilters(filters=made, condition=condition)


def test_a_node_comes_back_as_it_was(store: DormVectorStore) -> None:
    assert store.add([]) == []
    (node,) = store.get_nodes(["node-2"])
    wanted = nodes()[2]
    wanted.embedding = None
    assert node == wanted
    assert node.ref_doc_id == "south"


def test_nodes_of_every_class_come_back(ready: DormVectorStore) -> None:
    image = ImageNode(id_="image", text="a map", image_url="map.png", embedding=vector_of("delta"))
    index = IndexNode(id_="index", text="a table", index_id="table-1", embedding=vector_of("school"))
    assert ready.add([image, index]) == ["image", "index"]
    found = {node.node_id: node for node in ready.get_nodes()}
    assert isinstance(found["image"], ImageNode)
    assert found["image"].image_url == "map.png"
    assert isinstance(found["index"], IndexNode)
    assert found["index"].index_id == "table-1"


def test_the_most_similar_come_first(store: DormVectorStore) -> None:
    result = store.query(asked(k=3))
    wanted = by_distance(QUESTION)[:3]
    assert texts(result.nodes) == [text for text, _distance in wanted]
    assert result.similarities == pytest.approx([1 - distance for _text, distance in wanted], abs=1e-6)
    assert result.ids == [f"node-{TEXTS.index(text)}" for text, _distance in wanted]


def test_a_query_is_narrowed(store: DormVectorStore) -> None:
    def found(**options: Any) -> list[str]:
        return texts(store.query(asked(**options)).nodes)

    assert found(filters=only(("year", ">", 2022))) == [TEXTS[4], TEXTS[3]]
    assert found(doc_ids=["north"]) == [TEXTS[0], TEXTS[1]]
    assert found(node_ids=["node-3", "nobody"]) == [TEXTS[3]]
    assert found(node_ids=["node-3", "node-1"], doc_ids=["north"], filters=only(("year", "==", 2021))) == [TEXTS[1]]
    assert texts(store.query(asked(), max_distance=0.1, exact=True).nodes) == [TEXTS[4]]
    assert found(k=0) == []


# What each filter finds among the five nodes, in Python.
FILTERS: list[tuple[MetadataFilters, Any]] = [
    (only(("year", "==", 2021)), lambda node: node["year"] == 2021),
    (only(("source", "!=", "ministry")), lambda node: False),
    (only(("nothing", "!=", "x")), lambda node: True),
    (only(("nothing", "nin", ["x"])), lambda node: True),
    (only(("year", ">", 2021)), lambda node: node["year"] > 2021),
    (only(("year", "<", 2021.5)), lambda node: node["year"] < 2021.5),
    (only(("year", ">=", 2021)), lambda node: node["year"] >= 2021),
    (only(("year", "<=", 2021)), lambda node: node["year"] <= 2021),
    (only(("year", "in", [2020, 2024])), lambda node: node["year"] in (2020, 2024)),
    (only(("source", "in", ["ministry"])), lambda node: True),
    (only(("year", "nin", [2020, 2024])), lambda node: node["year"] not in (2020, 2024)),
    (only(("labels", "any", ["school", "delta"])), lambda node: {"school", "delta"} & set(node["labels"])),
    (only(("labels", "all", ["school", "cholera"])), lambda node: {"school", "cholera"} <= set(node["labels"])),
    (only(("labels", "contains", "dengue")), lambda node: "dengue" in node["labels"]),
    (only(("source", "contains", "minis")), lambda node: False),
    (only(("source", "text_match", "inist")), lambda node: True),
    (only(("source", "text_match", "INIST")), lambda node: False),
    (only(("source", "text_match_insensitive", "INIST")), lambda node: True),
    (only(("source", "text_match", "%")), lambda node: False),
    (only(("nothing", "is_empty", None)), lambda node: True),
    (only(("labels", "is_empty", None)), lambda node: False),
    (only(("nothing", "==", None)), lambda node: True),
    (only(("year", "==", 2020), ("year", "==", 2021), condition=FilterCondition.OR), lambda node: node["year"] < 2022),
    (only(("year", ">", 2020), ("year", "<", 2023)), lambda node: 2020 < node["year"] < 2023),
    (
        only(("year", "==", 2020), ("pages", "==", 4), condition=FilterCondition.NOT),
        lambda node: node["pages"] in (1, 2, 3),
    ),
    (
        only(
            only(("year", "==", 2020), ("pages", "==", 4), condition=FilterCondition.OR),
            ("labels", "contains", "cholera"),
        ),
        lambda node: node["pages"] in (0, 4),
    ),
    (
        only(only(only(("year", ">", 2021)), condition=FilterCondition.NOT), ("pages", ">", 0)),
        lambda node: node["pages"] == 1,
    ),
    (only(), lambda node: True),
]


@pytest.mark.parametrize("operator", list(FilterOperator))
def test_every_operator_is_one_of_ours(operator: FilterOperator) -> None:
    assert operator.value in LLAMA_INDEX
    assert any(
        each.operator is operator
        for filters, _means in FILTERS
        for each in filters.filters
        if isinstance(each, MetadataFilter)
    )


def test_filters_find_what_they_mean(store: DormVectorStore) -> None:
    stored = {node.node_id: node.metadata for node in nodes()}
    wanted = [{key for key, metadata in stored.items() if means(metadata)} for _filters, means in FILTERS]
    assert [{node.node_id for node in store.get_nodes(filters=filters)} for filters, _means in FILTERS] == wanted


def test_an_unknown_operator_names_those_that_are_known() -> None:
    filters = only(("year", "==", 1))
    object.__setattr__(filters.filters[0], "operator", "near")
    with pytest.raises(ValueError, match=r"'near' is not known. Known are ==, !=, .*is_empty"):
        from_metadata_filters(columns_of(Note), filters)


def test_nodes_are_read_by_id_by_filter_or_by_both(store: DormVectorStore) -> None:
    assert texts(store.get_nodes(["node-3", "nobody", "node-1"])) == [TEXTS[3], TEXTS[1]]
    assert texts(store.get_nodes(["node-3", "node-1"], only(("year", "==", 2021)))) == [TEXTS[1]]
    assert set(texts(store.get_nodes())) == set(TEXTS)
    assert store.get_nodes([]) == []


def test_nodes_are_deleted_by_document_by_id_by_filter(store: DormVectorStore) -> None:
    store.delete("north")
    assert set(texts(store.get_nodes())) == set(TEXTS[2:])
    store.delete_nodes(["node-2", "nobody"])
    store.delete_nodes(["node-3", "node-4"], only(("year", ">", 2023)))
    assert texts(store.get_nodes()) == [TEXTS[3]]
    store.delete_nodes([])
    with pytest.raises(ValueError, match=r"clear\(\) does"):
        store.delete_nodes()
    store.delete_nodes(filters=only(("year", "==", 2023)))
    assert store.get_nodes() == []


def test_a_node_written_again_replaces_the_first(store: DormVectorStore) -> None:
    store.add([TextNode(id_="node-0", text="measles measles", metadata={"year": 1}, embedding=vector_of("measles"))])
    (node,) = store.get_nodes(["node-0"])
    assert (texts([node]), node.metadata, node.ref_doc_id) == (["measles measles"], {"year": 1}, None)
    assert len(store.get_nodes()) == len(TEXTS)


def test_mmr_finds_what_is_unlike(store: DormVectorStore) -> None:
    question, mmr = "cholera cholera cholera dengue", VectorStoreQueryMode.MMR
    assert texts(store.query(asked(question, k=2)).nodes) == [TEXTS[4], TEXTS[0]]
    assert texts(store.query(asked(question, k=2, mode=mmr)).nodes) == [TEXTS[4], TEXTS[1]]
    assert texts(store.query(asked(question, k=2, mode=mmr, mmr_threshold=1)).nodes) == [TEXTS[4], TEXTS[0]]
    assert texts(store.query(asked(question, k=2, mode=mmr), mmr_threshold=1).nodes) == [TEXTS[4], TEXTS[0]]


@pytest.mark.parametrize("mode", [VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE])
def test_words_find_alone(store: DormVectorStore, mode: VectorStoreQueryMode) -> None:
    def found(text: str, **options: Any) -> list[str]:
        return texts(store.query(VectorStoreQuery(query_str=text, similarity_top_k=9, mode=mode, **options)).nodes)

    assert found("capital, dengue!") == [TEXTS[1]]
    assert set(found("delta cholera")) == {TEXTS[0], TEXTS[3], TEXTS[4]}
    assert found("cholera", filters=only(("year", "==", 2023))) == [TEXTS[3]]
    assert len(found("cholera", sparse_top_k=2)) == 2
    assert found("zambia") == found("?!") == []
    with pytest.raises(ValueError, match="searches words, and needs query_str"):
        store.query(asked(mode=mode))


def test_words_and_vectors_find_together(store: DormVectorStore) -> None:
    def found(**options: Any) -> VectorStoreQueryResult:
        query = {"query_str": "capital", "query_embedding": vector_of("cholera"), "similarity_top_k": 9}
        return store.query(VectorStoreQuery(mode=VectorStoreQueryMode.HYBRID, **(query | options)))

    result = found()
    # The one is the first and a far one, the other the nearest alone.
    assert texts(result.nodes)[:2] == [TEXTS[1], TEXTS[4]]
    assert result.similarities is not None
    assert result.similarities[1] == pytest.approx(1 / 61)
    assert texts(found(alpha=1.0, hybrid_top_k=3).nodes) == [text for text, _distance in by_distance("cholera")[:3]]
    assert texts(found(alpha=0.0, hybrid_top_k=1).nodes) == [TEXTS[1]]
    assert set(texts(found(similarity_top_k=1, sparse_top_k=1, hybrid_top_k=9).nodes)) == {TEXTS[1], TEXTS[4]}
    assert texts(found(filters=only(("year", "!=", 2021)), similarity_top_k=1).nodes) == [TEXTS[4]]
    by_words = asked(k=1, query_str="capital", mode=VectorStoreQueryMode.HYBRID)
    assert texts(store.query(by_words, fusion="weighted", weights={"text": 1, "vector": 0}).nodes) == [TEXTS[1]]
    with pytest.raises(ValueError, match="searches words, and needs query_str"):
        found(query_str=None)


def test_a_mode_that_there_is_not_names_those_that_are(store: DormVectorStore) -> None:
    with pytest.raises(ValueError, match=r"'svm' is none of this store. It has default, .*mmr"):
        store.query(asked(mode=VectorStoreQueryMode.SVM))
    with pytest.raises(ValueError, match="needs query_embedding, or query_str"):
        store.query(VectorStoreQuery())


def test_rows_of_the_application_are_nodes(db: Database) -> None:
    Note.objects.create(
        slug="own", body="measles measles", pages=3, metadata={"ref_doc_id": "book"}, embedding=vector_of("measles")
    )
    store = DormVectorStore(Note)
    (node,) = store.query(asked("measles", filters=only(("pages", "==", 3)))).nodes or ()
    assert (node.node_id, texts([node]), node.metadata, node.ref_doc_id) == (
        "own",
        ["measles measles"],
        {"pages": 3},
        "book",
    )
    store.add([TextNode(id_="new", text="dengue", metadata={"pages": 4, "k": [1]}, embedding=vector_of("dengue"))])
    Note.objects.filter(slug="new").update(body="dengue again", pages=5)
    (node,) = store.get_nodes(["new"])
    assert (texts([node]), node.metadata) == (["dengue again"], {"pages": 5, "k": [1]})
    store.delete("book")
    assert list(Note.objects.values_list("slug", flat=True)) == ["new"]


def test_a_model_that_embeds_needs_no_vectors(leaflets: None) -> None:
    Leaflet.objects.create(text="cholera", topic="water")
    Leaflet.objects.create(text="dengue")
    store = DormVectorStore(Leaflet)
    index = VectorStoreIndex.from_vector_store(store, embed_model=store.embed_model)
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("dengue")
    assert texts([found.node]) == ["dengue"]
    assert texts(store.query(VectorStoreQuery(query_str="cholera")).nodes) == ["cholera"]
    assert store.client is Leaflet
    with pytest.raises(ValueError, match="cannot hold the id"):
        store.add([TextNode(text="measles")])
    with pytest.raises(ValueError, match="no place for the metadata 'ref_doc_id'"):
        store.delete("book")
    assert Leaflet.objects.count() == 2


def test_an_index_writes_asks_and_forgets(ready: DormVectorStore) -> None:
    source = [SourceDocument(text=text, doc_id=f"doc-{at}", metadata=METADATA[at]) for at, text in enumerate(TEXTS)]
    context = StorageContext.from_defaults(vector_store=ready)
    embedding = DormVectorStore(Note, embed).embed_model
    index = VectorStoreIndex.from_documents(source, storage_context=context, embed_model=embedding)
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1, filters=only(("year", "<", 2024)))
    response = engine.query("cholera in the delta")
    assert texts(node.node for node in response.source_nodes) == [TEXTS[0]]
    assert TEXTS[0] in str(response)
    index.delete_ref_doc("doc-0")
    assert len(ready.get_nodes()) == len(TEXTS) - 1
    index.insert(SourceDocument(text="cholera in the delta again", doc_id="doc-9"))
    assert texts(node.node for node in index.as_retriever(similarity_top_k=1).retrieve("cholera in the delta")) == [
        "cholera in the delta again"
    ]


async def test_every_twin_is_async_to_the_driver(ready: DormVectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("add", "query", "get_nodes", "delete", "delete_nodes", "clear"):
        monkeypatch.setattr(DormVectorStore, name, None)
    assert await ready.async_add(nodes()) == [f"node-{at}" for at in range(len(TEXTS))]
    result = await ready.aquery(asked(k=1, filters=only(("labels", "contains", "delta"))))
    assert texts(result.nodes) == [TEXTS[0]]
    assert texts((await ready.aquery(asked(k=1, mode=VectorStoreQueryMode.MMR))).nodes) == [TEXTS[4]]
    for mode in (VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.TEXT_SEARCH):
        words = VectorStoreQuery(query_str="dengue", query_embedding=vector_of("dengue"), mode=mode)
        assert texts((await ready.aquery(words)).nodes) == [TEXTS[1]]
    assert texts(await ready.aget_nodes(["node-1"])) == [TEXTS[1]]
    await ready.adelete("north")
    await ready.adelete_nodes(["node-2"])
    await ready.adelete_nodes(filters=only(("year", "==", 2023)))
    assert texts(await ready.aget_nodes()) == [TEXTS[4]]
    index = VectorStoreIndex.from_vector_store(ready, embed_model=DormVectorStore(Note, embed).embed_model)
    await index.ainsert(SourceDocument(text="measles", doc_id="m"))
    response = await index.as_query_engine(llm=MockLLM(), similarity_top_k=1).aquery("measles")
    assert texts(node.node for node in response.source_nodes) == ["measles"]
    await ready.aclear()
    assert await ready.aget_nodes() == []


def test_a_missing_package_says_what_to_install() -> None:
    code = "import sys; sys.modules['llama_index'] = None; import dorm_vector.integrations.llama_index"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT)
    assert 'Install it: pip install "dorm-vector[llama-index]"' in run.stderr
