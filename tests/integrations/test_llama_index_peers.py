"""What users of other LlamaIndex stores expect besides: customized queries, indexed keys, and ingestion pipelines."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import Document
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import MetadataMode, NodeRelationship, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from dorm_vector.integrations.llama_index import DormVectorStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.integrations.conftest import TEXTS, WORDS, embed, vector_of
from tests.integrations.test_llama_index import nodes, texts

KEYS = {("year", "int"), ("source", "text"), ("price", "float"), ("open", "boolean")}


@pytest.fixture
def model(db: Database) -> Any:
    made = create_table(document_model("peer_nodes", len(WORDS), indexed_metadata_keys=KEYS))
    made.objects.all().delete()
    return made


def only(key: str, operator: Any, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


def asked(question: str = "cholera", **options: Any) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=vector_of(question), query_str=question, similarity_top_k=9, **options)


MODES = [VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR, VectorStoreQueryMode.HYBRID, "text_search"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_query_is_customized(model: Any, mode: Any) -> None:
    seen: list[Any] = []

    def before(queryset: Any, of: Any, *, year: int = 2022, **others: Any) -> Any:
        seen.append((of, others))
        return queryset.filter(year__lt=year)

    store = DormVectorStore(model, embed, customize_query_fn=before)
    store.add(nodes())
    wanted = {TEXTS[0]} if mode == "text_search" else {TEXTS[0], TEXTS[1]}
    query = asked(mode=mode)
    assert set(texts(store.query(query).nodes)) == wanted
    assert set(texts((await store.aquery(query)).nodes)) == wanted
    assert set(texts(store.query(query, year=2021, label="x").nodes)) == {TEXTS[0]}
    assert seen == [(model, {}), (model, {}), (model, {"label": "x"})]


def test_what_no_query_takes_is_refused(model: Any) -> None:
    with pytest.raises(TypeError, match="year"):
        DormVectorStore(model, embed).query(asked(), year=2021)
    with pytest.raises(TypeError, match="has to return a queryset of DocumentOf_peer_nodes; got None"):
        DormVectorStore(model, embed, customize_query_fn=lambda queryset, of: None).query(asked())


def test_indexed_keys_are_columns_and_metadata(model: Any) -> None:
    store = DormVectorStore(model, embed)
    stored = nodes()
    stored[0].metadata |= {"price": 149.99, "open": True, "source": "Ädä "}
    store.add(stored)
    (node,) = store.get_nodes(filters=only("price", "==", 149.99))
    assert node.metadata == stored[0].metadata
    assert model.objects.get(document_id="node-0").year == 2020
    assert {index.name for index in model._meta.indexes} >= {f"peer_nodes_{key}_key" for key, _kind in KEYS}
    for filters, wanted in (
        (only("year", ">=", 2023), TEXTS[3:]),
        (only("source", "==", "Ädä "), TEXTS[:1]),
        (only("source", "==", "ädä "), []),
        (only("open", "==", 1), None),
        (only("year", "is_empty", None), []),
    ):
        if wanted is not None:
            assert sorted(texts(store.get_nodes(filters=filters))) == sorted(wanted)
    with pytest.raises(ValueError, match="year is a BigIntegerField"):
        store.get_nodes(filters=only("year", "==", "soon"))


@pytest.mark.parametrize(
    "key, message", [(("a.b", "text"), "cannot be a column"), (("text", "text"), "cannot be"), (("a", "json"), "Known")]
)
def test_keys_that_are_no_columns_are_refused(key: tuple[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        document_model("no_nodes", 3, indexed_metadata_keys={key})


FIRST = [Document(text=text, doc_id=f"doc-{at}") for at, text in enumerate(TEXTS[:3])]
# The first again, another text for the second, none of the third, and one that is new.
SECOND = [FIRST[0], Document(text="delta", doc_id="doc-1"), Document(text="school", doc_id="doc-9")]
STRATEGIES = [
    (DocstoreStrategy.UPSERTS, {TEXTS[0], "delta", TEXTS[2], "school"}),
    (DocstoreStrategy.UPSERTS_AND_DELETE, {TEXTS[0], "delta", "school"}),
    (DocstoreStrategy.DUPLICATES_ONLY, {*TEXTS[:3], "delta", "school"}),
]


class Split(TransformComponent):
    """Make one node of each document, under an id of its own, as a splitter does."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        return [
            TextNode(text=node.get_content(), relationships={NodeRelationship.SOURCE: node.as_related_node_info()})
            for node in nodes
        ]


def contents(found: Any) -> list[str]:
    return sorted(node.get_content(metadata_mode=MetadataMode.NONE) for node in found)


def pipeline(store: DormVectorStore, strategy: DocstoreStrategy) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[Split(), store.embed_model],
        docstore=SimpleDocumentStore(),
        vector_store=store,
        docstore_strategy=strategy,
    )


@pytest.mark.parametrize("strategy, wanted", STRATEGIES)
def test_a_pipeline_upserts(model: Any, strategy: DocstoreStrategy, wanted: set[str]) -> None:
    store = DormVectorStore(model, embed)
    made = pipeline(store, strategy)
    assert len(made.run(documents=FIRST)) == 3
    assert made.run(documents=FIRST) == []
    assert len(made.run(documents=SECOND)) == 2
    assert contents(store.get_nodes()) == sorted(wanted)


@pytest.mark.parametrize("strategy, wanted", STRATEGIES)
async def test_a_pipeline_upserts_async(model: Any, strategy: DocstoreStrategy, wanted: set[str]) -> None:
    store = DormVectorStore(model, embed)
    made = pipeline(store, strategy)
    await made.arun(documents=FIRST)
    await made.arun(documents=SECOND)
    assert contents(await store.aget_nodes()) == sorted(wanted)
