"""Documents as they come: of any size, under any id, with any numbers, on each database."""

from __future__ import annotations

import random
from typing import Any

import pytest
from llama_index.core.schema import TextNode

from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.llama_index import DormVectorStore as NodeStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.integrations.conftest import WORDS, embed, vector_of

IDS = ["a", "A", "a ", "ä", "a\u0308", "ß", "ss", "ключ", "鍵", "😀", "'; --", "%s", "{x}", "1", "01"]
IDS += ["İ", "i̇", "x" * 255, "😀" * 255]
NUMBERS = [149.99, 0.1 + 0.2, 1e300, -5e-324, 2**53 + 1, float(2**60), 1.0610889513556194e17, 2.0**70, 0, -1, 1e-7]


@pytest.fixture
def model(db: Database) -> Any:
    made = create_table(document_model("real_documents", len(WORDS)))
    made.objects.all().delete()
    return made


def test_any_id_is_its_own(model: Any) -> None:
    store = DormVectorStore(model, embed)
    texts = [f"cholera {at}" for at in range(len(IDS))]
    assert store.add_texts(texts, ids=IDS) == IDS
    assert [document.page_content for document in store.get_by_ids(IDS)] == texts
    store.add_texts(["again"], ids=["a\u0308"])
    store.delete(["A", "ss", "😀" * 255])
    assert sorted(store.get()["ids"]) == sorted(set(IDS) - {"A", "ss", "😀" * 255})
    assert (store.get("ä")["documents"], store.get("a\u0308")["documents"]) == ([texts[3]], ["again"])


def test_any_number_comes_back(model: Any) -> None:
    store = DormVectorStore(model, embed)
    metadata = {f"n{at}": number for at, number in enumerate(NUMBERS)} | {"of": {"list": NUMBERS}}
    store.add_texts(["cholera"], [metadata], ids=["a"])
    assert store.get_by_ids(["a"])[0].metadata == metadata
    for at, number in enumerate(NUMBERS):
        assert store.get(where={f"n{at}": number})["ids"] == ["a"], number
        assert store.get(where={"of.list": {"$contains": number}})["ids"] == ["a"], number
    nodes = NodeStore(model)
    nodes.add([TextNode(id_="n", text="", metadata=metadata, embedding=vector_of("cholera"))])
    assert nodes.get_nodes(["n"])[0].metadata == metadata


def words(count: int) -> str:
    """Return that many words, none like another: what an index of words keeps most of."""
    numbers = random.Random(14)
    return " ".join(f"w{numbers.getrandbits(64):x}" for _ in range(count))


LONG = {"64 KB of ASCII": "x" * 65_536, "of three bytes": "鍵" * 40_000, "4 MB of words": "cholera " * 500_000}


def one_vector(texts: Any) -> list[list[float]]:
    return [vector_of("cholera") for _ in texts]


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_document_may_be_long(model: Any, text: str) -> None:
    store = DormVectorStore(model, one_vector)
    store.add_texts([text, "short"], [{"at": 1}, {}], ids=["long", "short"])
    (found,) = store.similarity_search("cholera", k=1, filter={"at": 1})
    assert found.page_content == text


def test_without_an_index_of_words_there_may_be_any_number_of_them(db: Database) -> None:
    # PostgreSQL's index of words takes 1 MB of different ones.
    store = DormVectorStore(create_table(document_model("wordy_documents", len(WORDS), language=None)), one_vector)
    store.add_texts([words(150_000)], ids=["long"])
    assert store.get_by_ids(["long"])[0].page_content == words(150_000)


async def test_a_document_may_be_long_async(model: Any) -> None:
    store = NodeStore(model)
    await store.async_add([TextNode(id_="n", text=text, embedding=vector_of("cholera")) for text in LONG.values()][-1:])
    assert [node.get_content() for node in await store.aget_nodes(["n"])] == [LONG["4 MB of words"]]
