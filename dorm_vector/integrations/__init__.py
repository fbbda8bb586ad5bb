"""Stores of documents for LangChain and LlamaIndex, over models of your own or a ready one.

Importing this imports neither: ``dorm_vector.integrations.langchain`` and ``….llama_index`` do.
"""

from __future__ import annotations

from .tables import acreate_table, create_table, document_model

__all__ = ["acreate_table", "create_table", "document_model"]
