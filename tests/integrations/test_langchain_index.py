"""LangChain's ``index()`` and ``aindex()`` over the store, in every cleanup mode, on each database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index

from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.integrations.conftest import WORDS, embed

BATCHES: list[int] = []


def counted(texts: Sequence[str]) -> list[list[float]]:
    BATCHES.append(len(texts))
    return embed(texts)


@pytest.fixture
def store(db: Database) -> DormVectorStore:
    model = create_table(document_model("indexed_documents", len(WORDS)))
    model.objects.all().delete()
    BATCHES.clear()
    return DormVectorStore(model, counted)


@pytest.fixture
def manager() -> InMemoryRecordManager:
    records = InMemoryRecordManager(namespace="documents")
    records.create_schema()
    return records


def loaded(source: str, *texts: str) -> list[Document]:
    return [Document(page_content=text, metadata={"source": source}) for text in texts]


FIRST = [*loaded("a", "cholera", "dengue", "measles"), *loaded("b", "school", "delta")]
# Of the source a one document is the same, one is new, and two are gone; of b nothing comes again.
SECOND = loaded("a", "cholera", "capital")

# What is in the store afterwards, and what index() counts: added, skipped, deleted.
MODES: list[tuple[Any, set[str], tuple[int, int, int]]] = [
    (None, {"cholera", "dengue", "measles", "school", "delta", "capital"}, (1, 1, 0)),
    ("incremental", {"cholera", "capital", "school", "delta"}, (1, 1, 2)),
    ("scoped_full", {"cholera", "capital", "school", "delta"}, (1, 1, 2)),
    ("full", {"cholera", "capital"}, (1, 1, 4)),
]


def contents(store: DormVectorStore) -> set[str]:
    return set(store.get()["documents"])


def counts(result: Any) -> tuple[int, int, int]:
    return result["num_added"], result["num_skipped"], result["num_deleted"]


@pytest.mark.parametrize("cleanup, left, wanted", MODES)
def test_index_adds_skips_and_cleans_up(
    store: DormVectorStore, manager: InMemoryRecordManager, cleanup: Any, left: set[str], wanted: tuple[int, int, int]
) -> None:
    options: dict[str, Any] = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "sha256"}
    assert counts(index(FIRST, manager, store, batch_size=2, **options)) == (5, 0, 0)
    assert BATCHES == [2, 2, 1]
    assert counts(index(SECOND, manager, store, **options)) == wanted
    assert contents(store) == left


@pytest.mark.parametrize("cleanup, left, wanted", MODES)
async def test_aindex_adds_skips_and_cleans_up(
    store: DormVectorStore, manager: InMemoryRecordManager, cleanup: Any, left: set[str], wanted: tuple[int, int, int]
) -> None:
    options: dict[str, Any] = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "sha256"}
    assert counts(await aindex(FIRST, manager, store, batch_size=2, **options)) == (5, 0, 0)
    assert counts(await aindex(SECOND, manager, store, **options)) == wanted
    assert set((await store.aget())["documents"]) == left


def test_force_update_writes_documents_again(store: DormVectorStore, manager: InMemoryRecordManager) -> None:
    index(FIRST, manager, store, cleanup=None, key_encoder="sha256")
    result = index(FIRST, manager, store, cleanup=None, key_encoder="sha256", force_update=True)
    assert (result["num_updated"], len(store.get()["ids"])) == (5, 5)


def test_a_batch_size_is_for_the_embedding_and_the_rows(store: DormVectorStore) -> None:
    texts = [f"cholera {at}" for at in range(7)]
    ids = store.add_texts(texts, ids=[f"n{at}" for at in range(7)], batch_size=3)
    assert BATCHES == [3, 3, 1]
    assert [document.page_content for document in store.get_by_ids(ids)] == texts
    for wrong in (0, -1, True, 2.0):
        with pytest.raises(ValueError, match="batch_size="):
            store.add_texts(["cholera"], batch_size=wrong)
    assert len(store.get()["ids"]) == 7
