"""`tune` on a server: what it predicts is so, what it recommends keeps the recall."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import pq, sql
from support.databases import Conn, Server, connect, role
from support.tables import make_table
from support.vectors import Vectors, matryoshka, nearest, recall

import mrl_pg
from mrl_pg import Progress
from mrl_pg.build import progress as build_progress
from mrl_pg.calibration.margin import LEAST_EF_SEARCH, supported
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidFile,
    InvalidSetting,
    InvalidVector,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.kinds import Distance, Kind
from mrl_pg.layout import Graph
from mrl_pg.recall.nested import nested
from mrl_pg.report.tables import measured
from mrl_pg.tune import Tuning, queries, tune, tune_async
from mrl_pg.tune.advice import recommend
from mrl_pg.tune.advice.not_yet import NotYet
from mrl_pg.tune.budget import Budget
from mrl_pg.tune.predict import better_graph
from mrl_pg.tune.rows import read_rows
from mrl_pg.tune.trial.scratch import Scratch

ROWS = 1500
ASKED = matryoshka(40, seed=2)
QUICK: dict[str, Any] = {"recall": 0.9, "sample": 40, "tries": 2}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging takes most of a plan, and tests of it are elsewhere."""
    monkeypatch.setattr(read_rows, "JUDGED_ROWS", 150)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return matryoshka(ROWS)


@pytest.fixture(scope="module")
def url(pg_server: Server, vectors: Vectors) -> Iterator[str]:
    """A database with `docs`, in which no test leaves anything."""
    with pg_server.fresh() as url:
        with connect(url) as conn:
            make_table(conn, vectors)
        yield url


@pytest.fixture
def docs(url: str) -> Iterator[Conn]:
    """A connection that must be as it was, to a database that must be, too."""
    with connect(url) as conn:
        before = state(conn)
        level = conn.isolation_level
        yield conn
        assert conn.info.transaction_status == pq.TransactionStatus.IDLE
        assert conn.isolation_level == level
        assert state(conn) == before
        assert conn.execute("show enable_seqscan").fetchone() == ("on",)


def state(conn: Conn) -> list[Any]:
    """Everything anybody could have left behind, and the table's own file."""
    return conn.execute(
        """select nspname, null, null from pg_namespace
        where nspname !~ '^pg_(toast_)?temp'
        union all
        select relname, relfilenode, pg_relation_size(oid) from pg_class
        where relnamespace = 'public'::regnamespace
        order by 1, 2"""
    ).fetchall()


# ------------------------------------------------------------------ what is predicted


@pytest.mark.parametrize(
    ("kind", "dims", "tolerance"),
    [("vector", 16, 0), ("halfvec", 32, 0.003), ("bit", 64, 0.03), ("bit", 24, 0.03)],
)
def test_the_ceiling_is_what_exact_search_of_the_short_column_finds(
    conn: Conn, vectors: Vectors, kind: Kind, dims: int, tolerance: float
) -> None:
    make_table(conn, vectors)
    index = mrl_pg.MatryoshkaIndex("docs", "embedding", dims=dims, kind=kind)
    index.create(conn)
    conn.execute("set enable_indexscan = off")
    prefix = sql.SQL("subvector(%(query)s::vector(64), 1, {})").format(dims)
    short = "binary_quantize({})::bit({})" if kind == "bit" else "l2_normalize({})::{}"
    kind_or_dims = sql.Literal(dims) if kind == "bit" else sql.Identifier(kind)
    near = sql.SQL("select id from docs order by {} {} {} limit 80").format(
        sql.Identifier(index.short),
        sql.SQL(index.short_operator),
        sql.SQL(short).format(prefix, kind_or_dims),
    )
    stored: Any = "bits" if kind == "bit" else "floats"
    (curve,) = nested([vectors], ASKED, forms=[(stored, dims)], k=10).curves
    found = [
        [row[0] for row in conn.execute(near, {"query": str(query.tolist())})]
        for query in ASKED
    ]
    for candidates in (10, 20, 80):
        real = [
            len(set(keys[:candidates]) & set(nearest(vectors, query))) / 10
            for keys, query in zip(found, ASKED, strict=True)
        ]
        # halves round, and of rows as far by bits the server takes any
        predicted = curve.recall(candidates).mean
        assert predicted == pytest.approx(np.mean(real), abs=tolerance + 1e-9)


