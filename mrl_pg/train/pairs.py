"""Pairs of texts, or of vectors, that belong together; and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.arguments import check_path, check_text, check_whole, shown
from mrl_pg.errors import InvalidFile, InvalidSetting, InvalidVector
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.choice import Choice
from mrl_pg.load.readers import read
from mrl_pg.load.text_files import TextForm

FEWEST = 40
"""Fewer pairs cannot be parted into some to learn from and some to be judged by."""

NO_VECTORS = "(no vectors)"
"""No column has this name, so that none is read as vectors."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Texts: a query (`anchors`) and its right answer (`positives`), row by row.

    `negatives` are empty, or have a wrong answer for each pair.
    """

    anchors: list[str]
    positives: list[str]
    negatives: list[str]

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.anchors)

    def at(self, places: Sequence[int]) -> "Pairs":
        """The pairs at these places."""
        columns = (self.anchors, self.positives, self.negatives)
        return Pairs(
            *([texts[i] for i in places] if texts else [] for texts in columns)
        )


@dataclass(frozen=True, slots=True, eq=False)
class PairVectors:
    """The same as vectors of one model.

    `anchors` (pairs, d) are vectors of queries. `documents` (rows, d) are different
    documents. `own` has the row of the right answer for each anchor, and `wrong` is
    None or has the row of a wrong answer. `model` is the model's name. `left_out` is
    the number of pairs for which the model gave no vector. Raises InvalidVector or
    InvalidSetting.
    """

    anchors: NDArray[np.floating]
    documents: NDArray[np.floating]
    own: NDArray[np.intp]
    wrong: NDArray[np.intp] | None = None
    model: str = ""
    left_out: int = 0

    def __post_init__(self) -> None:
        """Check shapes and values."""
        for what in ("anchors", "documents"):
            matrix = np.asarray(getattr(self, what))
            if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not matrix.size:
                raise InvalidVector(
                    f"{what} of the shape {matrix.shape} are not vectors: pass an "
                    "array of numbers of the shape (rows, dims)"
                )
            if not np.isfinite(matrix).all():
                place = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
                raise InvalidVector(
                    f"row {place} of {what} holds NaN or infinity: leave it out"
                )
            object.__setattr__(self, what, matrix.astype(np.float32, copy=False))
        if self.anchors.shape[1] != self.documents.shape[1]:
            raise InvalidVector(
                f"anchors have {self.anchors.shape[1]} numbers and documents "
                f"{self.documents.shape[1]}: embed both with one model"
            )
        for what, places in (("own", self.own), ("wrong", self.wrong)):
            if what == "wrong" and places is None:
                continue
            rows = np.asarray(places)
            right = rows.dtype.kind in "iu" and rows.shape == (len(self.anchors),)
            if not right or rows.min() < 0 or rows.max() >= len(self.documents):
                raise InvalidSetting(
                    f"{what}={shown(places)}: give a row of documents, 0 to "
                    f"{len(self.documents) - 1}, for each anchor"
                )
            object.__setattr__(self, what, rows.astype(np.intp))

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.anchors)

    @property
    def full(self) -> int:
        """The length of the vectors."""
        return int(self.anchors.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class PairParts:
    """Places of the pairs to learn from, to choose an epoch by, and to judge by.

    No document is the right answer of pairs of two parts.
    """

    learn: NDArray[np.intp]
    choose: NDArray[np.intp]
    judge: NDArray[np.intp]


def parted(
    own: NDArray[np.intp], held_out: int | None = None, seed: int = 0
) -> PairParts:
    """Pairs at random in three parts; by default a tenth, 1,000 at most, is judged by.

    Half as many again choose the epoch. Raises InvalidSetting.
    """
    count = len(own)
    if count < FEWEST:
        raise InvalidSetting(
            f"{count} pairs are too few to learn from: give {FEWEST} at least, and "
            "rather some thousands"
        )
    most = count // 4
    judged = min(1000, max(10, count // 10)) if held_out is None else held_out
    judged = check_whole("held_out", judged, 10, most, f"a file of {count} pairs")
    # by documents, so that none that was learnt is an answer that is judged
    rows, first = np.unique(own, return_index=True)
    order = np.random.default_rng(seed).permutation(len(rows))
    rank = np.empty(int(own.max()) + 1, dtype=np.intp)
    rank[rows[order]] = np.arange(len(rows))
    pairs = np.argsort(rank[own], kind="stable")
    ranks = rank[own][pairs]
    ends = [
        int(np.searchsorted(ranks, ranks[min(end, count) - 1], side="right"))
        for end in (judged, judged + max(10, judged // 2))
    ]
    learn = pairs[ends[1] :]
    if len(learn) < FEWEST // 4 or len(first) < FEWEST // 2:
        raise InvalidSetting(
            f"{count} pairs have only {len(first)} different right answers, too few to "
            "learn from some and judge by others: give pairs with more of them"
        )
    return PairParts(learn, pairs[ends[0] : ends[1]], pairs[: ends[0]])


def read_pairs(
    path: "str | PathLike[str]",
    *,
    anchor: str = "anchor",
    positive: str = "positive",
    negative: str | None = None,
) -> Pairs:
    """The pairs of a file that `mrl-pg load` reads: JSON, CSV, Parquet or Arrow.

    The three names are those of its columns. Raises InvalidFile if a column is missing,
    and naming the rows that have no text there.
    """
    check_path("path", path)
    names = [anchor, positive] if negative is None else [anchor, positive, negative]
    for name in names:
        check_text("a column", name)
    if len(set(names)) < len(names):
        raise InvalidSetting(
            f"the columns {', '.join(names)}: anchor, positive and negative must be "
            "different columns"
        )
    origin = Path(path).name
    columns: list[list[str]] = [[] for _ in names]
    for block in read(path, Choice(NO_VECTORS, ""), TextForm()):
        for column, values in zip(columns, _texts(origin, block, names), strict=True):
            column += values
    if not columns[0]:
        raise InvalidFile(f"{origin} holds no pairs: give a file with rows")
    return Pairs(columns[0], columns[1], columns[2] if negative else [])


def _texts(origin: str, block: Block, names: Sequence[str]) -> list[list[str]]:
    missing = [name for name in names if name not in block.names]
    if missing:
        raise InvalidFile(
            f"{origin} has no column {missing[0]!r}; there are: "
            f"{', '.join(block.names)}: name the columns with anchor=, positive= and "
            "negative= (--anchor, --positive, --negative)"
        )
    columns = [list(block[name]) for name in names]
    bad = dict(block.bad)
    for name, values in zip(names, columns, strict=True):
        for place, value in enumerate(values):
            if not _is_text(value):
                bad.setdefault(place, f"{name} is {shown(value)}, and not a text")
    if bad:
        raise refuse(origin, block, bad, "read")
    return columns


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
