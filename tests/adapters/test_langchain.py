"""The vector store for LangChain: its standard suite, and what is ours beyond it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from support.databases import Conn

from mrl_pg.adapters.langchain import MatryoshkaVectorStore


class TestStandardSuite(VectorStoreIntegrationTests):
    """With an index of 4 of the 6 dimensions."""

    @pytest.fixture
    async def vectorstore(  # type: ignore[override]
        self, database: str
    ) -> AsyncIterator[MatryoshkaVectorStore]:
        store = MatryoshkaVectorStore(self.get_embeddings(), database, dims=4)
        yield store
        await store.aclose()
