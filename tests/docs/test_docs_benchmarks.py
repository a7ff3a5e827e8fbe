"""The example of docs/benchmarks.md that makes one matrix of many files."""

from pathlib import Path

import numpy as np
import pytest
from support.pages import ROOT, blocks, run_python

from mrl_pg.bench.corpus import VectorSource, read


def test_many_parquet_files_become_one_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = np.random.default_rng(0).normal(size=(50, 3072)).astype(np.float32)
    (tmp_path / "dbpedia").mkdir()
    for i, some in enumerate(np.split(rows, [20, 30])):
        # as the hub has them: lists of doubles
        lists = arrow.array([line.astype(float).tolist() for line in some])
        table = arrow.table({"text-embedding-3-large-3072-embedding": lists})
        parquet.write_table(table, tmp_path / "dbpedia" / f"{i}.parquet")
    monkeypatch.chdir(tmp_path)
    page = blocks(ROOT / "docs" / "benchmarks.md")
    run_python([block for block in page if block.language == "python"], {}, capsys)
    assert np.array_equal(np.load("dbpedia.npy"), rows)
    corpus = read(VectorSource(Path("dbpedia.npy"), rows=1_000_000, queries=5))
    assert (len(corpus.rows), len(corpus.queries), corpus.dims) == (45, 5, 3072)
