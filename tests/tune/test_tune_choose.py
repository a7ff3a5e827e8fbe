"""Choosing as arithmetic: what is needed, what could win, what is said. No server."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.table_facts import TABLE

from mrl_pg.calibration.margin import LEAST_EF_SEARCH, misses_of_rows
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Kind, Stored
from mrl_pg.layout import GRAPHS, Graph, IndexLayout
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve
from mrl_pg.recall.judgement import Judgement, Verdict
from mrl_pg.recall.score import Recall
from mrl_pg.tune.advice.better_graph import bought
from mrl_pg.tune.advice.not_yet import NotYet
from mrl_pg.tune.advice.recommend import recommend
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.better_graph import better, spare
from mrl_pg.tune.predict.cost_model import build_seconds, graph_ef, scaled
from mrl_pg.tune.predict.growth import grown, measured
from mrl_pg.tune.predict.index_size import column_bytes, index_bytes
from mrl_pg.tune.predict.shortlist import could_win, needed, options
from mrl_pg.tune.request import TuneRequest, silent
from mrl_pg.tune.trial.front import cheapest, front
from mrl_pg.tune.trial.noise import noise
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.point import point as timed
from mrl_pg.tune.trial.run_settings import efforts
from mrl_pg.tune.trial.scratch import TrialIndex
from mrl_pg.tune.trial.storage import concerns, contenders, pair, refusal, unmeasured

LAYOUT = IndexLayout("docs", "embedding", dims=1)


def request(**given: Any) -> TuneRequest:
    """The arguments of a `tune`, with the defaults of the command."""
    usual: dict[str, Any] = dict.fromkeys(
        ["model", "sizes", "rival", "storage", "queries", "queries_file", "queries_sql"]
    )
    usual |= {"real_queries": None, "minutes": None, "show": (), "progress": silent}
    usual |= {"better_graph": None, "memory": None, "rotation": None}
    usual |= {"plan": False, "tries": 3, "sample": 500, "sample_rows": 1, "seed": 0}
    usual |= {"goal": Goal(), "layout": LAYOUT, "kinds": ["halfvec", "bit"]}
    return TuneRequest(**usual | given)


def curve(dims: int, stored: Stored = "floats", *, lose: float = 1.0) -> Curve:
    """Places that spread as short prefixes' do: the fewer dims, the further down."""
    random = np.random.default_rng(dims)
    spread = random.exponential(lose * 3000 / dims, (500, 10))
    places = np.minimum(np.sort(spread, axis=1), MOST_CANDIDATES).astype(np.int32)
    return Curve(dims, stored, (places + np.arange(10)).astype(np.int32))


def option(kind: Kind, dims: int, ms: float | None, megabytes: float) -> Option:
    recall = Recall(0.999, 0.998, 1, 500)
    candidates = None if ms is None else 100
    size = int(megabytes * 1e6)
    return Option(dims, kind, recall, candidates, True, size, size, 10, ms)


def point(
    mean: float, ms: float, short: Option | None = None, *, low: float | None = None
) -> Point:
    recall = Recall(mean, mean - 0.01 if low is None else low, 1, 500)
    name = short.name if short else "halfvec(1536) alone"
    return Point(name, 100 if short else None, 200, recall, ms, 2 * ms, short)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"k": 0}, "k=0"),
        ({"k": 501}, "k=501"),
        ({"recall": 0}, "recall=0"),
        ({"recall": 1}, "recall=1"),
        ({"recall": 99}, "recall=99"),
    ],
)
def test_a_goal_that_nothing_reaches_is_refused(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidSetting, match=words):
        replace(Goal(), **given)


def test_needed_leaves_half_of_the_loss_to_the_graph() -> None:
    one, goal = curve(256), Goal(recall=0.95)
    candidates, sure = needed(one, goal)
    assert candidates is not None
    assert one.recall(candidates).mean >= 0.975
    assert one.recall(candidates - 1).mean < 0.975
    assert sure
    assert one.recall(candidates).low >= 0.95


