"""Documents as rows: those that are stored, those that a search found."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mrl_pg.errors import InvalidSetting
from mrl_pg.load.matrix import length
from mrl_pg.vectors import VectorLike


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A row: its key, its text, its metadata, and its vector if it has one."""

    key: str
    text: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    vector: "VectorLike | None" = None


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """An answer: the document without its vector, and what put it in its place.

    `score` is its distance, smallest first. Of a hybrid search it is the fused score,
    and of a search by words their relevance, largest first.
    """

    document: StoredDocument
    score: float


def size_of(documents: Sequence[StoredDocument], given: int | None = None) -> int:
    """The size of the documents' vectors; raises InvalidSetting if none has one."""
    size = given or length([document.vector for document in documents])
    if size is not None:
        return size
    raise InvalidSetting(
        "no document has a vector, so the size of the table's vectors is unknown: "
        "embed the documents first, or say the size"
    )


def new_key() -> str:
    """A key for a document that has none."""
    return str(uuid.uuid4())
