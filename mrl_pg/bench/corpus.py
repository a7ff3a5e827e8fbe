"""The rows and queries of a benchmark: from a file, from the demo, or made up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mrl_pg.demo import dictionary
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.kinds import Distance
from mrl_pg.load.numpy_files import mapped
from mrl_pg.load.vectors import read_vectors
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.recall.truth import nearest

Floats = NDArray[np.float32]
HDF5 = {".hdf5", ".h5"}
DISTANCES: dict[str, Distance] = {"angular": "cosine", "euclidean": "l2", "dot": "ip"}
"""Names of distances in the files of ann-benchmarks."""

PARTS = 1000
"""Rows are in so many parts of about the same size, for filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Rows, and queries that are no rows.

    `parts` has a random number below PARTS for each row, for filters. `same` queries
    were left out, because they equal a row.
    """

    name: str
    rows: Floats
    queries: Floats
    parts: NDArray[np.int16]
    distance: Distance
    same: int = 0

    @property
    def dims(self) -> int:
        """Dimensions of the vectors."""
        return int(self.rows.shape[1])


def below(percent: float) -> int:
    """The part below which so many percent of the rows are."""
    return round(percent * PARTS / 100)


@dataclass(frozen=True, slots=True)
class VectorSource:
    """Where the vectors come from, how many, and the seed of what is drawn."""

    path: Path | None = None
    queries_from: Path | None = None
    column: str = "embedding"
    made_up: int | None = None
    rows: int = 100_000
    queries: int = 200
    seed: int = 0
    distance: Distance | None = None


def read(source: VectorSource) -> Corpus:
    """The corpus of a source; raises InvalidFile or InvalidSetting."""
    if source.path is None:
        name, rows, queries = _without_file(source)
        distance: Distance = source.distance or "cosine"
    elif source.path.suffix.lower() in HDF5:
        name = source.path.name
        rows, queries, written = _hdf5(source)
        distance = source.distance or written
    else:
        name = source.path.name
        rows, queries = _drawn(source, _vectors(source.path, source.column))
        distance = source.distance or "cosine"
    if rows.shape[1] != queries.shape[1]:
        raise InvalidFile(
            f"the rows have {rows.shape[1]} dimensions and the queries "
            f"{queries.shape[1]}: embed both with the same model"
        )
    usable = _usable(rows, queries, distance)
    rng = np.random.default_rng(source.seed + 1)
    parts = rng.integers(PARTS, size=len(rows)).astype(np.int16)
    return Corpus(
        name, rows, queries[usable], parts, distance, int(len(queries) - usable.sum())
    )


def made_up(count: int, dims: int, seed: int = 0) -> Floats:
    """Random rows in clusters; earlier dimensions carry more. Easier than real rows."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, dims + 1) ** -0.25
    centres = rng.normal(size=(min(2000, max(1, count // 20)), dims)) * weights
    pick = rng.integers(len(centres), size=count)
    made = np.empty((count, dims), dtype=np.float32)
    for start in range(0, count, 10_000):
        some = pick[start : start + 10_000]
        noise = 0.7 * rng.normal(size=(len(some), dims))
        made[start : start + len(some)] = centres[some] + noise
    return made


def _without_file(source: VectorSource) -> tuple[str, Floats, Floats]:
    if source.made_up is not None:
        count = source.rows + source.queries
        made = made_up(count, source.made_up, source.seed)
        rows, queries = made[: source.rows], made[source.rows :]
        return f"made-up rows, seed {source.seed}", rows, queries
    words = dictionary.read(source.rows)
    queries = words.queries(source.queries)
    return "WordNet's glosses, words as queries (mrl-pg demo)", words.vectors, queries


def _vectors(path: Path, column: str) -> NDArray[np.floating]:
    if path.suffix.lower() == ".npy":
        matrix = mapped(path)
        if matrix.ndim == 2 and matrix.dtype.kind == "f":
            return cast(NDArray[np.floating], matrix)
    return read_vectors(path, column)


def _drawn(source: VectorSource, matrix: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Rows and queries, drawn at random because many files are in order of source."""
    rng = np.random.default_rng(source.seed)
    held = 0 if source.queries_from else source.queries
    if len(matrix) <= 2 * held:
        raise InvalidSetting(
            f"--queries {held} of {len(matrix)} rows: hold out fewer than half of them"
        )
    order = rng.permutation(len(matrix))
    kept = np.sort(order[held : held + source.rows])
    rows = np.asarray(matrix[kept], dtype=np.float32)
    if source.queries_from:
        others = _vectors(source.queries_from, source.column)
        some = rng.permutation(len(others))[: source.queries]
        return rows, np.asarray(others[np.sort(some)], dtype=np.float32)
    return rows, np.asarray(matrix[np.sort(order[:held])], dtype=np.float32)


def _hdf5(source: VectorSource) -> tuple[Floats, Floats, Distance]:
    """The layout of ann-benchmarks: `train`, `test`, and the attribute `distance`."""
    path = cast(Path, source.path)
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise InvalidFile(
            f"{path.name}: reading {path.suffix} needs h5py: pip install "
            "'mrl_pg[bench]'"
        ) from error
    if not path.is_file():
        raise InvalidFile(f"{str(path)!r} does not exist or is not a file")
    try:
        with h5py.File(path, "r") as file:
            train, test = _matrix(file, "train"), _matrix(file, "test")
            written = file.attrs.get("distance", "angular")
    except OSError as error:
        raise InvalidFile(f"{path.name} is not a valid HDF5 file: {error}") from error
    if train is None or test is None:
        raise InvalidFile(
            f"{path.name}: a file of ann-benchmarks has the matrices train and test"
        )
    text = written.decode() if isinstance(written, bytes) else str(written)
    if text not in DISTANCES and source.distance is None:
        raise InvalidFile(
            f"{path.name} has the distance {text!r}: mrl-pg bench knows "
            f"{', '.join(DISTANCES)}; choose one with --distance"
        )
    rng = np.random.default_rng(source.seed)
    rows = np.sort(rng.permutation(len(train))[: source.rows])
    queries = np.sort(rng.permutation(len(test))[: source.queries])
    return train[rows], test[queries], DISTANCES.get(text, "cosine")


def _matrix(file: Any, name: str) -> Floats | None:
    if name not in file or len(file[name].shape) != 2:
        return None
    return np.asarray(file[name], dtype=np.float32)


def _usable(rows: Floats, queries: Floats, distance: Distance) -> NDArray[np.bool_]:
    """Which queries are neither zeros nor equal to a row."""
    fine = np.asarray(queries.any(axis=1), dtype=np.bool_)
    if distance != "ip" and len(rows):
        near = nearest(rows, queries, k=1, distance=distance).distances[:, 0]
        fine &= near > TOLERANCE
    if not fine.any():
        raise InvalidSetting("every query equals a row: give queries that are no rows")
    return fine