def test_needed_asks_for_more_where_few_queries_are_not_sure() -> None:
    places = np.tile(np.arange(10, dtype=np.int32), (40, 1))
    places[:3, 9] = 30, 31, 40
    few = Curve(64, "floats", places)
    fewest = few.candidates_for(0.995)
    assert fewest == 31
    assert needed(few, Goal(recall=0.99)) == (31, False)
    assert needed(curve(8), Goal(recall=0.99)) == (None, False)


def test_options_are_the_sizes_and_kinds_that_an_index_can_have() -> None:
    table = replace(TABLE, full_dims=4096)
    curves = [curve(d, s) for s in ("floats", "bits") for d in (1024, 2048, 4096)]
    found = options(curves, table, Goal(recall=0.95))
    # vector up to 2000, halfvec up to 4000, and the whole vector only as bits
    assert [one.name for one in found] == [
        "vector(1024)",
        "halfvec(1024)",
        "halfvec(2048)",
        "bit(1024)",
        "bit(2048)",
        "bit(4096)",
    ]
    vector, half = found[:2]
    assert vector.candidates == half.candidates
    assert vector.index_bytes > 1.8 * half.index_bytes
    assert [one.name for one in options(curves, table, Goal(), kinds=["bit"])] == [
        "bit(1024)",
        "bit(2048)",
        "bit(4096)",
    ]


def test_a_sample_needs_fewer_candidates_than_the_whole_table() -> None:
    assert grown(100, 10, 1.0) == 100
    assert grown(100, 10, 0.1) == pytest.approx(100 * 10**0.15, abs=1)
    # who needs hardly more than k on a sample needs hardly more on all
    assert grown(12, 10, 0.1) == 13
    assert grown(100, 10, 0.01) > grown(100, 10, 0.1)
    (all_of_it,) = options([curve(512)], TABLE, Goal(recall=0.95), kinds=["halfvec"])
    (tenth,) = options(
        [curve(512)], TABLE, Goal(recall=0.95), kinds=["halfvec"], share=0.1
    )
    assert tenth.candidates is not None
    assert all_of_it.candidates is not None
    assert tenth.candidates > all_of_it.candidates


def test_how_needs_grow_is_measured_within_a_sample() -> None:
    def curves(scale: float) -> list[Curve]:
        # needs of some 20 to 400, as many times as large as `scale` says
        made = []
        for dims in (64, 128, 256):
            one = curve(dims)
            made.append(replace(one, places=(scale * one.places).astype(np.int32)))
        return made

    fewer = curves(1)
    needs = [one.candidates_for(0.9) for one in fewer]
    assert None not in needs
    found = measured(fewer, curves(2), 1, 10)
    assert set(found) == {"floats"}
    # twice as many for tenfold rows, whatever the need: log(2) / log(need / k)
    assert 0.15 < found["floats"] < 0.4
    assert grown(100, 10, 0.1, found["floats"]) > grown(100, 10, 0.1)
    assert measured(fewer, fewer, 1, 10)["floats"] == 0
    assert measured(curves(2), fewer, 1, 10)["floats"] == 0
    # twice the way, half the growth for each tenfold
    assert measured(fewer, curves(2), 2, 10)["floats"] == pytest.approx(
        found["floats"] / 2
    )
    # what all rows need is told by it
    (option,) = options(
        fewer[2:], TABLE, Goal(recall=0.9), kinds=["halfvec"], share=0.1, growth=found
    )
    raw = needed(fewer[2], Goal(recall=0.9))[0]
    assert raw is not None
    assert option.candidates == grown(raw, 10, 0.1, found["floats"])
    assert measured(fewer[:1], fewer[:1], 1, 200) == {}


def test_both_kinds_are_tried_first_then_smaller_and_slower_ones() -> None:
    found = [
        option("vector", 256, 3.0, 400),
        option("halfvec", 1024, 3.0, 800),
        option("halfvec", 512, 3.2, 400),
        option("halfvec", 256, 3.8, 250),
        option("halfvec", 64, None, 100),
        option("bit", 1536, 2.0, 150),
        option("bit", 768, 2.7, 120),
    ]
    assert [one.name for one in could_win(found, 3)] == [
        "bit(1536)",
        "halfvec(512)",
        "halfvec(256)",
    ]
    assert [one.name for one in could_win(found, 1)] == ["bit(1536)"]
    assert [one.name for one in could_win(found[:1], 3)] == ["vector(256)"]
    assert could_win(found[4:5], 3) == ()
    # nearly as fast and smaller by a guess: the fastest is tried, too
    close = [option("bit", 1024, 11.0, 9), option("bit", 1536, 10.5, 10)]
    close.append(option("bit", 768, 12.5, 8))
    assert [one.dims for one in could_win(close, 2)] == [1024, 1536]


