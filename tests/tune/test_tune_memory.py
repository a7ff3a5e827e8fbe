"""`tune(memory=…)`: what is predicted, measured and said with less than all memory."""

import json
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.command import mrl_pg
from support.databases import Conn, Server, connect
from support.table_facts import TABLE
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import arguments
from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.score import Recall
from mrl_pg.report import Report
from mrl_pg.server import memory as groups
from mrl_pg.server.memory import LEAST_BYTES
from mrl_pg.tune import Tuning, tune
from mrl_pg.tune.advice.recommend import recommend
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.index_size import PAGE, index_bytes
from mrl_pg.tune.predict.memory import Cached, pages
from mrl_pg.tune.rows import read_rows
from mrl_pg.tune.trial.memory import Memory, finalists, predict, with_times
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.under_limit import not_here

ROWS = 1500
ASKED = list(matryoshka(40, seed=2))
GOAL = Goal(recall=0.95)
GB = 2**30

LARGE = replace(
    TABLE,
    rows=1_000_000,
    full_dims=1536,
    heap_bytes=70_000_000,
    toast_bytes=8_000_000_000,
    row_width=40,
    cache_bytes=16 * GB,
)
"""A million rows of 6 kB, outside their rows."""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging takes most of a plan, and tests of it are elsewhere."""
    monkeypatch.setattr(read_rows, "JUDGED_ROWS", 150)


@pytest.fixture(scope="module")
def url(pg_server: Server) -> Iterator[str]:
    with pg_server.fresh() as url:
        with connect(url) as conn:
            make_table(conn, matryoshka(ROWS))
        yield url


@pytest.fixture
def docs(url: str) -> Iterator[Conn]:
    with connect(url) as conn:
        yield conn


def tuned(conn: Conn, memory: str, **given: Any) -> Tuning:
    usual: dict[str, Any] = {"recall": 0.9, "queries": ASKED, "tries": 1}
    return tune(conn, "docs", "embedding", memory=memory, **usual | given)


# ------------------------------------------------------------------ the model


def from_disk(sizes: list[int], touched: list[int], room: int) -> float:
    """Pages that a search reads into a cache that drops what was used longest ago."""
    random = np.random.default_rng(0)
    cache: OrderedDict[tuple[int, int], None] = OrderedDict()
    missed, searches, warm = 0, 3000, 2000
    for number in range(searches):
        for part, (size, count) in enumerate(zip(sizes, touched, strict=True)):
            for page in random.choice(size, count, replace=False).tolist():
                if (part, page) in cache:
                    cache.move_to_end((part, page))
                    continue
                missed += number >= warm
                cache[part, page] = None
                if len(cache) > room:
                    cache.popitem(last=False)
    return missed / (searches - warm)


@pytest.mark.parametrize("room", [900, 2000, 4000])
def test_the_model_predicts_what_a_cache_reads(room: int) -> None:
    sizes, touched = [500, 5000], [60, 20]
    parts = [Cached(s * PAGE, t) for s, t in zip(sizes, touched, strict=True)]
    predicted = pages(parts, room * PAGE)
    assert predicted.touched == 80
    assert predicted.disk == pytest.approx(from_disk(sizes, touched, room), rel=0.1)


def test_nothing_is_read_from_disk_if_all_fits() -> None:
    parts = [Cached(500 * PAGE, 60), Cached(5000 * PAGE, 0)]
    assert pages(parts, 5500 * PAGE).share == 0
    # what no search touches takes no memory from what is touched
    assert pages(parts, 600 * PAGE).share == pytest.approx(0, abs=1e-6)
    shares = [pages([Cached(500 * PAGE, 60)], room * PAGE).share for room in (50, 250)]
    assert 1 > shares[0] > shares[1] > 0


@pytest.mark.parametrize(
    ("text", "size"), [("3GB", 3 * GB), (" 512 MB", 2**29), ("1.5GB", 3 * GB // 2)]
)
def test_memory_is_written_as_in_postgresql(text: str, size: int) -> None:
    assert arguments.memory_size("memory", text) == size


@pytest.mark.parametrize(
    "given", ["3", "3gb", "-1GB", "0MB", "much", 3, None, "9" * 9 + "TB"]
)
def test_other_sizes_are_refused(given: object) -> None:
    with pytest.raises(InvalidSetting, match=r"memory=.*such as '3GB' or '512MB'"):
        arguments.memory_size("memory", given)


# ------------------------------------------------------------------ the choice


def measured(ms: float, option: Option | None = None, ef: int = 200) -> Point:
    name = option.name if option else "halfvec(1536) alone"
    recall = Recall(0.96, 0.955, 0.97, 500)
    return Point(name, 160 if option else None, ef, recall, ms, None, option)


def bits() -> Option:
    size = index_bytes("bit", 1536, LARGE.rows)
    ceiling = Recall(1, 0.99, 1, 500)
    return Option(1536, "bit", ceiling, 160, True, size, 200_000_000, 60, 6.0)


def squeezed(memory: int, table: Any = LARGE) -> tuple[Memory, list[Point]]:
    points = [measured(6.0, bits()), measured(3.0)]
    table = replace(table, memory_bytes=memory)
    return predict("some", memory, points, table, GOAL, 1.0, {}, "of a test"), points


def test_a_small_index_wins_where_the_large_one_does_not_fit() -> None:
    layout = IndexLayout("docs", "embedding", dims=1)
    for memory, wins in ((2 * GB, "bit(1536)"), (16 * GB, "halfvec(1536) alone")):
        predicted, _ = squeezed(memory)
        table = replace(LARGE, memory_bytes=memory)
        fastest = min(predicted.points(), key=lambda point: point.median_ms)
        assert fastest.name == wins
        advice = recommend(
            layout,
            table,
            GOAL,
            1.0,
            None,
            [bits()],
            predicted.points(),
            memory=predicted,
        )
        assert advice.name == "bit(1536)"
        assert (advice.not_yet is not None) == (wins != "bit(1536)")
        assert "predicted for some" in advice.reasons[0]
        assert any("from disk, by prediction" in reason for reason in advice.reasons)


def test_full_vectors_in_the_row_take_fewer_pages_from_disk() -> None:
    predicted, (short, _) = squeezed(2 * GB)
    toast, row = predicted.of(short), predicted.of(short, in_row=True)
    assert toast is not None
    assert row is not None
    assert row.from_disk < toast.from_disk
    said = " ".join(predicted.said(short, "COMMAND"))
    assert "COMMAND; then build the index with --keep generated" in said
    # a table that has them there already, or whose rows would not fit a page
    for table in (
        replace(LARGE, toast_bytes=0, row_width=6200, heap_bytes=8_000_000_000),
        replace(LARGE, full_dims=3000),
    ):
        other, _ = squeezed(2 * GB, table)
        assert other.of(short, in_row=True) is None


def test_a_row_that_is_not_read_takes_no_page_from_disk() -> None:
    every = measured(6.0, bits())
    # in memory to choose takes a little longer here
    some = replace(every, candidates=200, rerank=60, median_ms=6.2)
    table = replace(LARGE, memory_bytes=2 * GB)
    for kept, gains in (
        (table, True),
        # to choose, a row is read with the vector that is in it
        (replace(table, toast_bytes=0, row_width=6200, heap_bytes=8 * GB), False),
    ):
        predicted = predict("2GB", 2 * GB, [every, some], kept, GOAL, 1.0, {}, "a test")
        all_read, best_read = predicted.of(every), predicted.of(some)
        assert all_read is not None
        assert best_read is not None
        assert (2 * best_read.ms < all_read.ms) == gains
        assert gains or best_read.ms > all_read.ms
        advice = recommend(
            IndexLayout("docs", "embedding", dims=1),
            kept,
            GOAL,
            1.0,
            None,
            [bits()],
            predicted.points(),
            memory=predicted,
        )
        assert advice.rerank == (60 if gains else None)
        assert any("rerank=60 instead of" in why for why in advice.reasons) == gains
    # with full vectors in the row of a table that has them in TOAST
    plain = predict("2GB", 2 * GB, [every, some], table, GOAL, 1.0, {}, "a test")
    rows = [plain.of(point, in_row=True) for point in (every, some)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[1].from_disk >= rows[0].from_disk


def test_only_what_was_measured_is_compared() -> None:
    predicted, (short, alone) = squeezed(2 * GB)
    best = finalists(predicted, GOAL)
    assert [(s.point, s.in_row) for s in best] == [
        (short, False),
        (short, True),
        (alone, False),
    ]
    slow = measured(60.0, bits(), ef=400)
    more = predict(
        "some",
        2 * GB,
        [short, alone, slow],
        replace(LARGE, memory_bytes=2 * GB),
        GOAL,
        1.0,
        {},
        "",
    )
    times = {(short.setting, False): 20.0, (alone.setting, False): 90.0}
    found = with_times(more, times, 400_000_000)
    assert [(s.point, s.ms) for s in found.shown] == [(short, 20.0), (alone, 90.0)]
    assert found.measured
    assert "400 MB" in found.head


def test_why_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    near: Any = SimpleNamespace(info=SimpleNamespace(host="/run"))
    far: Any = SimpleNamespace(info=SimpleNamespace(host="db.example.org"))
    table = replace(LARGE, memory_bytes=2 * GB)

    def reason(
        conn: Any, share: float = 1.0, plan: bool = False, count: int = 500
    ) -> str:
        return not_here(conn, table, share, plan=plan, queries=count)

    monkeypatch.setattr("mrl_pg.tune.trial.under_limit.why_not", lambda: "no root")
    assert "--plan" in reason(near, plan=True)
    assert "needs 100 MB" in reason(near, share=0.9 * LEAST_BYTES / (2 * GB))
    assert "too few" in reason(near, count=30)
    assert "TCP" in reason(far)
    assert reason(near) == "no root"


# ------------------------------------------------------------------ on a server


def test_a_plan_predicts_what_comes_from_disk(docs: Conn) -> None:
    found = tuned(docs, "300kB", plan=True)
    assert found.memory is not None
    assert not found.memory.measured
    for option in found.options:
        if option.candidates is not None:
            assert option.from_disk is not None
            assert 0 < option.from_disk < 1
    text = str(found)
    assert "Disk is the share of the pages" in text
    assert "predicted for 300kB, because --plan" in text
    plenty = tuned(docs, "1GB", plan=True)
    assert {option.from_disk for option in plenty.options} <= {None, 0.0}
    assert tune(docs, "docs", "embedding", plan=True, queries=ASKED).memory is None


def test_trials_count_pages_and_leave_out_what_does_not_fit(docs: Conn) -> None:
    found = tuned(docs, "300kB", sizes=[32])
    assert not any("alone" in built.name for built in found.built)
    memory = found.memory
    assert memory is not None
    assert "MB of it" in memory.why_not
    assert memory.searches
    for search in memory.searches:
        assert search.index_bytes < search.bytes
        assert 0 < search.from_disk < 1
        assert search.ms > search.point.median_ms
    page = " ".join(Report(found).html().split())
    assert "With 300kB of memory, predicted" in page
    assert json.loads(json.dumps(found.as_dict()))["memory"]["measured"] is False


@pytest.mark.skipif(groups.why_not() is not None, reason="no memory groups here")
def test_searches_are_measured_under_a_limit(docs: Conn) -> None:
    found = tuned(docs, "200MB", sizes=[32], rival=True)
    memory = found.memory
    assert memory is not None
    assert memory.why_not == ""
    assert memory.limit_bytes == 200 * 2**20
    assert {s.point.option is None for s in memory.shown} == {True, False}
    assert all(s.measured_ms is not None and s.measured_ms > 0 for s in memory.shown)
    assert "measured for 200MB of memory" in found.recommendation.reasons[0]
    assert "measured under a limit of 210 MB" in str(found)
    assert own_groups() == []


def own_groups() -> list[Path]:
    """The memory groups of this process; another may be limiting a server, too."""
    name = f"mrl_pg_{os.getpid()}_*"
    return [*groups.GROUPS.glob(name), *groups.GROUPS.glob(f"memory/{name}")]


def test_a_wrong_size_is_one_line(url: str) -> None:
    done = mrl_pg("tune", "docs", "embedding", "--memory", "3 gigs", "--dsn", url)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "memory='3 gigs' is not a size of memory" in done.stderr
    assert "Traceback" not in done.stderr
