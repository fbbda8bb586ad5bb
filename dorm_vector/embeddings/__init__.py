"""Text to vectors: embedders, and rows that are filled on save, on load and on demand."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