@pytest.mark.parametrize(
    ("kind", "dims", "full", "graph"),
    [
        # all that a build over signs saves is worth a factor of four
        ("bit", 1536, 3072, GRAPHS["better"]),
        ("bit", 1536, 1536, Graph(32, 128)),
        ("halfvec", 256, 1536, Graph(32, 128)),
        ("halfvec", 384, 1536, Graph(24, 128)),
        # nothing is left to spend
        ("halfvec", 768, 1536, None),
    ],
)
def test_what_a_short_index_saves_of_building_is_spent_on_its_graph(
    kind: Kind, dims: int, full: int, graph: Graph | None
) -> None:
    table, goal = replace(TABLE, full_dims=full), Goal(recall=0.95)
    usual = option(kind, dims, 2, 100)
    times = spare(usual, table, goal)
    found = better(usual, table, goal, times)
    if graph is None:
        assert found is None
        return
    assert found is not None
    assert found.graph == graph
    assert found.name == f"{kind}({dims}) m {graph.m}"
    one_pass = build_seconds("halfvec", full, table.rows, goal)
    own = build_seconds(kind, dims, table.rows, goal)
    assert own < found.build_seconds <= one_pass
    assert found.index_bytes > index_bytes(kind, dims, table.rows)
    # a goal that has such a graph already leaves nothing to try
    assert better(usual, table, goal.with_graph(GRAPHS["better"]), times) is None
    # two builds that were measured know more than a prediction
    assert spare(usual, table, goal, own=10, rival=12) == 1.2
    assert better(usual, table, goal, 1.2) is None
    assert spare(usual, table, goal, own=10) == times


def test_a_better_graph_is_recommended_where_it_is_surely_faster() -> None:
    goal, usual = Goal(recall=0.95), option("bit", 1536, 2, 100)
    other = replace(usual, graph=Graph(32, 128), index_bytes=150_000_000)
    built = [TrialIndex("bit(1536)", 10, 1), TrialIndex("bit(1536) m 32", 28.04, 1)]
    for took, name in ((1.0, "bit(1536) m 32"), (1.95, "bit(1536)")):
        points = [point(0.97, 2, usual, low=0.96), point(0.98, took, other, low=0.97)]
        notes = bought(built, points, goal)
        assert notes == [
            "bit(1536) with a better graph (m 32, ef_construction 128) took 28.0 s "
            f"instead of 10.0 s to build. Its best setting takes {took:.2f} ms, and "
            "with the usual graph 2.00 ms"
        ]
        advice = recommend(
            *(LAYOUT, TABLE, goal, 1.0, None, [usual, other], points), notes=notes
        )
        assert advice.name == name
        assert notes[0] in advice.reasons
        commands = advice.commands
        assert commands is not None
        graph = ("--m 32 --ef-construction 128", "m=32, ef_construction=128")
        for text, words in zip((commands.shell, commands.python), graph, strict=True):
            assert (words in text) == (name == other.name)
    # one of them does not reach the goal, or was not built in time
    poor = point(0.9, 1, other, low=0.88), point(0.9, 1, usual, low=0.88)
    fine = point(0.97, 2, usual, low=0.96), point(0.97, 2, other, low=0.96)
    (no_gain,) = bought(built, [fine[0], poor[0]], goal)
    assert no_gain.endswith("to build, and does not reach recall 0.95")
    (alone,) = bought(built, [poor[1], fine[1]], goal)
    assert alone.endswith("with the usual graph no setting reaches recall 0.95")
    assert bought(built[:1], fine[:1], goal) == []


