"""Truth, recall and its interval, the rival with a single pass, and measuring."""

import json
import math
from functools import cache
from typing import Any, Literal

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg import sql
from support.databases import database_fixture

from mrl_pg import MatryoshkaIndex, normalise
from mrl_pg.demo.compare import Measured, measure
from mrl_pg.demo.short_pass import nearest_short
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.kinds import Distance
from mrl_pg.recall.score import TOLERANCE, Recall, lower_bound, recall_at_k, summarise
from mrl_pg.recall.truth import BLOCK_ROWS, distances, nearest
from mrl_pg.tune.trial.single_pass import SinglePass, single_pass
from mrl_pg.vectors import wire

Conn = psycopg.Connection[Any]
Doubles = NDArray[np.float64]


def naive(rows: Doubles, queries: Doubles, distance: Distance) -> Doubles:
    """Distances in double precision, by pgvector's definitions."""
    if distance == "ip":
        products: Doubles = queries @ rows.T
        return -products
    far: Doubles = np.full((len(queries), len(rows)), np.inf)
    if distance == "l2":
        far = np.linalg.norm(queries[:, np.newaxis] - rows, axis=-1)
        return far
    for i, query in enumerate(queries):
        for j, row in enumerate(rows):
            length = math.sqrt((query @ query) * (row @ row))
            if length > 0:
                far[i, j] = 1 - (query @ row) / length
    return far


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_nearest_is_what_double_precision_says(distance: Distance) -> None:
    random = np.random.default_rng(6)
    rows = random.standard_normal((500, 24))
    rows[[3, 77]] = 0
    queries = random.standard_normal((9, 24))
    truth = nearest(
        rows.astype(np.float32), queries.astype(np.float32), k=20, distance=distance
    )
    wanted = naive(rows, queries, distance)
    np.testing.assert_allclose(
        truth.distances, np.sort(wanted, axis=1)[:, :20], atol=TOLERANCE
    )
    np.testing.assert_array_equal(truth.rows, np.argsort(wanted, axis=1)[:, :20])
    far = distances(rows.astype(np.float32), queries.astype(np.float32), distance)
    np.testing.assert_allclose(far, wanted, atol=TOLERANCE)


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_a_row_is_nearest_to_itself(distance: Distance) -> None:
    random = np.random.default_rng(7)
    rows = normalise(random.standard_normal((300, 256)).astype(np.float32))
    truth = nearest(rows, rows[:50], k=1, distance=distance)
    assert truth.rows[:, 0].tolist() == list(range(50))
    itself = -1 if distance == "ip" else 0
    np.testing.assert_allclose(truth.distances, itself, atol=TOLERANCE)


def test_blocks_do_not_show() -> None:
    random = np.random.default_rng(8)
    rows = random.standard_normal((2 * BLOCK_ROWS + 5, 4)).astype(np.float32)
    queries = random.standard_normal((3, 4)).astype(np.float32)
    truth = nearest(rows, queries, k=7, distance="l2")
    far = distances(rows, queries, "l2")
    np.testing.assert_array_equal(truth.rows, np.argsort(far, axis=1)[:, :7])


def test_fewer_rows_than_asked() -> None:
    truth = nearest(np.eye(3, dtype=np.float32), np.ones((2, 3)), k=10)
    assert truth.rows.shape == truth.distances.shape == (2, 3)


@pytest.mark.parametrize(
    ("found", "truth", "recall"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], 1),
        ([0.3, 0.2, 0.1], [0.1, 0.2, 0.3], 1),
        ([0.1, 0.2, 0.4], [0.1, 0.2, 0.3], 2 / 3),
        ([0.1, 0.2], [0.1, 0.2, 0.3], 2 / 3),
        ([], [0.1, 0.2, 0.3], 0),
        # rows that tie with the last true one are as good as it
        ([0.3, 0.3, 0.3], [0.1, 0.3, 0.3], 1),
        ([0.1, 0.300001, 0.299999], [0.1, 0.2, 0.3], 1),
        ([0.1, 0.3001, 0.2], [0.1, 0.2, 0.3], 2 / 3),
        # never more than all, however many tie
        ([0.1] * 5, [0.1, 0.1], 1),
        ([], [], 1),
    ],
)
def test_recall_of_one_query(
    found: list[float], truth: list[float], recall: float
) -> None:
    assert recall_at_k(found, np.array(truth)) == recall


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.parametrize("queries", [1, 2, 50])
def test_an_interval_covers_its_mean_within_bounds(k: int, queries: int) -> None:
    random = np.random.default_rng(9)
    for chance in (0, 0.02, 0.5, 0.97, 1):
        recalls = random.binomial(k, chance, queries) / k
        answer = summarise(recalls.tolist())
        assert 0 <= answer.low <= answer.mean <= answer.high <= 1
        assert answer.mean == pytest.approx(recalls.mean())
        assert answer.queries == queries
        assert answer.high - answer.low > 0


