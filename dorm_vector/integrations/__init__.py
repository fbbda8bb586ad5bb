"""Stores of LangChain, LlamaIndex and Haystack, over your own models or a ready-made one.

Importing this package does not import a framework; ``dorm_vector.integrations.langchain``, ``….llama_index`` and
``….haystack`` do.
"""

from __future__ import annotations

from .tables import acreate_table, create_table, document_model

__all__ = ["acreate_table", "create_table", "document_model"]
