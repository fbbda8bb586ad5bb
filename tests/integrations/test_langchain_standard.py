"""LangChain's own suite for vector stores, whole, on each database: over a ready model, and over one of our own."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.tables import create_table, document_model
from tests.databases import Database
from tests.models import Note

DIMENSIONS = 6


class TestReadyModel(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, db: Database) -> DormVectorStore:
        model = create_table(document_model("standard_documents", DIMENSIONS))
        model.objects.all().delete()
        return DormVectorStore(model, self.get_embeddings())


class TestOwnModel(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, db: Database) -> Any:
        return DormVectorStore(Note, self.get_embeddings(), metadata_columns=["source"])
