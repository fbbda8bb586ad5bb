"""Embeddings: embedders, and rows that are embedded on save, on bulk load and on demand."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
