"""Rows with leading dimensions that find more are told from others.

Controls: the demo's model was trained with a Matryoshka loss; a rotation keeps every
distance between full vectors and mixes their dimensions.
"""

import json
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.errors import InvalidSetting, InvalidVector
from mrl_pg.recall import subsets
from mrl_pg.recall.judgement import Judgement
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.recall.subsets import recalls
from mrl_pg.recall.trained import MORE, ROOM, _verdict, judge

Floats = NDArray[np.float32]


def rotation(full: int, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed).standard_normal((full, full))
    return cast(Floats, np.linalg.qr(random)[0].astype(np.float32))


@pytest.fixture(scope="module")
def trained() -> Floats:
    vectors = StaticModel.load().embed([gloss.text for gloss in glosses(3000)])
    return vectors[vectors.any(axis=1)]


@pytest.fixture(scope="module")
def judgement(trained: Floats) -> Judgement:
    return judge(trained)


# ------------------------------------------------------------------ verdicts


def test_a_model_trained_for_truncation_shows_a_gain(judgement: Judgement) -> None:
    assert judgement.verdict == "gain"
    assert judgement.low > 0.08
    for size in judgement.sizes:
        if size.dims in judgement.judged:
            assert size.leading > size.random
            assert size.low > 0


def test_the_same_distances_in_other_dimensions_show_no_gain(
    trained: Floats, judgement: Judgement
) -> None:
    rotated = judge(trained @ rotation(trained.shape[1]))
    assert rotated.verdict == "no gain"
    assert rotated.low < 0.02
    assert rotated.high < 0.06
    # random subsets of the trained dimensions are as good as rotated ones
    for one, other in zip(judgement.sizes, rotated.sizes, strict=True):
        assert one.random == pytest.approx(other.random, abs=0.06)


def test_shuffled_dimensions_show_no_gain(trained: Floats) -> None:
    order = np.random.default_rng(1).permutation(trained.shape[1])
    assert judge(trained[:, order]).verdict == "no gain"


def test_the_later_half_alone_shows_no_gain(trained: Floats) -> None:
    assert judge(trained[:, 256:]).verdict == "no gain"


def test_a_prefix_worse_than_other_dimensions_is_said_to_be() -> None:
    random = np.random.default_rng(2)
    rows = random.standard_normal((2000, 128)) * np.repeat([0.2, 1], 64)
    answer = judge(rows.astype(np.float32))
    assert answer.verdict == "no gain"
    assert answer.high < 0
    assert answer.reason.endswith("the leading dimensions find less than others")


def test_dimensions_ordered_by_variance_show_a_gain() -> None:
    """PCA without any training: a prefix works, which is what is asked."""
    random = np.random.default_rng(2)
    rows = random.standard_normal((2000, 128)) * np.arange(1, 129) ** -0.7
    assert judge(rows.astype(np.float32)).verdict == "gain"


def test_dimensions_of_noise_show_no_gain() -> None:
    rows = np.random.default_rng(3).standard_normal((2000, 128)).astype(np.float32)
    assert judge(rows).verdict == "no gain"


def test_energy_in_front_proves_nothing(trained: Floats) -> None:
    """Most of the length is in the first dimension, which tells no row from another."""
    rows = trained @ rotation(trained.shape[1])
    rows[:, 0] = 1.5
    energy = np.square(rows).mean(axis=0)
    assert energy[:16].sum() / energy.sum() > 0.6
    assert judge(rows).verdict != "gain"


def test_few_rows_of_a_strong_signal_are_enough(trained: Floats) -> None:
    assert judge(trained[:300]).verdict == "gain"


def test_few_rows_of_a_weak_signal_are_not(trained: Floats) -> None:
    """As the 206 vectors of a hosted model that the thresholds were tried on."""
    weak = trained[:200] @ rotation(trained.shape[1], seed=4)
    answer = judge(weak, sizes=[128, 256])
    assert answer.verdict == "unclear"
    assert "sample more" in answer.reason


def test_rows_that_any_dimensions_tell_apart_are_unclear() -> None:
    random = np.random.default_rng(5)
    centres = random.standard_normal((60, 256))
    rows = np.repeat(centres, 11, axis=0) + random.standard_normal((660, 256)) * 1e-3
    queries = centres[:40].astype(np.float32)
    answer = judge(rows.astype(np.float32), queries, k=11)
    assert answer.verdict == "unclear"
    assert "any dimensions find nearly all" in answer.reason


def test_few_queries_are_unclear(trained: Floats) -> None:
    answer = judge(trained[:1000], trained[1000:1005])
    assert answer.verdict == "unclear"
    assert "5 queries are too few" in answer.reason


