"""Stores return one document of each parent: the nearest, of metadata in JSON and in columns, sync and async."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery

from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.llama_index import DormVectorStore as LlamaIndexStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.integrations.conftest import TEXTS, WORDS, by_distance, embed, vector_of

PARENTS = ("north", "south", "north", "south", None)
QUESTION = "cholera"


def expected(texts: list[str]) -> list[str]:
    """Return the nearest text of each parent, nearest first."""
    parents = dict(zip(texts, PARENTS, strict=True))
    found: dict[str, str] = {}
    for text, _distance in by_distance(QUESTION):
        if parents[text] is not None:
            found.setdefault(str(parents[text]), text)
    return list(found.values())


def contents(documents: Any) -> list[str]:
    return [document.page_content for document in documents]


async def test_langchain(db: Database) -> None:
    model = create_table(document_model("parent_documents", len(WORDS)))
    model.objects.all().delete()
    store = DormVectorStore(model, embed)
    store.add_texts(TEXTS, [{"doc_id": parent} if parent else {"other": 1} for parent in PARENTS], ids=list("abcde"))
    found = store.similarity_search_with_score(QUESTION, k=4, group_by="doc_id")
    assert contents(document for document, _ in found) == expected(TEXTS)
    distances = dict(by_distance(QUESTION))
    assert [score for _, score in found] == pytest.approx([distances[text] for text in expected(TEXTS)], abs=1e-6)
    assert contents(await store.asimilarity_search(QUESTION, k=1, group_by="doc_id")) == expected(TEXTS)[:1]
    assert contents(store.as_retriever(search_kwargs={"k": 3, "group_by": "doc_id"}).invoke(QUESTION)) == expected(
        TEXTS
    )
    # Each document is a group of its own.
    assert contents(store.similarity_search(QUESTION, k=9, group_by="id")) == [
        text for text, _ in by_distance(QUESTION)
    ]
    with pytest.raises(ValueError, match="for searches by vector"):
        store.hybrid_search(QUESTION, group_by="doc_id")
    with pytest.raises(TypeError, match="one document of each group"):
        DormVectorStore(model, embed, databases=["default"]).similarity_search(QUESTION, group_by="doc_id")


async def test_llama_index(db: Database) -> None:
    store = LlamaIndexStore(create_table(document_model("parent_nodes", len(WORDS))))
    store.clear()
    for text, parent in zip(TEXTS, PARENTS, strict=True):
        node = TextNode(text=text, embedding=vector_of(text))
        if parent:
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=parent)
        store.add([node])
    query = VectorStoreQuery(query_embedding=vector_of(QUESTION), similarity_top_k=4)
    found = store.query(query, group_by="ref_doc_id").nodes
    again = (await store.aquery(query, group_by="ref_doc_id")).nodes
    assert [node.get_content() for node in found or []] == expected(TEXTS)
    assert [node.get_content() for node in again or []] == expected(TEXTS)
