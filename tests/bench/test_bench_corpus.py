"""Where rows and queries come from, and that no query is a row."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mrl_pg.bench.asked import ask
from mrl_pg.bench.corpus import VectorSource, made_up, read
from mrl_pg.bench.request import BenchRequest, prefix_dims
from mrl_pg.errors import InvalidFile, InvalidSetting, MrlError
from mrl_pg.load.block import Values
from mrl_pg.server.memory import why_not

ROWS = made_up(300, 8)


def lines(matrix: Values) -> set[bytes]:
    return {np.asarray(row, dtype=np.float32).tobytes() for row in matrix}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", ROWS)
    return tmp_path / "rows.npy"


def test_queries_are_drawn_and_are_no_rows(file: Path) -> None:
    corpus = read(VectorSource(file, rows=200, queries=20))
    assert (len(corpus.rows), len(corpus.queries), corpus.dims) == (200, 20, 8)
    assert not lines(corpus.rows) & lines(corpus.queries)
    assert lines(corpus.rows) | lines(corpus.queries) <= lines(ROWS)
    # drawn, because many files are in order of source
    assert not lines(corpus.queries) <= lines(ROWS[-100:])
    again = read(VectorSource(file, rows=200, queries=20))
    assert np.array_equal(again.queries, corpus.queries)
    assert np.array_equal(again.parts, corpus.parts)
    other = read(VectorSource(file, rows=200, queries=20, seed=1))
    assert not np.array_equal(other.queries, corpus.queries)


def test_queries_of_a_second_file_that_are_rows_are_left_out(
    file: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "queries.npy", np.vstack([ROWS[:3], made_up(5, 8, seed=7)]))
    corpus = read(VectorSource(file, queries_from=tmp_path / "queries.npy"))
    assert (len(corpus.rows), len(corpus.queries), corpus.same) == (300, 5, 3)
    np.save(tmp_path / "queries.npy", ROWS[:3])
    with pytest.raises(InvalidSetting, match="every query equals a row"):
        read(VectorSource(file, queries_from=tmp_path / "queries.npy"))
    np.save(tmp_path / "queries.npy", made_up(5, 9))
    with pytest.raises(InvalidFile, match=r"8 dimensions and the queries\s9"):
        read(VectorSource(file, queries_from=tmp_path / "queries.npy"))


def test_parquet_is_read_by_the_readers_of_load(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"vec": ROWS.tolist()})
    parquet.write_table(table, tmp_path / "rows.parquet")
    source = VectorSource(tmp_path / "rows.parquet", column="vec", queries=20)
    assert len(read(source).rows) == 280


def test_the_files_of_ann_benchmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "glove.hdf5"
    with h5py.File(path, "w") as made:
        made["train"], made["test"] = ROWS[:200], ROWS[200:]
        made.attrs["distance"] = "euclidean"
    corpus = read(VectorSource(path, queries=30))
    assert (len(corpus.rows), len(corpus.queries), corpus.distance) == (200, 30, "l2")
    assert lines(corpus.rows) == lines(ROWS[:200])
    assert lines(corpus.queries) < lines(ROWS[200:])
    with h5py.File(path, "a") as made:
        made.attrs["distance"] = "jaccard"
    with pytest.raises(InvalidFile, match="'jaccard'"):
        read(VectorSource(path))
    with h5py.File(path, "a") as made:
        del made["test"]
    with pytest.raises(InvalidFile, match="train and test"):
        read(VectorSource(path))
    path.write_bytes(b"no HDF5")
    with pytest.raises(InvalidFile, match="not a valid HDF5"):
        read(VectorSource(path))
    with pytest.raises(InvalidFile, match="does not exist"):
        read(VectorSource(tmp_path / "none.hdf5"))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InvalidFile, match=r"pip install 'mrl_pg\[bench\]'"):
        read(VectorSource(path))


def test_recall_counts_ties_and_only_rows_that_pass() -> None:
    corpus = read(VectorSource(made_up=8, rows=200, queries=10))
    asked = ask(corpus, 5)
    exact = [
        np.argsort(1 - corpus.rows @ q / np.linalg.norm(corpus.rows, axis=1))[:5]
        for q in corpus.queries
    ]
    assert asked.recall([each.tolist() for each in exact]).mean == 1
    assert asked.recall([each[:4].tolist() for each in exact]).mean == 0.8
    # the same row twice is one row, and no row is none
    assert asked.recall([[each[0]] * 5 for each in exact]).mean == 0.2
    assert asked.recall([[] for _ in exact]).mean == 0
    filtered = ask(corpus, 5, percent=10)
    barred = np.flatnonzero(corpus.parts >= 100)[:5].tolist()
    assert filtered.recall([barred for _ in exact]).mean == 0
    assert 0 < np.mean(corpus.parts < 100) < 0.25


@pytest.mark.parametrize(
    ("full", "asked", "dims"),
    [(1536, 0, 512), (768, 0, 256), (384, 0, 128), (64, 0, 32), (64, 48, 48)],
)
def test_short_vectors_have_a_third_of_the_dimensions(
    full: int, asked: int, dims: int
) -> None:
    assert prefix_dims(full, asked) == dims


def test_bad_requests_name_the_value(file: Path) -> None:
    with pytest.raises(InvalidSetting, match="dims=64"):
        prefix_dims(64, 64)
    with pytest.raises(InvalidSetting, match="--queries 150"):
        read(VectorSource(file, queries=150))
    for wrong, word in (
        ({"ks": (0,)}, "k="),
        ({"target": 95.0}, "target=95"),
        ({"memory": (40.0,)}, "memory="),
        ({"changed": 1.0}, "changed="),
        ({"sections": ("speed",)}, "speed"),
    ):
        with pytest.raises(MrlError, match=word):
            BenchRequest(**wrong)


def test_why_memory_cannot_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert why_not() == "limiting the server's memory needs Linux"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert why_not() == "limiting the server's memory needs root"
