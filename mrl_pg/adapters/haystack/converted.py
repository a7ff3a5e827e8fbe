"""Documents of Haystack as rows, and rows as documents, with their scores."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from haystack.dataclasses import ByteStream, Document, SparseEmbedding

from mrl_pg.adapters.documents import StoredDocument
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance

RESERVED = "_haystack"
"""The field of the metadata that keeps what has no column: blobs, sparse embeddings."""


def stored_document(document: Document) -> StoredDocument:
    """The row of a document, without its score."""
    check_reserved(document.meta)
    metadata = dict(document.meta)
    rest: dict[str, Any] = {}
    if (blob := document.blob) is not None:
        data = b64encode(blob.data).decode("ascii")
        rest["blob"] = {"data": data, "mime_type": blob.mime_type, "meta": blob.meta}
    if document.sparse_embedding is not None:
        rest["sparse_embedding"] = document.sparse_embedding.to_dict()
    if rest:
        metadata[RESERVED] = rest
    return StoredDocument(document.id, document.content, metadata, document.embedding)


def check_reserved(meta: Mapping[str, Any]) -> None:
    """Raise InvalidSetting for metadata with the name that is ours."""
    if RESERVED in meta:
        raise InvalidSetting(
            f"the metadata have {RESERVED!r}, under which the store keeps blobs and "
            "sparse embeddings: rename the field"
        )


def document_of(stored: StoredDocument, score: float | None = None) -> Document:
    """The document of a row."""
    meta = dict(stored.metadata)
    rest = meta.pop(RESERVED, {})
    blob, sparse = rest.get("blob"), rest.get("sparse_embedding")
    return Document(
        id=stored.key,
        content=stored.text,
        meta=meta,
        score=score,
        embedding=_floats(stored.vector),
        blob=None
        if blob is None
        else ByteStream(b64decode(blob["data"]), blob["meta"], blob["mime_type"]),
        sparse_embedding=None if sparse is None else SparseEmbedding.from_dict(sparse),
    )


def _floats(vector: Any) -> list[float] | None:
    if vector is None:
        return None
    if isinstance(vector, str):
        # a search returns the vector as the caller's connection reads it
        vector = json.loads(vector)
    listed = vector.to_list() if hasattr(vector, "to_list") else vector
    return [float(value) for value in listed]


def score_of(distance: float, kind: Distance) -> float:
    """A score that is higher for a nearer document."""
    match kind:
        case "cosine":
            return 1 - distance
        case "ip":
            return -distance
    return 1 / (1 + distance)
