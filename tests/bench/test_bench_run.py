"""A whole benchmark of 1,200 rows: every contender uses its index and answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import mrl_pg
from support.folders import temporary_folder

from mrl_pg.bench import (
    BenchRequest,
    BenchResult,
    bench,
    contender,
    in_process,
    langchain,
    measure,
    writes,
)
from mrl_pg.bench.corpus import VectorSource, read
from mrl_pg.bench.measure import Pace
from mrl_pg.bench.on_server import Site
from mrl_pg.bench.plots import write_plots
from mrl_pg.bench.table import grid, summary, text

DIMS, ROWS = 64, 1200


@pytest.fixture(scope="module")
def result() -> Iterator[BenchResult]:
    request = BenchRequest(
        source=VectorSource(made_up=DIMS, rows=ROWS, queries=8),
        ks=(10, 1),
        target=0.9,
        pace=Pace(1, 0.0),
        clients=(1, 2),
        percents=(10,),
        changed=0.01,
        without=("in process", "langchain"),
    )
    # servers of tests live where the watchdog finds them
    with pytest.MonkeyPatch.context() as patch, temporary_folder() as folder:
        patch.setattr("tempfile.tempdir", str(folder))
        # what is measured is not the point
        patch.setattr(contender, "WALKED", (40, 320))
        patch.setattr(measure, "LOOK", 6)
        for module in (measure, writes):
            patch.setattr(module, "warm_up", lambda run: True)
        yield bench(request)


def test_every_contender_scans_its_own_index(result: BenchResult) -> None:
    assert [entry.name for entry in result.entries] == [
        "mrl_pg bit(64)",
        "mrl_pg bit(64), better graph",
        "mrl_pg halfvec(32)",
        "pgvector halfvec(64)",
        "pgvector halfvec(64), better graph",
        "pgvector vector(64)",
        "pgvector binary(64)",
        "pgvector subvector(32)",
        "adaptive(32), mended",
        "adaptive(32), as published",
    ]
    for entry in result.entries:
        assert set(entry.fronts) == {10, 1}
        for points in entry.fronts.values():
            assert points
            assert all(point.scanned for point in points), entry.name
        assert entry.costs.index_bytes > 10_000
        assert entry.costs.heap_bytes > ROWS * DIMS * 4


def test_every_contender_answers_like_exact_search(result: BenchResult) -> None:
    best = {
        entry.name: max(point.recall.mean for point in entry.fronts[10])
        for entry in result.entries
    }
    published = best.pop("adaptive(32), as published")
    mended = best["adaptive(32), mended"]
    # its candidates are eight times k, and no more
    assert published <= mended
    assert mended > 0.5
    del best["adaptive(32), mended"]
    assert min(best.values()) > 0.9, best


def test_every_section_was_measured(result: BenchResult) -> None:
    assert result.skipped == []
    assert result.left_out == []
    for entry in result.entries:
        best = max(point.recall.mean for point in entry.fronts[10])
        assert [each.clients for each in entry.clients] == [1, 2] * (best >= 0.9)
        if not entry.name.startswith("adaptive"):
            assert entry.updated is not None
            assert entry.updated.writes.rows == ROWS // 100
            assert entry.deleted is not None
            assert entry.deleted.writes.rows == ROWS // 100
            assert entry.deleted.point.recall.mean > 0.8
            assert set(entry.filtered) == {10}
            assert max(each.recall.mean for each in entry.filtered[10]) > 0.9
        if entry.name != "adaptive(32), as published":
            assert entry.inserts is not None
            assert entry.inserts.rows > 0
    assert {"building mrl_pg bit(64)", "fronts, k = 10", "updates"} <= set(
        result.section_seconds
    )


def test_the_words_and_the_file_say_the_same(
    result: BenchResult, tmp_path: Path
) -> None:
    said = text(result)
    for entry in result.entries:
        assert entry.name in said
    assert f"made-up rows, seed 0: {ROWS:,} rows of {DIMS} dimensions" in said
    for title in ("k = 10, one client", "Several clients", "10 % of the rows", "alone"):
        assert title in said
    assert "At recall .90, mrl_pg" in summary(result, 0.9, 10)
    result.write(tmp_path / "result.json")
    written: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
    about = written["about"]
    assert (about["rows"], about["request"]["source"]["seed"]) == (ROWS, 0)
    assert {"cpu", "server", "packages"} <= set(about["environment"])
    assert about["environment"]["server"]["pgvector"].startswith("0.")
    assert len(written["entries"]) == len(result.entries)


def test_plots_are_pictures_with_every_line(
    result: BenchResult, tmp_path: Path
) -> None:
    files = write_plots(result, tmp_path / "plots")
    assert [file.name for file in files] == [
        "recall-rate-10.svg",
        "recall-rate-1.svg",
        "clients.svg",
    ]
    for entry in result.entries:
        assert entry.name in files[0].read_text()


def test_a_table_has_columns_of_equal_width() -> None:
    made = grid(("", "rate"), [("a", "1"), ("long", "20000")])
    assert made == "       rate\na         1\nlong  20000"


def test_a_contender_without_its_package_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contender, "find_spec", lambda name: None)
    corpus = read(VectorSource(made_up=8, rows=50, queries=5))
    there = in_process.InProcess(Site("", corpus, 4))
    assert there.missing() == "hnswlib is not installed: pip install hnswlib"
    other = langchain.LangChain(Site("", corpus, 4))
    assert "pip install --no-deps langchain-postgres" in str(other.missing())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--k", "ten"), "--k 'ten'"),
        (("--recall", "95"), "target=95"),
        (("--sections", "speed"), "speed"),
        (("nowhere.npy",), "nowhere.npy"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], words: str) -> None:
    done = mrl_pg("bench", *arguments)
    assert done.returncode in (1, 2), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches() -> None:
    said = " ".join(mrl_pg("bench", "--help").stdout.split())
    assert "Example: mrl-pg bench embeddings.npy --rows 100000 --out bench" in said
    assert "your data is safe" in said
