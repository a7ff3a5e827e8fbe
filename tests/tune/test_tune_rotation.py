"""Rotated rows in `tune`: judged on other rows, tried on a copy, and recommended."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.databases import Conn, Server, connect
from support.table_facts import TABLE
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn, report
from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.curve import Curve
from mrl_pg.recall.score import Recall
from mrl_pg.rotation import Provenance, Rotation
from mrl_pg.tune import Tuning, tune
from mrl_pg.tune.advice.recommend import recommend
from mrl_pg.tune.advice.rotation import rotated_column, turned
from mrl_pg.tune.option import Goal, Option, smallest_alike
from mrl_pg.tune.predict.rotation import (
    RotationTest,
    SpreadRows,
    judge_rotation,
)
from mrl_pg.tune.predict.shortlist import could_win
from mrl_pg.tune.rows import read_rows
from mrl_pg.tune.trial.front import cheapest
from mrl_pg.tune.trial.point import Point

Vectors = NDArray[np.float32]

FULL = 64
FORMS: Any = [("floats", 8), ("floats", 16), ("floats", 32), ("bits", 64)]


def mixed(rows: Vectors) -> Vectors:
    """The vectors after a random rotation: no dimension comes first any more."""
    random = np.random.default_rng(11).standard_normal((FULL, FULL))
    turned_rows: Vectors = (rows @ np.linalg.qr(random)[0]).astype(np.float32)
    return turned_rows


# ------------------------------------------------------------------- what is judged


def test_rows_in_no_order_gain_and_rows_in_order_do_not() -> None:
    rows, queries = matryoshka(1500), matryoshka(60, seed=2)
    ordered = judge_rotation(rows, queries, FORMS, Goal())
    shuffled = judge_rotation(mixed(rows), mixed(queries), FORMS, Goal())
    assert ordered is not None
    assert shuffled is not None
    assert ordered.verdict == "no gain"
    assert "a rotation would bring little or nothing" in ordered.reason
    assert shuffled.verdict == "gain"
    assert shuffled.low > 0.05
    assert "better prefixes" in shuffled.reason
    # both rotate to the same rows, but for what the fit does not see
    for one, other in zip(ordered.rotated, shuffled.rotated, strict=True):
        assert one.recall(40).mean == pytest.approx(other.recall(40).mean, abs=0.03)
    assert shuffled.rotation.provenance.rows == 300
    assert shuffled.rows == 1200
    plain = json.loads(json.dumps(shuffled.as_dict()))
    assert plain["verdict"] == "gain"
    assert [size["dims"] for size in plain["sizes"]] == [8, 16, 32]


def test_too_little_is_not_judged() -> None:
    rows, queries = matryoshka(600), matryoshka(20, seed=2)
    assert judge_rotation(rows[:400], queries, FORMS, Goal()) is None
    assert judge_rotation(rows, queries, FORMS[3:], Goal()) is None
    assert judge_rotation(rows, queries[:0], FORMS, Goal()) is None
    assert judge_rotation(rows, queries, FORMS, Goal(k=50)) is None


def test_rows_come_from_all_over_the_table() -> None:
    spread = SpreadRows(60_000)
    for start in range(0, 60_000, 10_000):
        block = np.repeat(np.arange(start, start + 10_000), 2).reshape(-1, 2)
        spread.add(block.astype(np.float32))
    drawn = spread.drawn(seed=0)
    assert len(drawn) == 5999  # without the row of zeros
    assert np.median(drawn[:300, 0]) == pytest.approx(30_000, abs=5_000)
    assert len(SpreadRows(0).drawn(0)) == 0


# ---------------------------------------------------------------------- what is said


def option(dims: int, megabytes: float, *, rotated: bool, ms: float = 1) -> Option:
    size = int(megabytes * 1e6)
    recall = Recall(0.999, 0.998, 1, 500)
    return Option(
        dims, "halfvec", recall, 100, True, size, size, 10, ms, rotated=rotated
    )


def point(short: Option, ms: float, mean: float = 0.995) -> Point:
    recall = Recall(mean, mean - 0.002, 1, 500)
    return Point(short.name, 100, 200, recall, ms, 2 * ms, short)


def gained() -> RotationTest:
    places = np.zeros((5, 10), np.int32)
    curves = (Curve(256, "floats", places),)
    rotation = Rotation(np.eye(4, dtype=np.float32), Provenance("pca", 1000))
    return RotationTest(rotation, 5000, 10, curves, curves, 0.2, 0.19, 0.21)


def test_a_rotation_has_to_be_worth_the_rewrite() -> None:
    plain, turned_option = (
        option(512, 300, rotated=False),
        option(64, 200, rotated=True),
    )
    assert plain.name == "halfvec(512)"
    assert turned_option.name == "halfvec(64) rotated"
    near = [point(plain, 1.05), point(turned_option, 1.0)]
    assert cheapest(near, Goal())[0] == near[0]
    # with an index that is more than twice as small, it wins
    small = replace(turned_option, index_bytes=100_000_000)
    assert cheapest([near[0], point(small, 1.0)], Goal())[0] == point(small, 1.0)
    fast = [point(plain, 1.5), point(turned_option, 1.0)]
    assert cheapest(fast, Goal())[0] == fast[1]


def test_a_size_may_be_shown_both_ways() -> None:
    both = [option(64, 9, rotated=False), option(64, 9, rotated=True)]
    assert smallest_alike(both) == both


def test_prefixes_rotated_rows_and_bits_are_all_tried() -> None:
    bits = replace(option(1536, 150, rotated=False, ms=2.0), kind="bit")
    known = [
        option(512, 300, rotated=False, ms=3.0),
        option(256, 150, rotated=True, ms=1.2),
        option(128, 80, rotated=True, ms=1.25),
        bits,
    ]
    names = [picked.name for picked in could_win(known, 3)]
    assert names == ["halfvec(128) rotated", "bit(1536)", "halfvec(512)"]


def test_the_commands_rotate_first() -> None:
    layout = IndexLayout("docs", "embedding", dims=1)
    plain, short = option(512, 300, rotated=False), option(64, 50, rotated=True)
    points = [point(plain, 3.0), point(short, 1.0)]
    notes = turned(gained(), points, Goal())
    assert len(notes) == 1
    assert "of rows as they are it is halfvec(512)" in notes[0]
    advice = recommend(
        layout,
        TABLE,
        Goal(),
        1.0,
        None,
        [plain, short],
        points,
        rotation=gained(),
        notes=notes,
    )
    assert advice.rotated
    assert advice.as_dict()["rotated"] is True
    assert advice.name == "halfvec(64) rotated"
    reasons = "\n".join(advice.reasons)
    assert "rotated rows would have better prefixes" in reasons
    assert "mrl-pg switch docs embedding --to embedding_rotated" in reasons
    assert advice.commands is not None
    rotate = "mrl-pg rotate docs embedding --to embedding_rotated"
    lines = advice.commands.shell.split("\n")
    assert lines[0] == rotate
    assert lines[1].startswith("mrl-pg create docs embedding_rotated --dims 64")
    assert "-- first, in a shell: " + rotate in advice.commands.sql
    assert "'embedding_rotated'" in advice.commands.sql
    assert 'column.rotate(conn, "embedding_rotated")'.replace('"', "'") in (
        advice.commands.python
    )
    assert advice.commands.sqlalchemy.startswith("# first, in a shell: " + rotate)


def test_without_a_rotation_nothing_is_said_of_one() -> None:
    plain = option(512, 300, rotated=False)
    assert turned(None, [point(plain, 1)], Goal()) == []
    assert turned(gained(), [point(plain, 1)], Goal()) == []
    none = point(option(64, 5, rotated=True), 1, mean=0.5)
    assert "no setting of rotated rows" in turned(gained(), [none], Goal())[0]
    good = point(option(64, 5, rotated=True), 1)
    assert "was tried" in turned(gained(), [good], Goal())[0]
    poor = point(plain, 1, mean=0.5)
    assert "no setting reaches" in turned(gained(), [good, poor], Goal())[0]
    assert rotated_column("embedding") == "embedding_rotated"
    assert len(rotated_column("x" * 63).encode()) <= 63


# ------------------------------------------------------------- on a server, as a whole


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Conn]:
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, mixed(matryoshka(1500)))
        yield conn


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_rows, "JUDGED_ROWS", 150)


def tuned(conn: Conn, **given: Any) -> Tuning:
    asked = mixed(matryoshka(60, seed=2))
    usual: dict[str, Any] = {"recall": 0.95, "queries": asked, "storage": False}
    usual |= {"better_graph": False, "rival": False, "kinds": ["halfvec"]}
    return tune(conn, "docs", "embedding", **usual | given)


def test_rotated_rows_are_tried_on_a_copy(docs: Conn, tmp_path: Path) -> None:
    before = docs.execute("select md5(array_agg(embedding)::text) from docs").fetchall()
    tuning = tuned(docs, tries=3)
    assert tuning.rotation is not None
    assert tuning.rotation.verdict == "gain"
    rotated = [o for o in tuning.options if o.rotated]
    plain = {o.dims: o for o in tuning.options if not o.rotated}
    for each in rotated:
        other = plain[each.dims].candidates
        if each.candidates and other:
            assert each.candidates <= other * 1.2
    measured = [p for p in tuning.points if p.option and p.option.rotated]
    assert measured
    # the copy has the same true rows, or no setting would find them
    assert max(p.recall.mean for p in measured) > 0.97
    assert {b.name for b in tuning.built} >= {p.name for p in measured}
    text = str(tuning)
    assert "rotated rows would have better prefixes" in text
    assert "of rotated rows the best setting is" in text
    assert json.loads(json.dumps(tuning.as_dict()))["rotation"]["verdict"] == "gain"
    report.write(tuning, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Would rotated rows have better prefixes?" in page
    left = docs.execute(
        "select nspname from pg_namespace where nspname ~ '^mrl_tune'"
    ).fetchall()
    assert left == []
    after = docs.execute("select md5(array_agg(embedding)::text) from docs").fetchall()
    assert before == after


def test_a_rotated_column_gets_no_bits_and_no_second_rotation(
    pg_server: Server,
) -> None:
    rows, asked = mixed(matryoshka(700)), mixed(matryoshka(60, seed=2))
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, rows)
        MatryoshkaColumn("docs", "embedding").rotate(conn, "embedding_rotated")
        given: dict[str, Any] = {"queries": asked, "plan": True, "recall": 0.9}
        tuning = tune(conn, "docs", "embedding_rotated", **given)
        assert tuning.rotation is None
        assert {option.kind for option in tuning.options} == {"vector", "halfvec"}
        # the queries were rotated, or nothing would be found
        known = {option.dims: option.candidates for option in tuning.options}
        assert known[32] is not None
        assert known[32] < 40
        with pytest.raises(InvalidSetting, match="is rotated"):
            tune(conn, "docs", "embedding_rotated", kinds=["bit"], **given)


def test_a_plan_predicts_rotated_sizes_and_can_be_without(docs: Conn) -> None:
    planned = tuned(docs, plan=True)
    assert planned.rotation is not None
    assert any(option.rotated for option in planned.options)
    assert planned.recommendation.rotated
    without = tuned(docs, plan=True, rotation=False)
    assert without.rotation is None
    assert not any(option.rotated for option in without.options)
    assert not without.recommendation.rotated
