"""A Haystack document store over a model, ``DormDocumentStore``, and its retrievers."""

from __future__ import annotations

from .retrievers import DormEmbeddingRetriever, DormHybridRetriever, DormKeywordRetriever
from .store import DormDocumentStore

__all__ = ["DormDocumentStore", "DormEmbeddingRetriever", "DormHybridRetriever", "DormKeywordRetriever"]