def test_chance_is_seldom_taken_for_training() -> None:
    random = np.random.default_rng(6)
    rows = (random.standard_normal((400, 96)) * random.random(96)).astype(np.float32)
    verdicts = []
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(96)
        verdicts.append(judge(rows[:, order], seed=seed, sizes=[8, 16, 32]).verdict)
    assert verdicts.count("gain") <= 2


# ------------------------------------------------------------------ thresholds


@pytest.mark.parametrize(
    ("more", "others", "verdict"),
    [
        # at each of four sizes; then what random subsets find
        ([0.02] * 4, 0.5, "gain"),
        ([MORE + 0.001] * 4, 0.5, "gain"),
        # sure, but little or at few sizes
        ([MORE - 0.001] * 4, 0.5, "small gain"),
        ([0.015, 0.015, 0, 0], 0.5, "small gain"),
        ([0.3, 0, 0, 0], 0.5, "small gain"),
        ([0.004] * 4, 1 - 2 * ROOM, "small gain"),
        ([0.0] * 4, 0.5, "no gain"),
        ([-0.2] * 4, 0.5, "no gain"),
        ([0.0] * 4, 1 - 2 * ROOM, "no gain"),
        ([0.02] * 4, 1 - 0.9 * ROOM, "unclear"),
    ],
)
def test_thresholds(more: list[float], others: float, verdict: str) -> None:
    found = np.full((5, 4, 30), others)
    found[0] += np.array(more)[:, np.newaxis]
    answer = _verdict(found, [8, 16, 32, 64], 128, 1000, 10)
    assert answer.difference == pytest.approx(np.mean(more))
    assert answer.verdict == verdict


@pytest.mark.parametrize("middle", [-0.03, 0.0, 0.012, 0.03])
@pytest.mark.parametrize("spread", [0.002, 0.02, 0.05])
def test_the_words_say_no_more_than_the_interval(middle: float, spread: float) -> None:
    """`no more than others` was said of an interval above 0, `chance` of another."""
    random = np.random.default_rng(12)
    found = 0.5 + 0.02 * random.standard_normal((9, 4, 100))
    found += spread * random.standard_normal((9, 1, 1))
    found[0] += middle
    answer = _verdict(found, [8, 16, 32, 64], 128, 1000, 10)
    if answer.low > 0:
        assert "find more than others" in answer.reason
    elif answer.high < 0:
        assert "find less than others" in answer.reason
    else:
        assert answer.verdict in ("no gain", "unclear")
    # not about the model
    assert "fit" not in answer.reason


def test_the_interval_is_wider_for_few_queries_and_for_unlike_subsets() -> None:
    random = np.random.default_rng(10)
    reach = []
    for queries, spread in ((100, 0.0), (400, 0.0), (400, 0.02)):
        found = 0.5 + 0.1 * random.standard_normal((9, 4, queries))
        found += spread * random.standard_normal((9, 1, 1))
        answer = _verdict(found, [8, 16, 32, 64], 128, 1000, 10)
        reach.append(answer.high - answer.low)
    assert reach[0] > 1.5 * reach[1]
    assert reach[2] > 3 * reach[1]


# ------------------------------------------------------------------ what is answered


def test_the_reason_gives_the_figures(judgement: Judgement) -> None:
    rows = f"{judgement.rows:,}"
    size = next(size for size in judgement.sizes if size.dims == 128)
    shares = (f"{share:.3f}".lstrip("0") for share in (size.leading, size.random))
    assert judgement.reason == (
        "gain on these rows ({} rows, 200 queries): the first 128 of 512 dimensions "
        "find {} of the true top 10, random 128 find {}; over 5 sizes the difference "
        "is {:+.3f} ({:+.3f} to {:+.3f}): the leading dimensions find more than others"
    ).format(rows, *shares, judgement.difference, judgement.low, judgement.high)
    lines = str(judgement).splitlines()
    assert lines[0] == judgement.reason
    assert len(lines) == 1 + len(judgement.sizes)
    assert lines[1].startswith("  8: leading .")


def test_it_goes_through_json(judgement: Judgement) -> None:
    plain = json.loads(json.dumps(judgement.as_dict()))
    assert plain == judgement.as_dict()
    assert plain["verdict"] == "gain"
    assert plain["judged"] == [16, 32, 64, 128, 256]
    assert [size["dims"] for size in plain["sizes"]] == [
        *(8, 16, 32, 64, 128, 256, 384)
    ]