def test_a_bound_never_falls_when_a_query_finds_more() -> None:
    """With Wilson's interval a perfect search was refused, and a worse one taken."""
    random = np.random.default_rng(11)
    for number in range(400):
        size = int(random.integers(1, 60))
        recalls = random.binomial(10, random.beta(9, 1), size) / 10
        weights = random.exponential(size=size).tolist() if number % 2 else None
        better = recalls.copy()
        chosen = random.random(size) < random.random()
        better[chosen] += (1 - better[chosen]) * random.random(size)[chosen]
        worse, more = (
            summarise(found.tolist(), weights) for found in (recalls, better)
        )
        assert more.mean >= worse.mean - 1e-12
        assert more.low >= worse.low - 1e-12
        assert more.high >= worse.high - 1e-12
    missed_once = summarise([0.9, *[1.0] * 499])
    assert summarise([1.0] * 500).low > missed_once.low


def test_a_weight_counts_like_a_repeated_query() -> None:
    once = summarise([0.7, 0.9, 1.0, 1.0], [3, 3, 3, 3])
    assert once == summarise([0.7, 0.9, 1.0, 1.0])
    # one query counts for nothing, and unequal weights say less
    assert summarise([0.2, 0.8, 1], [0, 1, 1]).low == summarise([0.8, 1]).low
    equal, unequal = (summarise([0.8] * 4, w) for w in ([1] * 4, [9, 1, 1, 1]))
    assert equal.mean == pytest.approx(unequal.mean)
    assert unequal.low < equal.low


@pytest.mark.parametrize("queries", [50, 500])
@pytest.mark.parametrize("recall", [0.9, 0.95, 0.99, 0.995, 0.999])
def test_a_one_sided_bound_is_below_the_truth_as_often_as_it_says(
    queries: int, recall: float
) -> None:
    """All answers of a query fail together: nothing is known of a query but 0 or 1."""
    random = np.random.default_rng(12)
    found = random.binomial(queries, recall, 2000)
    bounds = {
        hits: lower_bound(
            np.array([0.0, 1.0]), np.array([queries - hits, hits]), 1.644854
        )
        for hits in set(found.tolist())
    }
    covered = np.mean([bounds[hits] <= recall for hits in found.tolist()])
    assert covered >= 0.94


def test_a_perfect_sample_is_not_certainty() -> None:
    few, many = summarise([1.0] * 20), summarise([1.0] * 2000)
    assert few.mean == many.mean == few.high == many.high == 1
    assert few.low < many.low < 1


def test_recall_prints_in_one_line() -> None:
    assert str(Recall(0.973, 0.958, 0.9834, 100)) == ".973 (.958 to .983)"
    assert str(Recall(1.0, 0.958, 1.0, 100)) == "1.000 (.958 to 1.000)"


@pytest.mark.parametrize(("a", "b"), [(18.0, 2.0), (3.0, 0.15), (50.0, 1.0)])
def test_the_interval_holds_the_truth_as_often_as_it_says(a: float, b: float) -> None:
    # each query has a recall of its own, so its ten answers fail together
    random = np.random.default_rng(10)
    covered = 0
    for _ in range(300):
        chance = random.beta(a, b, 150)
        answer = summarise((random.binomial(10, chance) / 10).tolist())
        covered += answer.low <= a / (a + b) <= answer.high
    assert covered / 300 >= 0.93


# ------------------------------------------------------------------ with a server


@cache
def vectors() -> NDArray[np.float32]:
    """Enough rows that an index is used."""
    random = np.random.default_rng(11)
    return random.standard_normal((2_000, 96)).astype(np.float32)


def prepare(conn: Conn) -> None:
    conn.execute("create table docs (id int, embedding vector(96))")
    with conn.cursor().copy("copy docs from stdin") as copy:
        for i, vector in enumerate(vectors().tolist()):
            copy.write_row([i, str(vector)])
    conn.execute("alter table docs add primary key (id)")
    conn.execute("analyze docs")


database = database_fixture(prepare, used_by="rows")


