"""Adapters that let ``rerank()`` use the rerankers of sentence-transformers, LangChain and LlamaIndex."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, ClassVar

from .extras import required

_ROW = "dorm_vector_row"

Text = str | Callable[[Any], str]
"""The name of the field that holds the text of a row, or a function that returns the text."""


class _Adapter:
    _methods: ClassVar[tuple[str, ...]]
    """The methods of which the model has to have one."""

    def __init__(self, model: Any, query: str, text: Text) -> None:
        if not isinstance(query, str):
            raise TypeError(f"{type(self).__name__}(query={query!r}): want the text of the question.")
        if not any(hasattr(model, name) for name in self._methods):
            raise TypeError(
                f"{type(self).__name__}({model!r}): want an object with {' or '.join(self._methods)}(); got one of"
                f" {type(model).__name__}."
            )
        self.model, self.query, self.text = model, query, text

    def _texts(self, rows: Iterable[Any]) -> list[str]:
        return [self._text(row) or "" for row in rows]

    def _text(self, row: Any) -> Any:
        if callable(self.text):
            return self.text(row)
        return row[self.text] if isinstance(row, Mapping) else getattr(row, self.text)


class CrossEncoderReranker(_Adapter):
    """Score rows with a cross-encoder, for ``rerank()`` and ``arerank()``.

    Args:
        model: sentence-transformers' ``CrossEncoder`` or any object with ``predict(pairs)``, or LangChain's
            ``BaseCrossEncoder``, which has ``score(pairs)``. A pair is the query and the text of a row.
        query: The question.
        text: The name of the text field of a row, or a function of the row.
    """

    _methods = ("predict", "score")

    def __call__(self, rows: Sequence[Any]) -> list[float]:
        score = self.model.predict if hasattr(self.model, "predict") else self.model.score
        return [float(number) for number in score([(self.query, text) for text in self._texts(rows)])]


class LangChainReranker(_Adapter):
    """Rank rows with a LangChain reranker, for ``rerank()`` and ``arerank()``.

    Rows that the reranker leaves out are left out. Scores are the ``relevance_score`` of the documents, or the
    reciprocal of the rank if the reranker has none.

    Args:
        model: A ``BaseDocumentCompressor``.
        query: The question.
        text: The name of the text field of a row, or a function of the row.
    """

    _methods = ("compress_documents",)

    def __call__(self, rows: Sequence[Any]) -> list[float | None]:
        return self._scores(rows, self.model.compress_documents(self._documents(rows), self.query))

    async def ascores(self, rows: Sequence[Any]) -> list[float | None]:
        """Return the scores from the async reranker."""
        return self._scores(rows, await self.model.acompress_documents(self._documents(rows), self.query))

    def _documents(self, rows: Sequence[Any]) -> list[Any]:
        with required("langchain"):
            from langchain_core.documents import Document
        return [Document(text, metadata={_ROW: place}) for place, text in enumerate(self._texts(rows))]

    def _scores(self, rows: Sequence[Any], documents: Iterable[Any]) -> list[float | None]:
        found = [document.metadata for document in documents]
        return _by_row(self.model, len(rows), [(each.get(_ROW), each.get("relevance_score")) for each in found])


class LlamaIndexReranker(_Adapter):
    """Rank rows with a LlamaIndex reranker, for ``rerank()`` and ``arerank()``.

    Rows that the reranker leaves out are left out. Scores are those of the nodes, or the reciprocal of the rank if the
    reranker sets none.

    Args:
        model: A ``BaseNodePostprocessor``.
        query: The question.
        text: The name of the text field of a row, or a function of the row.
    """

    _methods = ("postprocess_nodes",)

    def __call__(self, rows: Sequence[Any]) -> list[float | None]:
        return self._scores(rows, self.model.postprocess_nodes(self._nodes(rows), query_str=self.query))

    async def ascores(self, rows: Sequence[Any]) -> list[float | None]:
        """Return the scores from the async reranker."""
        return self._scores(rows, await self.model.apostprocess_nodes(self._nodes(rows), query_str=self.query))

    def _nodes(self, rows: Sequence[Any]) -> list[Any]:
        with required("llama-index"):
            from llama_index.core.schema import NodeWithScore, TextNode
        texts = enumerate(self._texts(rows))
        return [NodeWithScore(node=TextNode(id_=f"{_ROW}:{place}", text=text)) for place, text in texts]

    def _scores(self, rows: Sequence[Any], nodes: Iterable[Any]) -> list[float | None]:
        return _by_row(self.model, len(rows), [(_place_of(each.node.node_id), each.score) for each in nodes])


def _place_of(node_id: str) -> int | None:
    name, _, place = node_id.partition(":")
    return int(place) if name == _ROW else None


def _by_row(model: Any, count: int, ranked: list[tuple[int | None, Any]]) -> list[float | None]:
    """Return a score for each row, None if the reranker left the row out; ``ranked`` is best first."""
    scores = [score for _place, score in ranked]
    if not _fall(scores):
        # The order decides, so scores that contradict it are replaced.
        scores = [1 / rank for rank in range(1, len(ranked) + 1)]
    found: dict[int, float] = {}
    for (place, _score), score in zip(ranked, scores, strict=True):
        if place is None:
            raise ValueError(
                f"{type(model).__name__} returned a text that is not of a row. It has to keep metadata and ids."
            )
        found.setdefault(place, float(score))
    return [found.get(place) for place in range(count)]


def _fall(scores: list[Any]) -> bool:
    """Tell whether these are numbers, none greater than the one before."""
    if not all(isinstance(score, Real) for score in scores):
        return False
    return all(left >= right for left, right in pairwise(scores))