def test_a_few_times_have_no_p95() -> None:
    few: dict[str, Any] = {"recalls": [1.0] * 19, "times": [1.0] * 18 + [90], "k": 10}
    one = timed("exact search", None, None, None, **few)
    assert (one.p95_ms, one.median_ms, one.p95) == (None, 1, "-")
    assert one.as_dict()["p95_ms"] is None
    assert str(one).endswith("1.00 ms (median of 19)")
    many: dict[str, Any] = {**few, "recalls": [1.0] * 20, "times": [1.0] * 19 + [90]}
    assert timed("exact search", None, None, None, **many).p95_ms == pytest.approx(5.45)


def test_build_times_are_scaled_by_what_was_built() -> None:
    goal, rows = Goal(), 10_000
    found = [option("halfvec", 256, 3, 100), option("halfvec", 512, 3, 200)]
    found += [option("bit", 512, 3, 50)]
    twice = {"halfvec(256)": 2 * build_seconds("halfvec", 256, rows, goal)}
    more = scaled(found, twice, rows, goal)
    # bits by halves, as none were built
    assert [one.build_seconds for one in more] == pytest.approx([20, 20, 20])
    assert {one.build_scaled_by for one in more} == {("halfvec(256)",)}
    bits = {**twice, "bit(512)": build_seconds("bit", 512, rows, goal) / 2}
    half, _, bit = scaled(found, bits, rows, goal)
    assert (half.build_seconds, bit.build_seconds) == pytest.approx((20, 5))
    assert bit.build_scaled_by == ("bit(512)",)
    assert scaled(found, {"halfvec(512) alone": 9}, rows, goal) == tuple(found)


def test_the_front_holds_what_nothing_beats() -> None:
    bits = option("bit", 1536, 2, 100)
    points = [
        point(0.97, 3, bits),
        point(0.95, 1, bits),
        point(0.96, 4, bits),
        point(0.99, 9),
        point(0.95, 2),
    ]
    assert front(points) == (points[1], points[0], points[3])


def test_the_cheapest_is_sure_before_it_is_fast_and_small_when_as_fast() -> None:
    small, large = option("bit", 768, 2, 100), option("halfvec", 512, 3, 400)
    goal = Goal(recall=0.95)
    unsure = point(0.96, 1, small, low=0.94)
    sure = point(0.97, 2, large, low=0.96)
    assert cheapest([unsure, sure], goal) == (sure, True)
    assert cheapest([unsure], goal) == (unsure, False)
    assert cheapest([point(0.9, 1, small)], goal) == (None, False)
    smaller = point(0.97, 2.1, small, low=0.96)
    assert cheapest([sure, smaller], goal) == (smaller, True)


def judged(verdict: Verdict) -> Judgement:
    reason = f"{verdict} on these rows (5,000 rows, 200 queries)"
    return Judgement(
        verdict,
        reason,
        1536,
        5000,
        200,
        10,
        0,
        0,
        0,
        (256,),
        (),
    )


def test_the_recommendation_names_one_setting_for_every_door() -> None:
    bits, goal = option("bit", 1536, 2, 100), Goal(recall=0.95)
    points = [point(0.97, 2, bits, low=0.96)]
    advice = recommend(LAYOUT, TABLE, goal, 1.0, judged("gain"), [bits], points)
    assert (advice.name, advice.candidates, advice.ef_search) == ("bit(1536)", 100, 200)
    assert advice.worth_it
    assert advice.measured
    commands = advice.commands
    assert commands is not None
    assert "--dims 1536 --kind bit" in commands.shell
    for text in (commands.sql, commands.python, commands.shell, commands.sqlalchemy):
        *_, last = text.splitlines()
        assert re.search("recall(=| => | )0.95", last)
        assert "calibrate" in text
    assert "Matryoshka(1536, kind='bit')" in commands.sqlalchemy
    assert any("maintenance_work_mem" in reason for reason in advice.reasons)


def test_bits_are_also_searched_by_reading_only_the_best() -> None:
    floats, bits = option("halfvec", 512, 2, 100), option("bit", 1536, 2, 100)
    goal = Goal(recall=0.95)
    usual = efforts(floats, goal, 10_000)
    assert {rerank for _, _, rerank in usual} == {None}
    assert efforts(bits, goal, 10_000)[: len(usual)] == usual
    more = efforts(bits, goal, 10_000)[len(usual) :]
    assert {ef for _, ef, _ in more} == {100, 200, 400}
    assert (400, 400, 25) in more
    # with fewer rows than candidates, and with the answer alone
    for count, _, rerank in efforts(bits, goal, 40):
        assert count <= 40
        assert rerank is None or goal.k <= rerank < count
    few = replace(bits, candidates=12)
    assert all(rerank in (None, 10, 12) for _, _, rerank in efforts(few, goal, 10_000))


