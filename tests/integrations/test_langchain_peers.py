"""What users of other LangChain stores expect besides: embeddings of their own, pages, scores, words apart."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document

from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.integrations.conftest import METADATA, TEXTS, WORDS, by_distance, cosine_distance, embed, vector_of
from tests.models import Note

IDS = list("abcde")


def refused(texts: Any) -> Any:
    raise AssertionError(f"embedded again: {texts}")


@pytest.fixture
def ready(db: Database) -> Any:
    model = create_table(document_model("peer_documents", len(WORDS)))
    model.objects.all().delete()
    return model


@pytest.fixture
def store(ready: Any) -> DormVectorStore:
    return DormVectorStore.from_texts(TEXTS, embed, METADATA, ids=IDS, model=ready)


def texts(found: list[Document]) -> list[str]:
    return [document.page_content for document in found]


def near(scored: list[tuple[Document, float]]) -> list[tuple[str, Any]]:
    return [(document.page_content, pytest.approx(score, abs=1e-6)) for document, score in scored]


def test_embeddings_of_ones_own_are_stored(ready: Any) -> None:
    pairs = list(zip(TEXTS, embed(TEXTS), strict=True))
    store = DormVectorStore.from_embeddings(pairs, refused, METADATA, ids=IDS, model=ready)
    found = store.similarity_search_with_score_by_vector(vector_of("cholera"), k=3)
    assert near(found) == by_distance("cholera")[:3]
    assert store.get_by_ids(["b"]) == [Document(id="b", page_content=TEXTS[1], metadata=METADATA[1])]
    assert store.add_embeddings(["measles"], [vector_of("school")], [{"year": 1}], ["m"], batch_size=1) == ["m"]
    assert store.similarity_search_by_vector(vector_of("school"), k=1, filter={"year": 1})[0].id == "m"
    with pytest.raises(ValueError, match="There are 2 texts, and 1 embeddings"):
        store.add_embeddings(["a", "b"], [vector_of("school")])
    with pytest.raises(TypeError, match="needs a model"):
        DormVectorStore.from_embeddings(pairs)


async def test_embeddings_of_ones_own_are_stored_async(ready: Any) -> None:
    pairs = list(zip(TEXTS, embed(TEXTS), strict=True))
    store = await DormVectorStore.afrom_embeddings(pairs, refused, METADATA, ids=IDS, model=ready)
    found = await store.asimilarity_search_with_score_by_vector(vector_of("cholera"), k=3)
    assert near(found) == by_distance("cholera")[:3]
    assert await store.aadd_embeddings(["measles"], [vector_of("school")], ids=["m"]) == ["m"]


def test_a_page_of_documents_is_read(store: DormVectorStore) -> None:
    assert store.get(limit=2) == {"ids": IDS[:2], "documents": TEXTS[:2], "metadatas": METADATA[:2]}
    assert store.get(limit=2, offset=2)["ids"] == IDS[2:4]
    assert store.get(offset=3)["ids"] == IDS[3:]
    assert store.get(limit=0)["ids"] == []
    assert store.get(where={"year": {"$gte": 2022}}, limit=2, offset=1)["ids"] == ["d", "e"]
    assert store.get(["d", "nobody", "a"])["ids"] == ["d", "a"]
    assert store.get("c", include=["embeddings"]) == {"ids": ["c"], "embeddings": [vector_of(TEXTS[2])]}
    assert store.get(["a", "b"], where={"year": 2021}, limit=1)["ids"] == ["b"]
    assert store.get(where_document={"$contains": "school"})["ids"] == ["c", "d"]
    assert store.get(where_document={"$not_contains": "cholera"}, where={"year": 2021})["ids"] == ["b"]
    assert store.get(where_document={"$or": [{"$contains": "delta"}, {"$like": "dengue%"}]})["ids"] == ["a", "b"]
    with pytest.raises(ValueError, match="limit=-1"):
        store.get(limit=-1)
    with pytest.raises(ValueError, match="want a list of documents, metadatas, embeddings"):
        store.get(include=["uris"])


async def test_a_page_of_documents_is_read_async(store: DormVectorStore) -> None:
    assert await store.aget(where={"year": {"$lt": 2024}}, limit=2, offset=1) == store.get(limit=2, offset=1)
    assert (await store.aget(["d"], include=[])) == {"ids": ["d"]}


def test_a_relevance_may_be_ones_own(store: DormVectorStore) -> None:
    own = DormVectorStore(Note, embed, relevance_score_fn=lambda distance: 1 - distance / 2)
    own.add_texts(TEXTS)
    found = own.similarity_search_with_relevance_scores("cholera", k=3)
    assert near(found) == [(text, pytest.approx(1 - d / 2, abs=1e-6)) for text, d in by_distance("cholera")[:3]]


def test_mmr_gives_the_distances(store: DormVectorStore) -> None:
    question = "cholera cholera cholera dengue"
    wanted = [(TEXTS[at], cosine_distance(vector_of(TEXTS[at]), vector_of(question))) for at in (4, 1)]
    assert near(store.max_marginal_relevance_search_with_score(question, k=2)) == wanted
    assert near(store.max_marginal_relevance_search_with_score_by_vector(vector_of(question), k=2)) == wanted


async def test_mmr_gives_the_distances_async(store: DormVectorStore) -> None:
    question = "cholera cholera cholera dengue"
    found = await store.amax_marginal_relevance_search_with_score(question, k=2)
    assert found == store.max_marginal_relevance_search_with_score(question, k=2)
    assert found == await store.amax_marginal_relevance_search_with_score_by_vector(vector_of(question), k=2)


def test_the_words_may_be_others_than_what_is_embedded(store: DormVectorStore) -> None:
    only_words = {"weights": {"text": 1, "vector": 0}}
    assert texts(store.hybrid_search("cholera", k=1, fts_query="dengue capital", **only_words)) == [TEXTS[1]]
    by_option = store.similarity_search("cholera", k=1, hybrid=only_words, fts_query="dengue capital")
    assert texts(by_option) == [TEXTS[1]]
    found = store.hybrid_search_with_score("cholera cholera", k=2, fts_query="measles")
    assert {document.page_content for document, _score in found} == {TEXTS[2], TEXTS[4]}
    with pytest.raises(TypeError, match="By words too"):
        store.similarity_search("cholera", fts_query="dengue")


async def test_the_words_may_be_others_async(store: DormVectorStore) -> None:
    found = await store.ahybrid_search("cholera", k=1, fts_query="dengue", weights={"text": 1, "vector": 0})
    assert texts(found) == [TEXTS[1]]
