"""A table of documents: a key, a text, metadata and a vector, and a verb for each task.

Every framework's store is one of these, with its own words for documents and filters.
"""

from mrl_pg.adapters.documents.state import TableState
from mrl_pg.adapters.documents.table import (
    DocumentTable,
    TableKeywords,
    document_table,
    explains_table,
)
from mrl_pg.adapters.documents.values import FoundDocument, StoredDocument, new_key
from mrl_pg.adapters.documents.verbs import Documents

__all__ = [
    "DocumentTable",
    "Documents",
    "FoundDocument",
    "StoredDocument",
    "TableKeywords",
    "TableState",
    "document_table",
    "explains_table",
    "new_key",
]