def test_reading_only_the_best_is_chosen_only_where_it_was_faster() -> None:
    bits, goal = option("bit", 1536, 2, 100), Goal(recall=0.95)
    every = point(0.97, 2, bits, low=0.96)
    for ms, wins in ((2.01, every.rerank), (1.99, 60)):
        some = replace(every, candidates=200, rerank=60, median_ms=ms)
        assert some.reads == 60
        assert every.reads == 100
        for share in (1.0, 0.1):
            points = [some, every]
            advice = recommend(LAYOUT, TABLE, goal, share, None, [bits], points)
            more = grown(60, 10, share)
            assert advice.rerank == (wins and more)
        text = " ".join(advice.reasons)
        assert ("(`rerank`)" in text) == (advice.rerank is not None)
    assert advice.candidates == round(200 * more / 60)
    assert advice.ef_search == advice.candidates
    assert advice.first_pass == f"{advice.candidates} candidates ({more} read)"
    assert some.setting == "bit(1536), 200 candidates (60 read), ef_search 200"
    assert advice.as_dict()["rerank"] == more
    assert f"{more}. Calibrate" in text


def test_a_sampled_setting_is_widened_for_the_whole_table() -> None:
    bits, goal = option("bit", 1536, 2, 100), Goal(recall=0.95)
    points = [point(0.97, 2, bits, low=0.96)]
    advice = recommend(LAYOUT, TABLE, goal, 0.1, None, [bits], points)
    assert advice.candidates == grown(100, 10, 0.1)
    assert advice.ef_search == pytest.approx(2 * grown(100, 10, 0.1), abs=1)
    assert any("on the sample" in reason for reason in advice.reasons)


def test_a_prediction_says_that_it_is_one() -> None:
    found = [option("bit", 1536, 2, 100)]
    advice = recommend(LAYOUT, TABLE, Goal(recall=0.95), 1.0, None, found, [])
    assert advice.name == "bit(1536)"
    assert not advice.measured
    assert advice.reasons[0].startswith("predicted, not measured")


def test_full_vectors_go_into_the_row_where_that_is_surely_faster() -> None:
    bits, goal = option("bit", 1536, 2, 100), Goal(recall=0.95)
    best = point(0.97, 2, bits, low=0.96)
    slow = np.linspace(1.9, 2.1, 100)
    surely = pair(best, point(0.97, 1, bits), slow.tolist(), (slow / 2).tolist())
    assert (surely.ratio, surely.low, surely.high) == pytest.approx((0.5, 0.5, 0.5))
    noise = np.random.default_rng(1).normal(1, 0.2, 100)
    hardly = pair(best, best, slow.tolist(), (slow * noise).tolist())
    assert hardly.low < 1 < hardly.high
    assert not hardly.faster

    costs = unmeasured(TABLE, "em bed", "")
    # one row of 6 kB a page
    assert costs.plain_bytes == 1_000_000 * 8192
    assert costs.table_bytes == 8_080_000_000
    args = (LAYOUT, TABLE, goal, 1.0, None, [bits], [best])
    said = recommend(*args, replace(costs, pairs=(surely,))).reasons
    assert any(".500 of the time" in reason for reason in said)
    command = 'alter table public.docs alter column "em bed" set storage plain;'
    assert any(command in reason for reason in said)
    said = recommend(*args, replace(costs, pairs=(hardly,))).reasons
    assert any("not surely a tenth faster" in reason for reason in said)
    assert not any("alter table" in reason for reason in said)
    said = recommend(LAYOUT, TABLE, goal, 1.0, None, [bits], []).reasons
    assert any("without --plan" in reason for reason in said)
    # what fits no page stays where it is
    long = replace(TABLE, full_dims=2000)
    said = recommend(LAYOUT, long, goal, 1.0, None, [bits], []).reasons
    assert not any("TOAST" in reason for reason in said)


