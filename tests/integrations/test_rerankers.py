"""Rerankers of other libraries rank rows, through the base classes that those libraries declare."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor, Document
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from dorm_vector import arerank, rerank
from dorm_vector.integrations.rerankers import CrossEncoderReranker, LangChainReranker, LlamaIndexReranker
from tests.models import Document as Row

TEXTS = ("cholera in the delta", "dengue", "cholera cholera", "the delta")

QUERY = "cholera delta"

BEST = ["cholera in the delta", "cholera cholera", "the delta", "dengue"]


def rows() -> list[Row]:
    return [Row(title=text) for text in TEXTS]


def relevance(query: str, text: str) -> float:
    """Return how many of the words of the question are in the text, and a little for its length."""
    return float(len(set(query.split()) & set(text.split()))) + len(text) / 1000


def titles(found: list[Any]) -> list[str]:
    return [row.title for row in found]


class Predicting:
    """Has the one method of sentence-transformers' CrossEncoder that is called, which returns an array."""

    def predict(self, pairs: list[tuple[str, str]]) -> Any:
        return np.array([relevance(*pair) for pair in pairs], dtype=np.float32)


class Scoring(BaseCrossEncoder):
    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        return [relevance(*pair) for pair in text_pairs]


class Compressor(BaseDocumentCompressor):
    """Returns copies, as hosted rerankers do; their scores are in the metadata if ``scored``."""

    top_n: int = 3
    scored: bool = True

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> list[Document]:
        found = sorted(copy.deepcopy(list(documents)), key=lambda each: -relevance(query, each.page_content))
        for each in found if self.scored else []:
            each.metadata["relevance_score"] = relevance(query, each.page_content)
        return found[: self.top_n]


class Forgetful(BaseDocumentCompressor):
    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> list[Document]:
        return [Document(each.page_content) for each in documents]


class AwaitedCompressor(Compressor):
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        return self.compress_documents(documents, query)[:1]


class Postprocessor(BaseNodePostprocessor):
    top_n: int = 3
    scored: bool = True

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        query = query_bundle.query_str
        found = sorted(nodes, key=lambda each: -relevance(query, each.node.get_content()))
        if self.scored:
            found = [NodeWithScore(node=each.node, score=relevance(query, each.node.get_content())) for each in found]
        return found[: self.top_n]


class Rewriting(BaseNodePostprocessor):
    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=each.node.get_content()), score=1.0) for each in nodes]


@pytest.mark.parametrize("model", [Predicting(), Scoring()])
async def test_cross_encoders(model: Any) -> None:
    by_field = CrossEncoderReranker(model, QUERY, "title")
    found = rerank(rows(), by_field)
    assert titles(found) == BEST
    assert [row.rerank_score for row in found] == pytest.approx([relevance(QUERY, text) for text in BEST])
    assert titles(await arerank(rows(), by_field, 2)) == BEST[:2]
    by_function = CrossEncoderReranker(model, QUERY, lambda row: row["of"].title.replace("cholera", "x"))
    wrapped = rerank([{"of": row} for row in rows()], by_function)
    assert [row["of"].title for row in wrapped] == [BEST[0], BEST[2], BEST[3], BEST[1]]
    values = [{"title": text} for text in TEXTS]
    assert [row["title"] for row in rerank(values, CrossEncoderReranker(model, QUERY, "title"))] == BEST
    assert titles(rerank([Row(title=None), *rows()], by_field))[-1] is None


@pytest.mark.parametrize("adapter", [(LangChainReranker, Compressor), (LlamaIndexReranker, Postprocessor)])
async def test_rankings(adapter: tuple[Any, Any]) -> None:
    adapted, ranker = adapter
    for found in (
        rerank(rows(), adapted(ranker(), QUERY, "title")),
        await arerank(rows(), adapted(ranker(), QUERY, "title")),
    ):
        assert titles(found) == BEST[:3]
        assert [row.rerank_score for row in found] == pytest.approx([relevance(QUERY, text) for text in BEST[:3]])
    unscored = rerank(rows(), adapted(ranker(scored=False, top_n=10), QUERY, "title"), 3)
    assert [(row.title, row.rerank_score) for row in unscored] == [(BEST[0], 1), (BEST[1], 1 / 2), (BEST[2], 1 / 3)]


async def test_an_async_reranker_is_awaited() -> None:
    reranker = LangChainReranker(AwaitedCompressor(), QUERY, "title")
    assert titles(await arerank(rows(), reranker)) == BEST[:1]
    assert titles(rerank(rows(), reranker)) == BEST[:3]


@pytest.mark.parametrize("reranker", [(LangChainReranker, Forgetful), (LlamaIndexReranker, Rewriting)])
def test_texts_of_no_row_are_refused(reranker: tuple[Any, Any]) -> None:
    adapted, ranker = reranker
    with pytest.raises(ValueError, match=r"returned a text that is not of a row\. It has to keep metadata and ids"):
        rerank(rows(), adapted(ranker(), QUERY, "title"))


@pytest.mark.parametrize(
    "adapted, methods",
    [
        (CrossEncoderReranker, r"predict or score\(\)"),
        (LangChainReranker, r"compress_documents\(\)"),
        (LlamaIndexReranker, r"postprocess_nodes\(\)"),
    ],
)
def test_what_is_no_reranker_is_refused(adapted: Any, methods: str) -> None:
    with pytest.raises(TypeError, match=f"want an object with {methods}; got one of object"):
        adapted(object(), QUERY, "title")
    with pytest.raises(TypeError, match=r"\(query=\['cholera'\]\): want the text of the question"):
        adapted(object(), ["cholera"], "title")