def test_the_same_seed_answers_the_same(trained: Floats) -> None:
    one, other = judge(trained[:500], seed=3), judge(trained[:500], seed=3)
    assert one == other
    assert judge(trained[:500], seed=4) != one


def test_given_queries_and_sizes_are_taken(trained: Floats) -> None:
    answer = judge(trained[:1000], trained[1000:1080], sizes=[64, 32, 64], k=5)
    assert (answer.queries, answer.k, answer.rows) == (80, 5, 1000)
    assert [size.dims for size in answer.sizes] == [32, 64]


def test_neither_length_nor_type_of_rows_matters(trained: Floats) -> None:
    rows = trained[:600]
    lengths = np.random.default_rng(7).uniform(0.1, 10, (600, 1))
    one, other = judge(rows), judge((rows * lengths).astype(np.float64))
    assert other.difference == pytest.approx(one.difference, abs=0.01)
    half = judge(rows.astype(np.float16))
    assert half.difference == pytest.approx(one.difference, abs=0.02)


# ------------------------------------------------------------------ how it is counted


def naive(rows: Floats, queries: Floats, dims: list[int], k: int) -> list[float]:
    """Recall@k of some dimensions, query by query, in double precision."""
    wide, wanted = rows.astype(np.float64), queries.astype(np.float64)

    def cosine(columns: list[int]) -> NDArray[np.float64]:
        part, asked = wide[:, columns], wanted[:, columns]
        lengths = np.linalg.norm(asked, axis=1)[:, None] * np.linalg.norm(part, axis=1)
        near: NDArray[np.float64] = asked @ part.T / lengths
        return near

    full = cosine(list(range(rows.shape[1])))
    edges = np.sort(full, axis=1)[:, -k] - TOLERANCE
    best = np.argsort(-cosine(dims), axis=1)[:, :k]
    return [float(np.mean(full[i, best[i]] >= edge)) for i, edge in enumerate(edges)]


def test_recalls_are_what_double_precision_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subsets, "BLOCK", 64)
    random = np.random.default_rng(8)
    rows = random.standard_normal((500, 40)).astype(np.float32)
    queries = random.standard_normal((30, 40)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    order = random.permutation(40)
    own = np.full(30, -1)
    found = recalls(rows, queries, order, [3, 10, 25], 7, own)
    for i, size in enumerate((3, 10, 25)):
        wanted = naive(rows, queries, order[:size].tolist(), 7)
        np.testing.assert_allclose(found[i], wanted)


def test_a_query_that_is_a_row_is_not_its_own_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subsets, "BLOCK", 64)
    random = np.random.default_rng(9)
    rows = random.standard_normal((300, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    own = np.array([0, 63, 64, 150, 299])
    order = np.arange(24)
    found = recalls(rows, rows[own], order, [6], 5, own)
    for i, place in enumerate(own):
        others = np.delete(rows, place, axis=0)
        wanted = naive(others, rows[place : place + 1], list(range(6)), 5)
        assert found[0, i] == pytest.approx(wanted[0])


def test_a_row_of_zeros_is_never_an_answer(trained: Floats) -> None:
    rows = trained[:400].copy()
    rows[::7] = 0
    rows[1, :256] = 0
    answer = judge(rows)
    assert answer.verdict == "gain"
    assert answer.queries < 80


# ------------------------------------------------------------------ what is refused


def test_what_cannot_be_judged_is_refused(trained: Floats) -> None:
    rows = trained[:200]
    with pytest.raises(InvalidSetting, match="at least 300"):
        judge(rows, k=30)
    with pytest.raises(InvalidSetting, match="too few for k=0"):
        judge(rows, k=0)
    with pytest.raises(InvalidSetting, match="at least 2"):
        judge(rows, subsets=1)
    for sizes in ([], [0, 8], [512], [64, 600]):
        with pytest.raises(InvalidSetting, match="from 1 to 511"):
            judge(rows, sizes=sizes)
    with pytest.raises(InvalidVector, match="one vector a row"):
        judge(rows, rows[0])
    with pytest.raises(InvalidVector, match="one vector a row"):
        judge(rows, rows[:, :64])
    with pytest.raises(InvalidVector, match="query 2 is all zeros"):
        judge(rows, np.concatenate([rows[:2], 0 * rows[:2]]))
    with pytest.raises(InvalidVector, match="queries are all zeros"):
        judge(rows, rows[:0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(trained: Floats, bad: float) -> None:
    rows = trained[:200].copy()
    rows[137, 5] = bad
    with pytest.raises(InvalidVector, match="row 137 holds"):
        judge(rows)
    with pytest.raises(InvalidVector, match="query 37 holds"):
        judge(trained[:200], rows[100:])