def test_a_second_copy_is_made_where_it_fits() -> None:
    bits, goal = option("bit", 1536, 2, 100), Goal(recall=0.95)
    halves = option("halfvec", 512, 3, 400)
    sure = point(0.97, 2, bits, low=0.96)
    # as fast, but with more to gain in the row: it is tried, too
    wide = replace(point(0.97, 2.2, halves, low=0.96), candidates=800)
    weak = replace(wide, recall=Recall(0.9, 0.8, 1, 500))
    assert contenders([sure, wide, weak, point(0.99, 1)], goal, TABLE) == [sure, wide]
    assert contenders([weak], goal, TABLE) == []
    assert refusal(TABLE, [sure], 100_000, goal, None) == ""
    assert "no setting" in refusal(TABLE, [], 100_000, goal, None)
    assert "--no-storage" in refusal(TABLE, [sure], 100_000, goal, False)
    assert "2.2 GB, more" in refusal(TABLE, [sure], 250_000, goal, None)
    assert refusal(TABLE, [sure], 250_000, goal, True) == ""
    long = replace(TABLE, full_dims=2000)
    assert "not fit a page" in refusal(long, [sure], 1000, goal, True)
    # vectors in the row that a short column would push out are a question, too
    short = replace(TABLE, full_dims=256, row_width=1400)
    assert not concerns(short, [option("bit", 256, 2, 100)])
    assert concerns(short, [option("halfvec", 512, 2, 100)])
    assert concerns(TABLE, [])


def test_it_speaks_up_when_nothing_short_is_worth_it() -> None:
    goal = Goal(recall=0.95)
    none = [option("bit", 1536, None, 100)]
    advice = recommend(LAYOUT, TABLE, goal, 1.0, judged("no gain"), none, [])
    assert advice.name is None
    assert advice.commands is None
    assert not advice.worth_it
    assert any("no gain on these rows" in reason for reason in advice.against)
    assert any("within 1000 candidates" in reason for reason in advice.against)

    bits = option("bit", 1536, 2, 100)
    exact = Point("exact search", None, None, Recall(1, 0.9, 1, 5), 4.0, 5.0)
    points = [point(0.97, 5, bits, low=0.96), point(0.99, 2, low=0.98), exact]
    advice = recommend(LAYOUT, TABLE, goal, 1.0, None, [bits], points)
    assert advice.name == "bit(1536)"
    assert not advice.worth_it
    assert advice.against == ()

    low = recommend(LAYOUT, TABLE, goal, 1.0, None, [bits], [point(0.9, 2, bits)])
    assert low.name is None
    assert any("no setting that was tried reaches" in x for x in low.against)


def test_no_short_index_yet_comes_before_a_recommendation() -> None:
    """It was one *But* among others, and did not say until when it holds."""
    bits, goal = option("bit", 1536, 2, 100), Goal(recall=0.95)
    table = replace(TABLE, rows=10_000)
    exact = Point("exact search", None, None, Recall(1, 1, 1, 20), 4.0, 5.0)
    best, rival = point(0.97, 5, bits, low=0.96), point(0.99, 2, low=0.98)

    def verdict(*points: Point, share: float = 1, **facts: Any) -> NotYet | None:
        given = LAYOUT, replace(table, **facts), goal, share, None, [bits], points
        advice = recommend(*given)
        assert advice.name == "bit(1536)"
        assert advice.worth_it == (advice.not_yet is None)
        return advice.not_yet

    # an exact search of five times as many rows takes 20 ms
    found = verdict(best, rival, exact)
    assert found is not None
    assert found.rows == 50_000
    assert str(found).startswith("You need no short index yet: an exact search takes 4")
    assert str(found).endswith("Come back when the table has about 50,000 rows.")
    # a tenth of the rows was read, so all rows take 40 ms; one pass is faster
    found = verdict(best, rival, exact, share=0.1)
    assert found is not None
    assert "one pass over full vectors is faster" in found.reason
    # until its index does not fit any more: 100 times as many rows
    full = index_bytes("halfvec", 1536, 10_000)
    found = verdict(best, rival, cache_bytes=100 * full)
    assert found is not None
    assert found.rows == 1_000_000
    assert verdict(best, rival, cache_bytes=full - 1) is None
    assert verdict(best, point(0.99, 4.9, low=0.98)) is None
    assert verdict(best, point(0.94, 2, low=0.98)) is None
    # with full vectors in the row the short index is as fast
    fast = pair(best, best, [5.0] * 50, [2.1] * 50)
    costs = replace(unmeasured(TABLE, "embedding", ""), pairs=(fast,))
    given = LAYOUT, table, goal, 1.0, None, [bits], [best, rival], costs
    assert recommend(*given).not_yet is None


