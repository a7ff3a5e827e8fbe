"""mrl.recall: the figures that NumPy computes on the same rows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from psycopg import errors, sql
from support.databases import Conn, Server
from support.plans import force_index
from support.sql_calls import create, keys, many, named, text
from support.sql_plans import ordered, planned, scanning
from support.sql_state import refused
from support.tables import Docs, append, fresh_docs, make_partitioned, make_table
from support.vectors import distances, matryoshka
from support.versions import one_version

from mrl_pg.kinds import Distance
from mrl_pg.recall.score import TOLERANCE, summarise

ROWS = 400
Doubles = NDArray[np.float64]


class Figures(NamedTuple):
    """One row of mrl.recall."""

    recall: float
    low: float
    high: float
    loss_graph: float
    loss_shortlist: float
    loss_prefix: float
    measured: int


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=ROWS) as docs:
        create(docs.conn, dims=8)
        force_index(docs.conn)
        yield docs


def measure(conn: Conn, **options: Any) -> Figures:
    """What mrl.recall answers."""
    call = sql.SQL("select * from mrl.recall('docs', 'embedding'{})")
    return Figures(*conn.execute(call.format(named(options))).fetchall()[0])


def short_rows(conn: Conn, column: str) -> Doubles:
    """The short vectors as they are stored."""
    call = sql.SQL("select {0}::real[] from docs where {0} is not null order by id")
    rows = conn.execute(call.format(sql.Identifier(column))).fetchall()
    return np.array([row[0] for row in rows], dtype=np.float64)


def losses(
    docs: Docs,
    queries: Any,
    short: Doubles,
    k: int,
    candidates: int,
    distance: Distance = "cosine",
    among: NDArray[np.bool_] | None = None,
    own: list[int] | None = None,
) -> tuple[float, float]:
    """Mean losses of the prefix and of the shortlist, every row looked at."""
    prefixes, shortlists = [], []
    for place, query in enumerate(queries):
        far = distances(docs.vectors, query, distance)
        head = np.asarray(query[: short.shape[1]], dtype=np.float64)
        head = (head / np.linalg.norm(head)).astype(np.float16).astype(np.float64)
        near = distances(np.asarray(short, dtype=np.float32), head, distance)
        out = np.zeros(len(far), dtype=bool) if among is None else ~among
        if own is not None:
            out = out.copy()
            out[own[place]] = True
        far, near = np.where(out, np.inf, far), np.where(out, np.inf, near)
        edge = np.sort(far)[k - 1] + TOLERANCE
        order = np.argsort(near, kind="stable")
        prefixes.append((far[order[:k]] <= edge).sum() / k)
        shortlists.append(min(k, (far[order[:candidates]] <= edge).sum()) / k)
    return 1 - float(np.mean(prefixes)), 1 - float(np.mean(shortlists))


def points(docs: Docs, count: int) -> Any:
    """Queries that are no row."""
    rows = docs.vectors
    return rows[:count] * 0.7 + rows[count : 2 * count] * 0.3


def texts(queries: Any) -> list[str]:
    """Queries as an array's elements."""
    return [text(query) for query in queries]


@pytest.mark.parametrize(("k", "candidates"), [(5, 12), (10, 40), (1, 1)])
def test_losses_are_those_of_numpy(docs: Docs, k: int, candidates: int) -> None:
    asked = points(docs, 30)
    with scanning(docs.conn, docs.index.name):
        found = measure(docs.conn, k=k, candidates=candidates, queries=texts(asked))
    short = short_rows(docs.conn, "embedding_32_halfvec")
    prefix, shortlist = losses(docs, asked, short, k, candidates)
    assert found.loss_prefix == pytest.approx(prefix, abs=1e-9)
    assert found.loss_shortlist == pytest.approx(shortlist, abs=1e-9)
    assert found.loss_prefix >= found.loss_shortlist
    assert found.measured == 30
    total = found.recall + found.loss_graph + found.loss_shortlist
    assert total == pytest.approx(1, abs=1e-9)
    root = planned(docs.conn, "keys", [asked[0]], k=k, candidates=candidates)
    assert ordered(root) == [docs.index.name]


@pytest.mark.parametrize("options", [{}, {"dims": 8}, {"filter": "n < 30"}])
def test_recall_is_that_of_the_search(docs: Docs, options: dict[str, Any]) -> None:
    asked = points(docs, 40)
    answers = many(docs.conn, asked, candidates=15, **options)
    most = 30 if "filter" in options else 100
    among = np.arange(1, ROWS + 1) % 100 < most
    recalls = []
    for query, hits in zip(asked, answers, strict=True):
        far = distances(docs.vectors, query, "cosine")
        edge = np.sort(far[among])[9] + TOLERANCE
        recalls.append(sum(distance <= edge for _, distance in hits) / 10)
    found = measure(docs.conn, candidates=15, queries=texts(asked), **options)
    wanted = summarise(recalls)
    assert found.recall == pytest.approx(wanted.mean, abs=1e-9)
    assert found.low == pytest.approx(wanted.low, abs=1e-9)
    assert found.high == pytest.approx(wanted.high, abs=1e-9)
    assert found.low <= found.recall <= found.high
    name = "docs_embedding_8_halfvec_cosine_hnsw"
    root = planned(docs.conn, "batch", asked, candidates=15, **options)
    assert ordered(root) == [name if "dims" in options else docs.index.name]


def test_a_search_of_everything_loses_nothing(docs: Docs) -> None:
    with scanning(docs.conn, docs.index.name):
        found = measure(docs.conn, candidates=ROWS, ef_search=1000, sample=20)
    assert found[:1] == (1,)
    assert (found.high, found.loss_graph, found.loss_shortlist) == (1, 0, 0)
    assert found.loss_prefix > 0
    root = planned(docs.conn, "rows", [docs.vectors[0]], candidates=ROWS)
    assert ordered(root) == [docs.index.name]


