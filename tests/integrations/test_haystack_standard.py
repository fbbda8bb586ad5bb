"""Haystack's own suites for document stores, sync and async, whole, on each database."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from haystack.dataclasses import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DocumentStore
from haystack.testing import document_store as suite
from haystack.testing import document_store_async as async_suite

from dorm_vector.integrations import create_table, document_model
from dorm_vector.integrations.haystack import DormDocumentStore
from tests.databases import Database

DIMENSIONS = 768  # of the suites' embeddings


@pytest.fixture
def document_store(db: Database) -> DormDocumentStore:
    # MariaDB indexes no column that may be null, and the suites store documents without an embedding.
    model = create_table(document_model("haystack_documents", DIMENSIONS, null_embeddings=True, vector_index=False))
    model.objects.all().delete()
    return DormDocumentStore(model)


class _InSinglePrecision:
    """Compares documents by the float32 numbers that a vector has in every database."""

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        assert received == [
            each if each.embedding is None else replace(each, embedding=np.float32(each.embedding).tolist())
            for each in expected
        ]


class TestSync(
    _InSinglePrecision,
    suite.DocumentStoreBaseExtendedTests,
    suite.CountDocumentsByFilterTest,
    suite.CountUniqueMetadataByFilterTest,
    suite.GetMetadataFieldsInfoTest,
    suite.GetMetadataFieldMinMaxTest,
    suite.GetMetadataFieldUniqueValuesTest,
):
    @pytest.fixture
    def document_store(self, document_store: DormDocumentStore) -> DormDocumentStore:
        return document_store

    def test_write_documents(self, document_store: DocumentStore) -> None:
        """The suite leaves to each store what a write without a policy does: here, it fails as FAIL does."""
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([Document(content="another"), document])
        assert document_store.filter_documents() == [document]


class TestAsync(
    _InSinglePrecision,
    async_suite.CountDocumentsAsyncTest,
    async_suite.WriteDocumentsAsyncTest,
    async_suite.DeleteDocumentsAsyncTest,
    async_suite.FilterDocumentsAsyncTest,
    async_suite.DeleteAllAsyncTest,
    async_suite.DeleteByFilterAsyncTest,
    async_suite.UpdateByFilterAsyncTest,
    async_suite.CountDocumentsByFilterAsyncTest,
    async_suite.CountUniqueMetadataByFilterAsyncTest,
    async_suite.GetMetadataFieldsInfoAsyncTest,
    async_suite.GetMetadataFieldMinMaxAsyncTest,
    async_suite.GetMetadataFieldUniqueValuesAsyncTest,
):
    async def test_write_documents_async(self, document_store: DormDocumentStore) -> None:
        """As in the sync suite."""
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([Document(content="another"), document])
        assert await document_store.filter_documents_async() == [document]


def test_no_class_of_the_suites_is_left_out() -> None:
    for module, mixed in ((suite, TestSync), (async_suite, TestAsync)):
        classes = [
            each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__
        ]
        tests = {name for each in classes for name in vars(each) if name.startswith("test_")}
        assert tests
        assert [name for name in tests if not hasattr(mixed, name)] == []