def test_a_plan_builds_nothing_and_needs_no_more_than_select(
    docs: Conn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verdict(table: Any, goal: Any, share: float, points: Any, _: Any) -> NotYet:
        (exact,) = points
        assert exact.exact
        assert exact.recall.queries >= 5
        return NotYet("it is fast", 7)

    monkeypatch.setattr(recommend, "not_yet", verdict)
    reader = role(docs, url, "tune_reader")
    docs.execute("grant select on docs to tune_reader")
    with connect(reader) as conn:
        found = tune(conn, "docs", "embedding", plan=True, **QUICK)
        with pytest.raises(InvalidSetting, match="--plan"):
            tune(conn, "docs", "embedding", **QUICK)
    with connect(url) as conn:
        conn.execute("set default_transaction_read_only = on")
        with pytest.raises(InvalidSetting, match="--plan"):
            tune(conn, "docs", "embedding", **QUICK)
    docs.execute("revoke select on docs from tune_reader")
    assert (found.built, found.points, found.front) == ((), (), ())
    assert (found.read.rows, found.read.queries) == (ROWS - 40, 40)
    assert not found.recommendation.measured
    assert found.recommendation.name is not None
    assert "predicted, not measured" in str(found)
    # an exact search needs no more rights; if it is fast, no index is needed yet
    assert found.recommendation.not_yet == NotYet("it is fast", 7)


# ------------------------------------------------------------------ what is measured


def test_a_better_graph_is_built_beside_the_usual_one(
    docs: Conn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so little is saved on 64 dimensions that no graph of the ladder could be had
    monkeypatch.setattr(better_graph, "LADDER", (Graph(17, 68),))
    seen: dict[str, str] = {}

    def tell(progress: Progress) -> None:
        if progress.stage == "measuring" and not seen:
            with connect(url) as other:
                seen.update(
                    other.execute(
                        "select split_part(indexdef, '(', 2), indexdef from pg_indexes"
                        " where schemaname ~ '^mrl_tune_' and indexdef ~ 'hnsw'"
                    ).fetchall()
                )

    given: dict[str, Any] = {"tries": 1, "kinds": ["halfvec"], "sizes": [16]}
    given = QUICK | given | {"rival": False, "queries": list(ASKED)}
    found = tune(docs, "docs", "embedding", better_graph=True, progress=tell, **given)
    assert [built.name for built in found.built] == ["halfvec(16)", "halfvec(16) m 17"]
    # each has a column of its own, so that the planner has no choice
    usual, other = sorted(seen)
    assert "m='16'" in seen[usual]
    assert "m='17'" in seen[other]
    measured = {point.name: point.recall.mean for point in found.points}
    assert measured["halfvec(16) m 17"] >= 0.9
    for built, option in zip(found.built, found.options[-2:], strict=True):
        assert option.index_bytes == pytest.approx(built.bytes, rel=0.1)
    (said,) = [r for r in found.recommendation.reasons if "better graph" in r]
    assert "(m 17, ef_construction 68)" in said
    # small tables need none
    without = tune(docs, "docs", "embedding", **given)
    assert [built.name for built in without.built] == ["halfvec(16)"]


def test_the_recommendation_keeps_its_recall_by_every_door(
    docs: Conn, conn: Conn, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_progress, "SECONDS_BETWEEN", 0.001)
    stages: list[Progress] = []
    found = tune(
        docs, "docs", "embedding", queries=list(ASKED), progress=stages.append, **QUICK
    )
    texts = list(dict.fromkeys(stage.stage.split()[0] for stage in stages))
    assert texts == ["reading", "judging", "copying", "building", "measuring"]
    assert stages[-1].done == stages[-1].total == 40
    watched = [stage for stage in stages if stage.stage.startswith("building ")]
    assert any(": " in stage.stage and stage.total for stage in watched)

    # halves of both kinds and the rival were built, and were as large as foreseen
    names = [built.name for built in found.built]
    assert len(names) == 3
    assert names[-1] == "halfvec(64) alone"
    foreseen = {option.name: option.index_bytes for option in found.options}
    for built in found.built[:-1]:
        assert built.bytes == pytest.approx(foreseen[built.name], rel=0.1)
        assert built.seconds > 0
    exact = found.points[-1]
    assert (exact.name, exact.recall.mean) == ("exact search", 1)
    front = found.front
    assert [p.median_ms for p in front] == sorted(p.median_ms for p in front)
    assert [p.recall.mean for p in front] == sorted(p.recall.mean for p in front)

    # on another copy of the table, by the commands as they are printed
    advice = found.recommendation
    assert advice.measured
    assert advice.commands is not None
    make_table(conn, vectors)
    query = ASKED[0]
    scope: dict[str, Any] = {"conn": conn, "query": query, **vars(mrl_pg)}
    scope["queries"] = ASKED
    *setup, search = advice.commands.python.splitlines()
    exec("\n".join(setup), scope)
    recalls = []
    for query in ASKED:
        scope["query"] = query
        recalls.append(recall(eval(search, scope), nearest(vectors, query)))
    assert np.mean(recalls) >= 0.9
    create, _, select, _ = advice.commands.sql.split(";")
    conn.execute(create)
    rows = conn.execute(
        select.replace("$1", "%s"),
        [str(query.tolist())],
    ).fetchall()
    assert [row[0] for row in rows] == [hit.key for hit in eval(search, scope)]


@pytest.mark.parametrize("distance", ["l2", "ip"])
def test_other_distances_are_judged_by_their_own_truth(
    docs: Conn, distance: Distance
) -> None:
    found = tune(
        docs, "docs", "embedding", distance=distance, kinds=["halfvec"], **QUICK
    )
    assert found.recommendation.name is not None
    best = max(point.recall.mean for point in found.points if point.option)
    assert best >= 0.97
    assert found.points[-1].recall.mean == 1


def test_a_sample_is_copied_as_it_was_read(
    docs: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = []
    real = Scratch.copy

    def copy(*arguments: Any) -> int:
        copied.append(real(*arguments))
        return copied[0]

    monkeypatch.setattr(Scratch, "copy", copy)
    monkeypatch.setattr(read_rows, "FEWEST_ROWS", 100)
    found = tune(docs, "docs", "embedding", sample_rows=500, seed=4, **QUICK)
    assert copied == [found.read.rows]
    assert found.read.rows == pytest.approx(500 * (1 - 40 / ROWS), rel=0.15)
    assert found.read.share == pytest.approx(1 / 3)
    # a part of the sample told how needs grow, and the options were grown by it
    assert found.read.growth
    for stored, growth in found.read.growth.items():
        kinds = {"bit"} if stored == "bits" else {"halfvec", "vector"}
        told = {one.growth for one in found.options if one.kind in kinds}
        assert told == {growth}
    assert found.points[-1].recall.mean == 1
    assert any("on the sample" in reason for reason in found.recommendation.reasons)


def test_full_vectors_in_toast_are_measured_in_the_row_as_well(conn: Conn) -> None:
    vectors = matryoshka(500, dims=640)
    make_table(conn, vectors)
    given: dict[str, Any] = {**QUICK, "tries": 1, "kinds": ["halfvec"], "rival": False}
    found = tune(conn, "docs", "embedding", **given)
    assert found.storage is not None
    assert found.storage.skipped == ""
    one, *_ = found.storage.pairs
    assert one.toast.recall.mean >= 0.9
    assert one.plain.recall.mean == pytest.approx(one.toast.recall.mean, abs=0.05)
    assert 0 < one.low <= one.ratio <= one.high
    assert one.share in str(found)
    answer = found.as_dict()["storage"]["pairs"][0]
    assert answer["toast"]["name"] == answer["plain"]["name"]
    # by the command as it is printed, and the rewrite that the index brings
    before = conn.execute("select pg_relation_size('docs')").fetchone()
    conn.execute(found.storage.command)
    mrl_pg.MatryoshkaIndex("docs", "embedding", dims=64).create(conn)
    where = "select count(pg_column_toast_chunk_id(embedding)) from docs"
    if conn.info.server_version >= 170000:
        assert conn.execute(where).fetchone() == (0,)
    after = conn.execute("select pg_relation_size('docs')").fetchone()
    assert before is not None
    assert after is not None
    assert after[0] > before[0] + 500 * 4 * 640
    skipped = tune(conn, "docs", "embedding", storage=False, **given)
    # it is in the row by now
    assert skipped.storage is None


def test_bits_are_measured_with_only_the_best_rows_read(conn: Conn) -> None:
    vectors = matryoshka(800, dims=640)
    make_table(conn, vectors)
    found = tune(
        conn,
        "docs",
        "embedding",
        queries=list(matryoshka(40, dims=640, seed=2)),
        recall=0.9,
        tries=1,
        sizes=[640],
        kinds=["bit"],
        rival=False,
    )
    some = [point for point in found.points if point.rerank is not None]
    assert some
    assert {point.name for point in some} == {"bit(640)"}
    for one in some:
        assert one.rerank is not None
        assert one.candidates is not None
        assert one.rerank < one.candidates
        # reads fewer, so finds no more than all of its candidates hold
        assert 0 < one.recall.mean <= 1
        assert f"({one.rerank} read)" in one.setting
        assert one.as_dict()["rerank"] == one.rerank
    # by one walk, more rows find no less
    for one in some:
        for other in some:
            if (one.candidates, one.ef_search) == (other.candidates, other.ef_search):
                assert one.rerank is not None
                assert other.rerank is not None
                fewer = one.rerank <= other.rerank
                assert not fewer or one.recall.mean <= other.recall.mean
    table = measured(found)
    assert table is not None
    read = table.head.index("read")
    assert {f"{point.rerank}" for point in some} <= {row[read] for row in table.rows}


def test_queries_are_vectors(docs: Conn, vectors: Vectors) -> None:
    given: dict[str, Any] = {"plan": True, "recall": 0.9, "sizes": [32]}
    wanted = [vectors[3], vectors[5].tolist(), np.zeros_like(vectors[0])]
    found = tune(docs, "docs", "embedding", queries=wanted, **given)
    assert (found.read.queries, found.read.zero_queries) == (2, 1)
    assert found.read.origin == "the given vectors"
    unusable: tuple[Any, ...] = ([], [[1.0, 2.0]], 500)
    for bad in unusable:
        with pytest.raises(InvalidVector):
            tune(docs, "docs", "embedding", queries=bad, **given)


def test_queries_of_a_statement_that_are_rows_are_noticed(docs: Conn) -> None:
    wanted = "select embedding from docs order by id"
    found = tune(docs, "docs", "embedding", plan=True, queries_sql=wanted, **QUICK)
    assert (found.read.queries, found.read.themselves) == (40, 40)
    assert found.read.rows == ROWS
    assert "40 queries have a row at distance 0" in str(found)


def test_queries_that_were_kept_are_asked(
    conn: Conn, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(conn, vectors[:600])
    given = {"plan": True, "real_queries": True, **QUICK, "sample": 3}
    with pytest.raises(InvalidSetting, match=r"is stored; select mrl\.sample_queries"):
        tune(conn, "docs", "embedding", **given)
    conn.execute("select mrl.sample_queries('docs', 'embedding', 1)")
    keep = "select mrl.keep_query('docs', 'embedding', %s)"
    # unlike any row
    for query in vectors[:9, ::-1]:
        conn.execute(keep, [str(query.tolist())])
    found = tune(conn, "docs", "embedding", **given)
    assert (found.read.queries, found.read.themselves) == (3, 0)
    assert not found.goal.rows_as_queries
    # by themselves they are taken only if there are enough
    rows = tune(conn, "docs", "embedding", **{**given, "real_queries": None})
    assert rows.read.origin == "held-out rows"
    assert re.search(r"\n\d real queries are stored, which are too few", str(rows))
    assert (rows.goal.rows_as_queries, rows.goal.least_ef) == (True, LEAST_EF_SEARCH)
    # what calibrations promise with it is what is asked for
    promised = supported("rows", 1 - rows.goal.wanted)
    assert promised == pytest.approx(rows.goal.recall)
    assert "the target is recall 0.9495 on rows" in str(rows)
    monkeypatch.setattr(queries, "FEWEST_REAL_QUERIES", 3)
    real = tune(conn, "docs", "embedding", **{**given, "real_queries": None})
    assert real.read.origin == "real queries"
    assert real.recommendation.commands is not None
    assert "queries => mrl.kept_queries(" in real.recommendation.commands.sql
    assert "--real-queries" in real.recommendation.commands.shell
    # the same three for the same seed
    again = tune(conn, "docs", "embedding", **given)
    assert (found.curves[0].places == again.curves[0].places).all()


def test_rows_of_zeros_and_nulls_are_left_out(conn: Conn, vectors: Vectors) -> None:
    some = vectors[:600].copy()
    some[[5, 6]] = 0
    make_table(conn, some)
    conn.execute("update docs set embedding = null where id > 590")
    conn.execute("analyze docs")
    found = tune(conn, "docs", "embedding", **QUICK)
    assert found.read.zero_rows + found.read.zero_queries == 2
    assert found.read.rows + found.read.queries + found.read.zero_queries == 590
    assert "rows of zeros" in str(found) or "queries of zeros" in str(found)


def test_rows_without_order_are_told_from_trained_ones(
    conn: Conn, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation keeps every distance and takes the order of dimensions away."""
    monkeypatch.setattr(read_rows, "JUDGED_ROWS", ROWS)
    random = np.random.default_rng(8).standard_normal((64, 64))
    rotation, _ = np.linalg.qr(random)
    make_table(conn, (vectors @ rotation).astype(np.float32))
    found = tune(conn, "docs", "embedding", plan=True, rotation=False, **QUICK)
    assert found.judgement is not None
    assert found.judgement.verdict == "no gain"
    assert not found.recommendation.worth_it
    assert any("no gain" in reason for reason in found.recommendation.against)
    # rotated rows have an order again
    rotated = tune(conn, "docs", "embedding", plan=True, **QUICK).recommendation
    assert rotated.rotated
    assert not any("no gain" in reason for reason in rotated.against)


def test_signs_that_are_all_the_same_are_told(conn: Conn, vectors: Vectors) -> None:
    make_table(conn, np.abs(vectors))
    found = tune(conn, "docs", "embedding", plan=True, **QUICK)
    assert found.read.sign_rows == 150 and found.read.sign_codes == 1
    assert "signs are of no use here: 150 different rows have 1 different" in str(found)
    assert found.recommendation.kind != "bit"


# ------------------------------------------------------------------ what is refused


class Stop(BaseException):
    """As Ctrl-C comes."""


@pytest.mark.parametrize("when", ["reading", "copying", "building", "measuring"])
def test_nothing_stays_after_ctrl_c(docs: Conn, when: str) -> None:
    def tell(stage: Progress) -> None:
        if stage.stage.startswith(when) and (stage.done or when != "measuring"):
            raise Stop

    with pytest.raises(Stop):
        tune(docs, "docs", "embedding", progress=tell, **QUICK)


def test_a_transaction_of_the_caller_is_not_touched(docs: Conn) -> None:
    with docs.transaction():
        with pytest.raises(InvalidSetting, match="in a transaction"):
            tune(docs, "docs", "embedding", **QUICK)
        assert docs.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"table": "nowhere"}, TableNotFound, "nowhere"),
        ({"column": "nothing"}, ColumnNotFound, "nothing"),
        ({"column": "title"}, NotAVectorColumn, "title"),
        ({"k": 0}, InvalidSetting, "k=0"),
        ({"recall": 1.0}, InvalidSetting, "recall=1"),
        ({"distance": "l1"}, InvalidSetting, "distance='l1'"),
        ({"sizes": [65]}, InvalidSetting, "1 to 64"),
        ({"sizes": []}, InvalidSetting, "1 to 64"),
        ({"kinds": ["int8"]}, InvalidSetting, "int8"),
        ({"kinds": []}, InvalidSetting, "kinds"),
        ({"model": "no such model"}, InvalidSetting, "no such model"),
        ({"model": "text-embedding-3-small", "sizes": [8]}, InvalidSetting, "sizes"),
        ({"tries": 0}, InvalidSetting, "tries=0"),
        ({"sample": 0}, InvalidSetting, "sample=0"),
        ({"sample_rows": 0}, InvalidSetting, "sample_rows=0"),
        ({"queries_file": "none.npy"}, InvalidFile, "none.npy"),
        ({"queries_file": "a.npy", "queries_sql": "b"}, InvalidSetting, "only one of"),
        ({"queries_sql": "b", "real_queries": True}, InvalidSetting, "only one of"),
        ({"m": 1}, InvalidSetting, "m=1"),
        ({"minutes": 0}, InvalidSetting, "minutes=0"),
    ],
)
def test_bad_input_is_named_before_anything_is_done(
    docs: Conn, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    stages: list[Progress] = []
    arguments = {"table": "docs", "column": "embedding", **QUICK, **given}
    with pytest.raises(error, match=re.escape(words)):
        tune(docs, progress=stages.append, **arguments)
    assert stages == []


# ------------------------------------------------------------------ values and twin


def test_the_twin_finds_the_same(docs: Conn, url: str) -> None:
    def plain(found: Tuning) -> dict[str, Any]:
        answer = found.as_dict()
        del answer["read"]["seconds"], answer["table"]["read_at"]
        # an exact search was timed
        del answer["recommendation"]["not_yet"], answer["recommendation"]["worth_it"]
        return answer

    async def run() -> Tuning:
        conn = await psycopg.AsyncConnection.connect(url, autocommit=True)
        async with conn:
            return await tune_async(conn, "docs", "embedding", plan=True, **QUICK)

    one = tune(docs, "docs", "embedding", plan=True, **QUICK)
    assert plain(asyncio.run(run())) == plain(one)


def test_a_tuning_goes_into_json_and_words(docs: Conn) -> None:
    found = tune(
        docs, "docs", "embedding", sizes=[16, 32], rival=False, schema="public", **QUICK
    )
    answer = json.loads(json.dumps(found.as_dict()))
    assert answer == found.as_dict()
    assert {curve["dims"] for curve in answer["curves"]} == {16, 32, 64}
    assert {point["name"] for point in answer["points"]} >= {"exact search"}
    assert answer["recommendation"]["commands"]["python"]
    text = str(found)
    for option in found.options:
        assert (option.name in text) == (option.kind != "vector")
    assert "alone" not in text
    assert str(found.front[0]) in text
    assert "schema='public'" in text


def test_the_best_so_far_comes_when_the_time_is_up(
    docs: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no time for another build after the first, nor for more queries than must be
    left = iter([60.0] * 4 + [0.0] * 10_000)
    monkeypatch.setattr(Budget, "left", property(lambda budget: next(left)))
    found = tune(docs, "docs", "embedding", minutes=1, queries=list(ASKED), **QUICK)
    assert [built.name for built in found.built] == [found.points[0].name]
    assert {point.recall.queries for point in found.points} == {20}
    said = " ".join(found.recommendation.reasons + found.recommendation.against)
    assert (
        "the 1 minutes that were given are over: measured were 1 of 3 indexes" in said
    )
    assert "20 of 40 queries. This is the best found so far" in said


def test_a_build_that_takes_too_long_is_given_up(docs: Conn, url: str) -> None:
    with connect(url) as conn:
        known = conn.execute("show statement_timeout").fetchone()
        found = tune(
            conn, "docs", "embedding", minutes=1e-9, queries=list(ASKED), **QUICK
        )
        assert conn.execute("show statement_timeout").fetchone() == known
    assert (found.built, found.points) == ((), ())
    assert not found.recommendation.measured
    assert "no index was tried in time" in str(found)