def test_an_exact_search_has_no_interval() -> None:
    """It was printed as 1.000 (.839 to 1.000)."""
    given: dict[str, Any] = {"recalls": [1.0] * 20, "times": [1.0] * 20, "k": 10}
    exact = timed("exact search", None, None, None, **given)
    assert str(exact) == "exact search: 1.00 ms (p95 1.00)"
    plain = exact.as_dict()["recall"]
    assert plain == {"mean": 1, "low": None, "high": None, "queries": 20}
    assert timed("one", 10, 10, None, **given).recall.low < 1


def test_rows_as_queries_make_the_goal_stricter() -> None:
    goal = Goal(recall=0.94, rows_as_queries=True)
    assert goal.recall == 0.94
    assert goal.wanted == pytest.approx(1 - misses_of_rows(0.94))
    assert graph_ef(goal) >= LEAST_EF_SEARCH
    one = curve(512)
    assert needed(one, goal)[0] == needed(one, Goal(recall=goal.wanted))[0]
    bits = option("bit", 1536, 2, 100)
    weak, strong = point(0.95, 1, bits, low=0.945), point(0.985, 2, bits, low=0.97)
    assert cheapest([weak, strong], Goal(recall=0.94)) == (weak, True)
    assert cheapest([weak, strong], goal) == (strong, True)
    low = recommend(LAYOUT, TABLE, goal, 1.0, None, [bits], [weak])
    assert any("which is 0.9727 with rows as queries" in text for text in low.against)


def test_noise_is_what_repeated_searches_differ_by() -> None:
    quiet = noise([1.0, 2.0, 3.0], [1.1, 2.0, 2.7])
    assert quiet is not None
    assert 1 < quiet.median < quiet.most < 1.12
    assert not quiet.busy
    assert "busy" not in str(quiet)
    busy = noise([1.0, 2.0, 3.0], [2.0, 1.0, 9.0])
    assert busy is not None
    assert busy.median == 2
    assert "The machine is busy" in str(busy)
    assert noise([], []) is None


def test_the_sizes_of_a_model_are_tried_beside_the_usual_sizes() -> None:
    """With --model text-embedding-3-small, the 256 of README was not among them."""
    usual = set(request().forms(1536))
    small = set(request(model="text-embedding-3-small").forms(1536))
    assert ("floats", 256) in usual <= small
    assert ("floats", 512) in small
    other = set(request(model="text-embedding-3-large").forms(3072))
    assert {("floats", 256), ("floats", 512), ("floats", 1024)} <= other
    given = request(sizes=[100]).forms(1536)
    assert set(given) == {("floats", 100), ("bits", 100), ("bits", 1536)}


def test_sizes_follow_the_page() -> None:
    # vector(1536): one element a page, as its links fit beside it
    assert index_bytes("vector", 1536, 100_000) == pytest.approx(819e6, rel=0.01)
    # from 1998 dimensions its links do not, and stand on a page between two
    assert index_bytes("vector", 2000, 10_000) == pytest.approx(164e6, rel=0.01)
    assert index_bytes("bit", 1536, 100_000) == pytest.approx(50e6, rel=0.02)
    assert index_bytes("bit", 1536, 100_000, m=32) > 1.3 * index_bytes(
        "bit", 1536, 100_000
    )
    # a page that holds one row of 6 kB has room for a short column
    assert column_bytes("bit", 1536, 1000, 6160) == 0
    assert column_bytes("vector", 512, 1000, 6160) == pytest.approx(2_200_000, rel=0.1)
