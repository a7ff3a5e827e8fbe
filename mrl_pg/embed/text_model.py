"""What all models of this package do alike: check texts, batch them, check vectors."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.arguments import check_text, check_whole, flag, shown
from mrl_pg.errors import EmbeddingError, InvalidSetting, UntrainedSizeWarning
from mrl_pg.errors.warn import warn
from mrl_pg.models import doubt, find
from mrl_pg.vectors import VectorsLike, normalise

Role: TypeAlias = Literal["document", "query"]
"""What a text is for. Many models put another prompt before each."""

MOST_DIMS = 16_000
"""What a `vector` can hold."""


class TextModel(ABC):
    """An embedding model. `hosted` says that texts leave this machine and cost money.

    If `dims` is less than the model's full size, the vectors are prefixes. Vectors are
    scaled to length 1 where the published facts of the model say that full vectors
    have it, or as `normalise` says.
    """

    kind: ClassVar[str]
    hosted: bool = False
    batch_texts: ClassVar[int] = 512
    batch_bytes: ClassVar[int] = 4_000_000

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        dims: int | None = None,
        normalise: bool | None = None,
    ) -> None:
        """Take the model's name; warns of a size at which it was not trained.

        `name` is what the registry keeps instead of `model`, for example if that is a
        folder or a program.
        """
        check_text("model", model)
        if name is not None:
            check_text("name", name)
        self.model = model
        self.label = (name or model).strip()
        if not self.label:
            raise InvalidSetting(
                f"{self.kind}: names no model: write {self.kind}:NAME, with the name "
                "that its maker gave it"
            )
        self.facts = find(self.label)
        if dims is not None:
            dims = check_whole("dims", dims, 1, MOST_DIMS, "a vector column")
            if self.facts and (reason := doubt(self.facts, dims)):
                warn(reason, UntrainedSizeWarning)
        self.dims = dims
        unit = bool(self.facts and self.facts.unit)
        self.normalise = unit if normalise is None else flag("normalise", normalise)

    @property
    def name(self) -> str:
        """The model, as the registry keeps it, such as `openai:text-embedding-3-small`.

        It never holds a key, a command or an address.
        """
        return f"{self.kind}:{self.label}"

    def __repr__(self) -> str:
        """The name only, because a command or an address may hold a key."""
        return f"<{type(self).__name__} {self.name}>"

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector for each text that is to be stored, shape (texts, dims).

        Raises EmbeddingError if the model gives none, and InvalidSetting for a value
        that is not text.
        """
        return self._embed(texts, "document")

    async def embed_documents_async(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same in a thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector for each text that is to be searched for, shape (texts, dims)."""
        return self._embed(texts, "query")

    async def embed_queries_async(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same in a thread."""
        return await asyncio.to_thread(self.embed_queries, texts)

    @abstractmethod
    def _vectors(self, texts: list[str], role: Role) -> VectorsLike:
        """The vectors of one batch, of any size from `dims` on."""

    def _prompted(self, texts: list[str], role: Role) -> list[str]:
        """The texts behind the prompts that the model's card names."""
        prompt = self._prompt(role)
        return texts if prompt is None else [prompt + text for text in texts]

    def _prompt(self, role: Role) -> str | None:
        """What the model's card puts before a text; None if no card is known."""
        prompts = self.facts.prompts if self.facts else None
        if prompts is None:
            return None
        return prompts.query if role == "query" else prompts.document

    def _embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        parts = [
            as_matrix(self.name, self._vectors(part, role), len(part))
            for part in batches(texts_of(texts), self.batch_texts, self.batch_bytes)
        ]
        if not parts:
            return np.empty((0, self.dims or 0), np.float32)
        sizes = {part.shape[1] for part in parts}
        if len(sizes) > 1:
            raise EmbeddingError(
                f"{self.name} gave vectors of {' and '.join(map(str, sorted(sizes)))} "
                "numbers: all vectors of a model must have one length"
            )
        return self._sized(np.concatenate(parts))

    def _sized(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        size = vectors.shape[1]
        if self.dims is not None and size < self.dims:
            raise EmbeddingError(
                f"{self.name} gave vectors of {size} numbers, and dims={self.dims} "
                f"were asked: ask {size} at most"
            )
        cut = vectors[:, : self.dims]
        return normalise(cut).astype(np.float32) if self.normalise else cut


def texts_of(texts: Sequence[str]) -> list[str]:
    """The texts as a list; raises InvalidSetting for anything else."""
    if isinstance(texts, (str, bytes)):
        raise InvalidSetting(f"texts={shown(texts)} is one text: pass a list of texts")
    try:
        given = list(texts)
    except TypeError as error:
        raise InvalidSetting(
            f"texts={shown(texts)} is no list: pass a list of texts"
        ) from error
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise InvalidSetting(
                f"text {place} is {shown(text)}, not text: pass a string for each"
            )
    return given


def batches(texts: list[str], most: int, most_bytes: int) -> Iterator[list[str]]:
    """The texts in order, in lists of bounded length; a long text is alone in one."""
    part: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if part and (len(part) == most or size + length > most_bytes):
            yield part
            part, size = [], 0
        part.append(text)
        size += length
    if part:
        yield part


def as_matrix(name: str, vectors: object, count: int) -> NDArray[np.float32]:
    """The vectors of `count` texts as a matrix; raises EmbeddingError."""
    try:
        with np.errstate(over="ignore"):
            matrix: NDArray[np.float32] = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingError(
            f"{name} gave {shown(vectors)}, which are not vectors of one length: "
            "it must give a list of numbers for each text"
        ) from error
    if matrix.ndim != 2 or matrix.shape[0] != count or not matrix.shape[1]:
        got = f"an array of shape {matrix.shape}"
        if matrix.ndim == 2:
            got = f"{matrix.shape[0]} vectors of {matrix.shape[1]} numbers"
        raise EmbeddingError(
            f"{name} gave {got} for {count} texts: it must give one vector for each, "
            "in their order"
        )
    if not np.isfinite(matrix).all():
        place = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise EmbeddingError(
            f"{name} gave a vector with NaN or infinity for text {place} of a batch: "
            "look at that text, or at the model's number type"
        )
    return matrix
