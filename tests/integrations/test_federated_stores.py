"""Stores of several databases: they find the documents of all, and write none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import reset_connections
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

import backends
from dorm_vector import FederatedSearchError, PartialAnswer
from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.llama_index import DormVectorStore as LlamaIndexStore
from dorm_vector.integrations.tables import document_model
from tests.databases import create_tables
from tests.integrations.conftest import TEXTS, WORDS, by_distance, embed, vector_of

ALIASES = ["default", "second"]
Paper = document_model("FederatedPaper", len(WORDS), app_label="tests")
QUESTION = "dengue cholera cholera delta cholera"  # at a different distance from each text


@pytest.fixture
def papers(running: backends.Running) -> Iterator[list[str]]:
    """The texts, each in one of two databases; a third one has no tables."""
    databases = {alias: running.new_database() for alias in [*ALIASES, "empty"]}
    reset_connections()
    dorm.configure(DATABASES=databases, INSTALLED_APPS=[])
    for number, alias in enumerate(ALIASES):
        create_tables(dorm.db.connection.get_connection(alias), (Paper,))
        DormVectorStore(Paper, embed, using=alias).add_texts(
            TEXTS[number::2], [{"n": n} for n in range(len(TEXTS))[number::2]], ids=TEXTS[number::2]
        )
    yield ALIASES
    reset_connections()
    for settings in databases.values():
        running.drop_database(settings)


def contents(documents: Any) -> list[str]:
    return [document.page_content for document in documents]


async def test_langchain_finds_the_documents_of_all(papers: list[str]) -> None:
    store = DormVectorStore(Paper, embed, databases=papers)
    expected = by_distance(QUESTION)
    found = store.similarity_search_with_score(QUESTION, k=4)
    again = await store.asimilarity_search_with_score(QUESTION, k=4)
    assert [each.page_content for each, _distance in found] == [text for text, _distance in expected[:4]]
    assert [distance for _each, distance in found] == pytest.approx([distance for _text, distance in expected[:4]])
    assert [each.page_content for each, _distance in again] == [text for text, _distance in expected[:4]]
    filtered = [text for text, _distance in expected if TEXTS.index(text) < 3]
    assert contents(store.similarity_search(QUESTION, k=4, filter={"n": {"$lt": 3}})) == filtered
    diverse = store.max_marginal_relevance_search(QUESTION, k=3, fetch_k=5)
    assert len(set(contents(diverse))) == 3
    assert contents(store.hybrid_search(QUESTION, k=1)) == contents(await store.ahybrid_search(QUESTION, k=1))
    assert contents(store.get_by_ids(TEXTS[3:0:-1])) == TEXTS[3:0:-1]
    with pytest.raises(TypeError, match=r"cannot add.*using='default'"):
        store.add_texts(["a cholera"])
    with pytest.raises(TypeError, match="cannot delete"):
        store.delete([TEXTS[0]])
    with pytest.raises(ValueError, match="not both"):
        DormVectorStore(Paper, embed, using="default", databases=papers)


async def test_llama_index_finds_the_nodes_of_all(papers: list[str]) -> None:
    store = LlamaIndexStore(Paper, embed, databases=papers)
    query = VectorStoreQuery(query_embedding=vector_of(QUESTION), similarity_top_k=3)
    expected = [text for text, _distance in by_distance(QUESTION)[:3]]
    assert store.query(query).ids == (await store.aquery(query)).ids == expected
    both = VectorStoreQuery(
        query_embedding=vector_of(QUESTION), query_str=QUESTION, mode=VectorStoreQueryMode.HYBRID, similarity_top_k=1
    )
    assert store.query(both).ids == (await store.aquery(both)).ids
    with pytest.raises(TypeError, match="cannot search by words alone"):
        store.query(VectorStoreQuery(query_str="cholera", mode=VectorStoreQueryMode.TEXT_SEARCH))


async def test_a_database_that_fails_is_named(papers: list[str]) -> None:
    everywhere = [*papers, "empty"]
    with pytest.raises(FederatedSearchError, match="'empty'"):
        DormVectorStore(Paper, embed, databases=everywhere).similarity_search(QUESTION)
    store = DormVectorStore(Paper, embed, databases=everywhere, on_error="partial")
    expected = [text for text, _distance in by_distance(QUESTION)[:2]]
    with pytest.warns(PartialAnswer, match="'empty'"):
        assert contents(store.similarity_search(QUESTION, k=2)) == expected
    with pytest.warns(PartialAnswer, match="'empty'"):
        assert contents(await store.asimilarity_search(QUESTION, k=2)) == expected
    with pytest.warns(PartialAnswer, match="'empty'"):
        assert len(store.hybrid_search(QUESTION, k=2)) == 2
