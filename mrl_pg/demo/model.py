"""The embedding model of the demo, which turns text into vectors with NumPy alone.

A vector is the mean of the vectors of the text's words, normalised. The word vectors
were trained with a Matryoshka loss, so the leading dimensions of each size in `nested`
are an embedding, too, after they are normalised. `tools/train_demo_model.py` makes the
weights.
"""

import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[a-z]+|[0-9]+")
SUFFIXES = (
    ("ies", "y"),
    ("es", ""),
    ("s", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ied", "y"),
    ("ed", ""),
    ("ed", "e"),
    ("er", ""),
    ("er", "e"),
    ("est", ""),
    ("ily", "y"),
    ("ly", ""),
    ("ness", ""),
    ("ment", ""),
)
"""Endings of unknown words, each with the ending of the known form."""

SHORTEST_STEM = 3
CHUNK = 1024
"""Texts to embed at a time, so that their rows take only some tens of megabytes."""


def words(text: str) -> list[str]:
    """Runs of letters and runs of digits, in lower case and without accents."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in text if not unicodedata.combining(c))
    return WORD.findall(text.lower())


def stem(word: str, known: Mapping[str, int]) -> str | None:
    """A known word of which `word` is a common English form, if there is one."""
    for suffix, ending in SUFFIXES:
        if word.endswith(suffix):
            base = word.removesuffix(suffix)
            if len(base) < SHORTEST_STEM:
                continue
            # running -> runn -> run
            undoubled = base[:-1] if base[-1] == base[-2] else base
            for candidate in (base + ending, undoubled + ending):
                if candidate in known:
                    return candidate
    return None


def token_ids(text: str, known: Mapping[str, int]) -> list[int]:
    """The rows of the words of `text`, in order; leaves out words without a row."""
    ids = []
    for word in words(text):
        row = known.get(word)
        if row is None:
            base = stem(word, known)
            if base is None:
                continue
            row = known[base]
        ids.append(row)
    return ids


@dataclass(frozen=True, slots=True, eq=False)
class StaticModel:
    """Word vectors, and the vocabulary that gives the row of each word.

    `weights` are int8 of shape (words, dims). Multiplied by `scale`, which has one
    number per word, they are the trained vectors. `quality` holds, for each nested
    size, the share of 4,000 held-out texts whose own gloss is among the 10 nearest
    glosses, measured with these weights.
    """

    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    vocabulary: Mapping[str, int] = field(repr=False)
    nested: tuple[int, ...]
    quality: Mapping[int, float]

    @classmethod
    def load(cls) -> "StaticModel":
        """Load the model of the package, which takes some tenths of a second."""
        return cls.from_bytes(
            files("mrl_pg.demo").joinpath("data/model.npz").read_bytes()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "StaticModel":
        """Load a model from the `.npz` data that `tools/train_demo_model.py` writes."""
        with np.load(io.BytesIO(data), allow_pickle=False) as parts:
            names = parts["vocabulary"].tobytes().decode("ascii").split("\n")
            nested = tuple(int(size) for size in parts["nested"])
            hits = (round(float(hit), 4) for hit in parts["quality"])
            return cls(
                weights=parts["weights"],
                scale=parts["scale"].astype(np.float32),
                vocabulary={name: row for row, name in enumerate(names)},
                nested=nested,
                quality=dict(zip(nested, hits, strict=True)),
            )

    @property
    def dims(self) -> int:
        """The number of dimensions of full vectors."""
        return int(self.weights.shape[1])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (texts, dims), each of unit length.

        A text without any known word, such as an empty text, gives a row of zeros.
        Check `row.any()` before you store the row or search for it by cosine distance.
        """
        out = np.zeros((len(texts), self.dims), dtype=np.float32)
        for start in range(0, len(texts), CHUNK):
            ids = [
                token_ids(text, self.vocabulary)
                for text in texts[start : start + CHUNK]
            ]
            out[start : start + CHUNK] = self._sums(ids)
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        # the sum has the direction of the mean, so no division by the count is needed
        np.divide(out, norms, out=out, where=norms > 0)
        return out

    # Turns only the rows that occur into floats, so that a query takes little time.
    def _sums(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        sums = np.zeros((len(ids), self.dims), dtype=np.float32)
        counts = np.array([len(row) for row in ids])
        flat = np.array([i for row in ids for i in row], dtype=np.intp)
        used, places = np.unique(flat, return_inverse=True)
        table = self.weights[used] * self.scale[used, None]
        # longest first, so that the texts that have an n-th word are one slice; this
        # adds several times faster than np.add.reduceat along the rows
        order = np.argsort(-counts, kind="stable")
        starts = (np.cumsum(counts) - counts)[order]
        for nth in range(counts.max()):
            live = int((counts > nth).sum())
            sums[:live] += table[places[starts[:live] + nth]]
        out = np.empty_like(sums)
        out[order] = sums
        return out
