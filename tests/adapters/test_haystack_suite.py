"""The document store for Haystack: the suites that Haystack has for stores."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from haystack.dataclasses import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DocumentStore, DuplicatePolicy
from haystack.testing import document_store as sync
from haystack.testing import document_store_async as asynchronous
from haystack.utils import Secret
from support.databases import Conn

from mrl_pg.adapters.haystack import MatryoshkaDocumentStore


def comparable(document: Document) -> Document:
    """The document with its embedding rounded to single precision."""
    if document.embedding is None:
        return document
    return replace(
        document, embedding=np.asarray(document.embedding, np.float32).tolist()
    )


class Compares:
    """How documents are compared, which suites leave to a store."""

    @staticmethod
    def assert_documents_are_equal(
        received: list[Document], expected: list[Document]
    ) -> None:
        # a table has no order
        ordered = sorted(map(comparable, expected), key=lambda document: document.id)
        assert list(map(comparable, received)) == ordered


class TestSuite(
    Compares,
    sync.DocumentStoreBaseExtendedTests,
    sync.CountDocumentsByFilterTest,
    sync.CountUniqueMetadataByFilterTest,
    sync.GetMetadataFieldsInfoTest,
    sync.GetMetadataFieldMinMaxTest,
    sync.GetMetadataFieldUniqueValuesTest,
):
    # about a parameter that this store does not have
    test_delete_all_documents_without_recreate_index: Any = None
    test_delete_all_documents_with_recreate_index: Any = None

    @pytest.fixture
    def document_store(self, conn: Conn) -> MatryoshkaDocumentStore:
        # a session that the module shares, which takes half the time of a pool
        return MatryoshkaDocumentStore(connection=conn)

    def test_write_documents(self, document_store: DocumentStore) -> None:
        documents = [Document(id="1")]
        assert document_store.write_documents(documents) == 1
        with pytest.raises(DuplicateDocumentError, match="'1'"):
            document_store.write_documents(documents, DuplicatePolicy.NONE)


class TestAsyncSuite(
    Compares,
    asynchronous.CountDocumentsAsyncTest,
    asynchronous.CountDocumentsByFilterAsyncTest,
    asynchronous.CountUniqueMetadataByFilterAsyncTest,
    asynchronous.DeleteAllAsyncTest,
    asynchronous.DeleteByFilterAsyncTest,
    asynchronous.DeleteDocumentsAsyncTest,
    asynchronous.FilterDocumentsAsyncTest,
    asynchronous.GetMetadataFieldsInfoAsyncTest,
    asynchronous.GetMetadataFieldMinMaxAsyncTest,
    asynchronous.GetMetadataFieldUniqueValuesAsyncTest,
    asynchronous.UpdateByFilterAsyncTest,
    asynchronous.WriteDocumentsAsyncTest,
):
    test_delete_all_documents_without_recreate_index_async: Any = None
    test_delete_all_documents_with_recreate_index_async: Any = None

    @pytest.fixture
    async def document_store(
        self, database: str
    ) -> AsyncIterator[MatryoshkaDocumentStore]:
        store = MatryoshkaDocumentStore(connection_string=Secret.from_token(database))
        yield store
        await store.close_async()

    async def test_write_documents_async(
        self, document_store: MatryoshkaDocumentStore
    ) -> None:
        documents = [Document(id="1")]
        assert await document_store.write_documents_async(documents) == 1
        with pytest.raises(DuplicateDocumentError, match="'1'"):
            await document_store.write_documents_async(documents, DuplicatePolicy.NONE)
