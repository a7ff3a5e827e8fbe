"""Documents of LangChain as rows, and rows as documents."""

from collections.abc import Iterable, Sequence

from langchain_core.documents import Document

from mrl_pg.adapters.documents import FoundDocument, StoredDocument, new_key


def rows_of(
    documents: Iterable[Document],
    vectors: Sequence[Sequence[float]],
    ids: Sequence[str | None] | None = None,
) -> list[StoredDocument]:
    """The rows of documents; those without an id get a random key."""
    listed = list(documents)
    if ids is None:
        ids = [document.id for document in listed]
    return [
        StoredDocument(
            new_key() if key is None else key, each.page_content, each.metadata, vector
        )
        for key, each, vector in zip(ids, listed, vectors, strict=True)
    ]


def document_of(stored: StoredDocument) -> Document:
    """The document of a row."""
    return Document(
        id=stored.key, page_content=stored.text or "", metadata=dict(stored.metadata)
    )


def scored(found: Sequence[FoundDocument]) -> list[tuple[Document, float]]:
    """Documents with their scores."""
    return [(document_of(each.document), each.score) for each in found]


def plain(found: Sequence[tuple[Document, float]]) -> list[Document]:
    """Documents without their scores."""
    return [document for document, _ in found]