@pytest.fixture
def rows(database: str) -> NDArray[np.float32]:
    """Vectors in a table `docs`, its key their position."""
    return vectors()


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_a_single_pass_uses_its_index(
    conn: Conn,
    rows: NDArray[np.float32],
    kind: Literal["vector", "halfvec"],
    distance: Distance,
) -> None:
    rival = single_pass(
        conn, MatryoshkaIndex("docs", "embedding", dims=48, distance=distance), kind
    )
    assert isinstance(rival, SinglePass)
    rival.create(conn)
    search = rival.searcher(conn, 10)
    query = rows[7] + np.float32(0.1)
    explained = search.cursor.execute(
        b"explain (format json) " + search.statement,
        {"query": QueryVector(wire(query, kind), kind)},
    ).fetchall()
    assert f'"Index Name": "{rival.name}"' in json.dumps(explained)
    answer = [row[0] for row in search(query)]
    assert len(answer) == 10
    truth = nearest(rows, query[np.newaxis], k=1, distance=distance)
    assert answer[0] == truth.rows[0, 0]
    rival.drop(conn)
    left = conn.execute(
        sql.SQL("select to_regclass({})").format(sql.Literal(rival.name))
    )
    assert left.fetchone() == (None,)


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_a_single_pass_takes_any_name_and_leaves_the_table_as_it_was(
    conn: Conn, kind: Literal["vector", "halfvec"]
) -> None:
    """A percent sign in a name used to be read as a placeholder."""
    conn.execute('create schema "s%s"')
    conn.execute('create table "s%s"."t%d" ("k%(x)s" int primary key, "e%" vector(8))')
    conn.execute(
        """insert into "s%s"."t%d"
        select n, array[cos(n), sin(n), 0, 0, 0, 0, 0, 0]::vector
        from generate_series(1, 12) n"""
    )
    layout = MatryoshkaIndex("t%d", "e%", dims=4, schema="s%s")
    rival = single_pass(conn, layout, kind)
    assert rival.create(conn) > 0
    assert rival.size(conn) > 0
    search = rival.searcher(conn, 3)
    query = np.zeros(8, dtype=np.float32)
    query[:2] = math.cos(7), math.sin(7)
    assert search(query)[0][0] == 7
    options = conn.execute("select reloptions from pg_class where relname = 't%d'")
    assert options.fetchall() == [(None,)]
    layout.create(conn)
    assert len(nearest_short(conn, layout, query, k=3)) == 3


def test_the_short_pass_answers_as_many_as_asked(
    conn: Conn, rows: NDArray[np.float32]
) -> None:
    """Under the default ef_search it used to stop at 40."""
    index = MatryoshkaIndex("docs", "embedding", dims=48)
    index.create(conn)
    conn.execute("set enable_seqscan = off")
    keys = nearest_short(conn, index, rows[7], k=150)
    assert len(set(keys)) == 150
    short = normalise(rows[:, :48])
    truth = nearest(short, short[7:8], k=150).rows[0]
    assert len(set(keys) & set(truth.tolist())) >= 140
    assert conn.execute("show hnsw.ef_search").fetchone() == ("40",)


def test_every_search_is_measured(conn: Conn, rows: NDArray[np.float32]) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=96)
    index.create(conn)
    queries = rows[:12] + np.float32(0.2)
    truth = nearest(rows, queries, k=10)
    steps = 0

    def advance() -> None:
        nonlocal steps
        steps += 1

    answers = measure(
        {
            "exact": lambda query: index.search(conn, query, exact=True).keys,
            "two passes": lambda query: index.search(conn, query).keys,
            "half": lambda query: index.search(conn, query, k=5).keys,
            "nothing": lambda query: [],
        },
        rows,
        queries,
        truth,
        rounds=2,
        advance=advance,
    )
    assert all(isinstance(answer, Measured) for answer in answers)
    recalls = {answer.label: answer.recall.mean for answer in answers}
    assert list(recalls) == ["exact", "two passes", "half", "nothing"]
    assert recalls["exact"] == 1
    assert recalls["two passes"] >= 0.95
    assert recalls["half"] == pytest.approx(0.5, abs=0.05)
    assert recalls["nothing"] == 0
    assert steps == 4 * 12 * 3
    for answer in answers:
        assert 0 < answer.median_ms <= answer.p95_ms
        assert answer.mean_ms > 0
        assert answer.recall.queries == 12


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_rows_that_are_queries_are_found(distance: Distance) -> None:
    rows = normalise(np.random.default_rng(12).standard_normal((400, 384)))
    rows = rows.astype(np.float32)
    truth = nearest(rows, rows[:100], k=1, distance=distance)
    places = iter([*range(100), *range(100)])
    answer = measure(
        {"itself": lambda query: [next(places)]},
        rows,
        rows[:100],
        truth,
        distance=distance,
    )
    assert answer[0].recall.mean == 1