def test_a_sampled_row_is_not_its_own_answer(docs: Docs) -> None:
    # all rows are sampled, in whatever order
    with scanning(docs.conn, docs.index.name):
        found = measure(docs.conn, k=2, candidates=6, sample=ROWS + 5)
    assert found.measured == ROWS
    short = short_rows(docs.conn, "embedding_32_halfvec")
    own = list(range(ROWS))
    wanted = losses(docs, docs.vectors, short, 2, 6, own=own)
    assert (found.loss_prefix, found.loss_shortlist) == pytest.approx(wanted, abs=1e-9)
    with_itself = losses(docs, docs.vectors, short, 2, 6)
    assert with_itself[0] < found.loss_prefix
    root = planned(docs.conn, "keys", [docs.vectors[0]], k=2, candidates=6)
    assert ordered(root) == [docs.index.name]


def test_a_filter_restricts_queries_and_answers(docs: Docs) -> None:
    options: dict[str, Any] = {"filter": "n < $1::int", "args": ["20"]}
    with scanning(docs.conn, docs.index.name):
        found = measure(docs.conn, k=3, candidates=9, sample=ROWS, **options)
    among = np.arange(1, ROWS + 1) % 100 < 20
    own = [int(i) for i in np.flatnonzero(among)]
    assert found.measured == len(own) == 80
    short = short_rows(docs.conn, "embedding_32_halfvec")
    wanted = losses(docs, docs.vectors[own], short, 3, 9, among=among, own=own)
    assert (found.loss_prefix, found.loss_shortlist) == pytest.approx(wanted, abs=1e-9)
    root = planned(docs.conn, "keys", [docs.vectors[0]], candidates=10, **options)
    assert ordered(root) == [docs.index.name]


def test_nothing_to_measure(docs: Docs) -> None:
    nothing: list[float | None] = [*[None] * 6, 0]
    assert [*measure(docs.conn, filter="false")] == nothing
    assert [*measure(docs.conn, queries=[])] == nothing
    # a row alone has no neighbour to find
    assert [*measure(docs.conn, filter="id = 5")] == nothing


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"sample": 0}, errors.InvalidParameterValue, "sample 0 is below 1"),
        ({"sample": None}, errors.InvalidParameterValue, "sample NULL is below 1"),
        ({"k": 0}, errors.InvalidParameterValue, "k 0 is below 1"),
        ({"candidates": 5}, errors.InvalidParameterValue, "candidates 5 is below k 10"),
        ({"ef_search": 90}, errors.InvalidParameterValue, "ef_search 90 is below"),
        ({"filter": "n < $1"}, errors.InvalidParameterValue, "the filter names $1"),
        ({"dims": 16}, errors.UndefinedObject, "has no short column of 16 dims"),
        ({"queries": ["[1,2]"]}, errors.DataException, "the query has 2 dimensions"),
        ({"queries": [None]}, errors.NullValueNotAllowed, "the query is NULL"),
        ({"queries": [str([0] * 64)]}, errors.DataException, "the query is all zeros"),
    ],
)
def test_measurements_that_are_refused(
    docs: Docs, options: dict[str, Any], kind: type[errors.Error], message: str
) -> None:
    with refused(kind, message):
        measure(docs.conn, **options)


@pytest.mark.parametrize("distance", ["l2", "ip"])
def test_other_distances_and_odd_rows(conn: Conn, distance: Distance) -> None:
    vectors = matryoshka(200)
    make_table(conn, vectors)
    conn.execute("update docs set embedding = null where id = 200")
    name = create(conn, distance=distance)
    force_index(conn)
    docs = Docs("", conn, vectors[:199], None)  # type: ignore[arg-type]
    asked = points(docs, 20)
    with scanning(conn, name):
        found = measure(conn, candidates=20, queries=texts(asked))
    short = short_rows(conn, "embedding_32_halfvec")
    wanted = losses(docs, asked, short, 10, 20, distance)
    assert (found.loss_prefix, found.loss_shortlist) == pytest.approx(wanted, abs=1e-9)
    # of the sampled, a row without a vector is none
    assert measure(conn, sample=500, candidates=20).measured == 199
    assert ordered(planned(conn, "keys", [asked[0]], candidates=20)) == [name]


def test_zero_vectors_and_partitions(conn: Conn) -> None:
    vectors = matryoshka(200)
    vectors[150:160] = 0
    make_partitioned(conn)
    append(conn, vectors, sql.Identifier("docs"))
    name = create(conn)
    force_index(conn)
    with scanning(conn, name):
        found = measure(conn, sample=300, candidates=199)
    # a zero vector is nobody's neighbour and has none
    assert (found.measured, found.recall, found.loss_shortlist) == (190, 1, 0)
    assert len(ordered(planned(conn, "keys", [vectors[0]], candidates=100))) == 2
    assert len(keys(conn, vectors[0], k=199, candidates=200)) == 190


@one_version
def test_the_interval_is_that_of_python(docs: Docs) -> None:
    random = np.random.default_rng(3)
    call = "select mean, low, high from mrl._interval(%s, %s)"
    samples = [(random.binomial(10, 0.9, size) / 10).tolist() for size in (1, 7, 120)]
    for recalls in (*samples, [0.0, 0.0], [1.0] * 30):
        for weights in (None, random.exponential(size=len(recalls)).tolist()):
            wanted = summarise(recalls, weights)
            (found,) = docs.conn.execute(call, [recalls, weights]).fetchall()
            assert found == pytest.approx((wanted.mean, wanted.low, wanted.high))
    assert docs.conn.execute(call, [[], None]).fetchone() == (None, None, None)
