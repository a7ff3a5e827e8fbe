"""`hybrid`: vectors and words in one statement, fused by reciprocal rank."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.databases import Conn, Server, connect
from support.plans import explain_sent, first_pass, indexes
from support.tables import Docs, make_partitioned
from support.vectors import distances, matryoshka
from support.words import BARE, ZERO, allow_both, by_words, fused, make_worded

from mrl_pg import (
    HybridResult,
    MatryoshkaColumn,
    MatryoshkaIndex,
    Promise,
    PromiseStep,
)
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidFilter,
    InvalidSetting,
    InvalidVector,
    MrlError,
)
from mrl_pg.exchange import Exchange, Find, drivers
from mrl_pg.search import find, methods

ROWS = 1200
QUERY = matryoshka(1, seed=9)[0]
SETTINGS = ("ef_search", "iterative_scan", "max_scan_tuples", "scan_mem_multiplier")
WIDE = 800
"""Candidates among which surely are the nearest rows."""


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    vectors = matryoshka(ROWS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with pg_server.fresh() as url, connect(url) as conn:
        make_worded(conn, vectors, index)
        allow_both(conn)
        yield Docs(url, conn, vectors, index)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Find]:
    """The searches that are sent."""
    requests: list[Find] = []
    find = drivers._find

    def record(conn: Conn, request: Find) -> Any:
        requests.append(request)
        return find(conn, request)

    monkeypatch.setattr(drivers, "_find", record)
    return requests


def assert_fused(docs: Docs, found: HybridResult, words: str, **options: Any) -> None:
    """The answer is that of an exact search and a plain full text search, fused."""
    filter = options.pop("filter", "true")
    spoken = {
        name: options[name] for name in ("text", "config", "match") if name in options
    }
    with docs.conn.transaction(force_rollback=True):
        docs.conn.execute("set local enable_sort = on")
        near = docs.index.search(
            docs.conn, QUERY, k=found.fetch, exact=True, filter=filter
        )
    worded = by_words(docs.conn, words, filter=filter, fetch=found.fetch, **spoken)
    ranking = {
        name: options[name] for name in ("weights", "rank_constant") if name in options
    }
    wanted = fused(near.keys, worded, k=found.k, **ranking)
    assert [hit.key for hit in found] == [key for key, *_ in wanted]
    assert [(hit.vector_rank, hit.word_rank) for hit in found] == [
        (by_vectors, words_rank) for _, _, by_vectors, words_rank in wanted
    ]
    assert [hit.score for hit in found] == pytest.approx([each[1] for each in wanted])
    far = distances(docs.vectors, QUERY, "cosine")
    for hit in found:
        if hit.key in (*BARE, ZERO):
            assert hit.distance is None
        else:
            assert hit.distance == pytest.approx(far[hit.key - 1], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "config", "gin"),
    [
        ("title", "english", "docs_title"),
        ("code", "english", "docs_code"),
        ("terms", "simple", "docs_terms"),
        ("title", "pg_catalog.english", "docs_title"),
    ],
)
def test_both_indexes_answer_in_one_statement(
    docs: Docs, sent: list[Find], text: str, config: str, gin: str
) -> None:
    options: dict[str, Any] = {"text": text, "config": config}
    found = docs.index.hybrid(
        docs.conn, QUERY, "red or unicorn", candidates=WIDE, fetch=200, **options
    )
    (request,) = sent
    assert_fused(docs, found, "red or unicorn", **options)
    assert (found.fetch, found.k, len(found)) == (200, 10, 10)
    assert any(hit.word_rank and hit.vector_rank for hit in found)
    assert (found.candidates, found.seen, found.scan) == (WIDE, WIDE, "single")
    assert (found.index_name, found.cut_short) == (docs.index.name, False)
    root = explain_sent(docs.conn, request)
    assert first_pass(root) == [docs.index.name]
    assert gin in indexes(root)


def test_a_filter_holds_for_both_halves(docs: Docs, sent: list[Find]) -> None:
    for condition, params in (
        ("n < %s and title <> %s", [30, "x"]),
        ("n < %(most)s and title <> %(not)s", {"most": 30, "not": "x"}),
    ):
        sent.clear()
        found = docs.index.hybrid(
            docs.conn,
            QUERY,
            "green cats",
            text="title",
            filter=condition,
            params=params,
            candidates=300,
            columns=["n", "title"],
        )
        (request,) = sent
        assert_fused(docs, found, "green cats", filter="n < 30")
        assert all(hit["n"] < 30 and "title" in hit.columns for hit in found)
        assert (found.filtered, found.scan) == (True, "iterative")
        assert not request.prepare
        root = explain_sent(docs.conn, request)
        assert first_pass(root) == [docs.index.name]
        assert "docs_title" in indexes(root)


@pytest.mark.parametrize(
    "words", ["zebra", "", "the", "-red", "!!! & | ( : *", "'\"\\"]
)
def test_words_that_nothing_matches_leave_the_nearest_rows(
    docs: Docs, words: str
) -> None:
    found = docs.index.hybrid(docs.conn, QUERY, words, text="title", fetch=20, k=5)
    if words != "-red":
        assert found.keys == docs.index.search(docs.conn, QUERY, k=5).keys
        assert all(hit.word_rank is None for hit in found)
    assert len(found) == 5


def test_it_searches_as_hard_as_search(docs: Docs) -> None:
    found = docs.index.hybrid(docs.conn, QUERY, "zebra", text="title")
    near = docs.index.search(docs.conn, QUERY)
    assert (found.candidates, found.ef_search) == (near.candidates, near.ef_search)
    # unless more rows than that are to be ranked
    found = docs.index.hybrid(docs.conn, QUERY, "zebra", text="title", fetch=300)
    assert (found.candidates, found.ef_search, found.fetch) == (300, 300, 300)
    few = docs.index.hybrid(docs.conn, QUERY, "zebra", text="title", candidates=30)
    assert (few.candidates, few.fetch) == (30, 30)
    many = docs.index.hybrid(docs.conn, QUERY, "zebra", text="title", k=20)
    assert (many.candidates, many.fetch, len(many)) == (160, 80, 20)


def test_rows_without_a_vector_are_found_by_their_words(docs: Docs) -> None:
    found = docs.index.hybrid(
        docs.conn,
        QUERY,
        "unicorn",
        text="title",
        k=40,
        candidates=WIDE,
        filter=f"id between {BARE[0] - 1} and {ZERO + 30}",
    )
    assert_fused(
        docs, found, "unicorn", filter=f"id between {BARE[0] - 1} and {ZERO + 30}"
    )
    # none of these has a distance
    few = f"id in ({BARE[1]}, {BARE[2]}, {ZERO})"
    worded = by_words(docs.conn, "red or blue or green", filter=few)
    assert len(worded) == 3
    found = docs.index.hybrid(
        docs.conn, QUERY, "red or blue or green", text="title", filter=few
    )
    assert found.keys == worded
    assert {hit.distance for hit in found} == {None}
    assert {hit.vector_rank for hit in found} == {None}
    assert not found.cut_short


def test_weights_and_rank_constant(docs: Docs) -> None:
    for weights in ((1.0, 0.2), (3, 1), (1, 0), (0, 1)):
        for rank_constant in (1, 60):
            options: dict[str, Any] = {
                "weights": weights,
                "rank_constant": rank_constant,
            }
            found = docs.index.hybrid(
                docs.conn, QUERY, "blue fish", text="title", candidates=WIDE, **options
            )
            assert_fused(docs, found, "blue fish", **options)
            assert len(found) == 10
    nothing = docs.index.hybrid(docs.conn, QUERY, "zebra", text="title", weights=(0, 1))
    assert (len(nothing), nothing.cut_short, nothing.seen) == (0, False, 160)


def test_exact(docs: Docs, sent: list[Find]) -> None:
    options: dict[str, Any] = {"exact": True, "text": "title"}
    found = docs.index.hybrid(docs.conn, QUERY, "red cat", **options)
    assert len(sent) == 1
    assert_fused(docs, found, "red cat")
    sent.clear()
    assert (found.candidates, found.seen, found.scan) == (None, None, "exact")
    none = docs.index.hybrid(
        docs.conn, QUERY, "red", filter="id < %s", params=[0], **options
    )
    assert (len(none), none.seen) == (0, None)
    assert len(sent) == 1


def test_settings_end_with_the_statement(docs: Docs, sent: list[Find]) -> None:
    def now(conn: Conn) -> list[str]:
        return [
            conn.execute(
                sql.SQL("select current_setting({})").format(f"hnsw.{name}")
            ).fetchall()[0][0]
            for name in SETTINGS
        ]

    before = now(docs.conn)
    with docs.conn.transaction():
        docs.conn.execute("set local default_transaction_read_only = on")
        docs.index.hybrid(
            docs.conn, QUERY, "red", text="title", candidates=1200, filter="n < 90"
        )
        assert now(docs.conn) == before
        with pytest.raises(psycopg.errors.DivisionByZero), docs.conn.transaction():
            docs.index.hybrid(
                docs.conn, QUERY, "red", text="title", filter="1 / (n - n) = 1"
            )
        assert now(docs.conn) == before
    assert now(docs.conn) == before
    assert len(sent) == 2


def test_async_and_by_column(docs: Docs) -> None:
    column = MatryoshkaColumn("docs", "embedding")
    wanted = docs.index.hybrid(docs.conn, QUERY, "red dog", text="title")

    async def ask() -> list[HybridResult]:
        async with await psycopg.AsyncConnection.connect(docs.url) as conn:
            return [
                await each.hybrid_async(conn, QUERY, "red dog", text="title")
                for each in (docs.index, column)
            ]

    queries = {"embedding": QUERY, "other": [1, 2]}
    answers = [
        *asyncio.run(ask()),
        column.hybrid(docs.conn, queries, "red dog", text="title"),
    ]
    for found in answers:
        assert found.hits == wanted.hits
    with pytest.raises(InvalidVector, match="is not a vector"):
        docs.index.hybrid(docs.conn, queries, "red dog", text="title")


def test_a_caller_with_adapters_of_their_own(docs: Docs) -> None:
    class Shouting(psycopg.adapt.Dumper):
        def dump(self, obj: str) -> bytes:
            return obj.upper().encode() + b"!"

    wanted = docs.index.hybrid(docs.conn, QUERY, "'red\" dög", text="title")
    with connect(docs.url) as conn:
        conn.adapters.register_dumper(str, Shouting)
        conn.execute("set extra_float_digits = 3")
        found = docs.index.hybrid(conn, QUERY, "'red\" dög", text="title")
    assert found.hits == wanted.hits
    with connect(docs.url) as conn:
        conn.execute("set client_encoding = sql_ascii")
        assert (
            docs.index.hybrid(conn, QUERY, "'red\" dög", text="title").hits
            == wanted.hits
        )
        conn.execute("set client_encoding = latin1")
        with pytest.raises(InvalidSetting, match="cannot be sent"):
            docs.index.hybrid(conn, QUERY, "\u0142", text="title")


BAD: list[tuple[dict[str, Any], type[MrlError], str]] = [
    ({"text": "nothing"}, ColumnNotFound, "'nothing' does not exist .* there are: id"),
    ({"text": "n"}, InvalidSetting, "of type integer: name a column of type text"),
    ({"text": "embedding"}, InvalidSetting, r"of type vector\(64\)"),
    ({"text": 7}, InvalidSetting, "text=7 is not text"),
    ({"words": 7}, InvalidSetting, "words=7 is not text"),
    ({"words": None}, InvalidSetting, "words=None is not text"),
    ({"words": "a\0b"}, InvalidSetting, "NUL"),
    ({"words": "\ud800"}, InvalidSetting, "not valid text"),
    ({"config": "klingon"}, InvalidSetting, "select cfgname from pg_ts_config"),
    ({"config": "no.such"}, InvalidSetting, "select cfgname from pg_ts_config"),
    ({"config": None}, InvalidSetting, "config=None is not text"),
    ({"match": "some"}, InvalidSetting, "match='some'"),
    ({"weights": (-1, 1)}, InvalidSetting, "neither 0 nor a number"),
    ({"weights": (float("nan"), 1)}, InvalidSetting, "neither 0 nor a number"),
    ({"weights": (1, float("inf"))}, InvalidSetting, "neither 0 nor a number"),
    ({"weights": (1, 1e-300)}, InvalidSetting, "neither 0 nor a number"),
    ({"weights": (0, 0)}, InvalidSetting, "no half that counts"),
    ({"weights": (1,)}, InvalidSetting, "are not two numbers"),
    ({"weights": 1}, InvalidSetting, "are not two numbers"),
    ({"weights": "11"}, InvalidSetting, "are not two numbers"),
    ({"rank_constant": 0}, InvalidSetting, "rank_constant=0 is outside 1"),
    ({"rank_constant": 1.5}, InvalidSetting, "not a whole number"),
    ({"fetch": 9}, InvalidSetting, "fetch=9 is below k=10"),
    ({"fetch": 0}, InvalidSetting, "fetch=0 is below 1"),
    ({"fetch": 41, "candidates": 40}, InvalidSetting, "fetch=41 is above the 40"),
    ({"candidates": 5}, InvalidSetting, "candidates=5 is below k=10"),
    ({"filter": "nothing = 1"}, InvalidFilter, "nothing"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input_is_refused(
    docs: Docs, options: dict[str, Any], error: type[MrlError], message: str
) -> None:
    given: dict[str, Any] = {"text": "title", "words": "red"} | options
    words = given.pop("words")
    with pytest.raises(error, match=message):
        docs.index.hybrid(docs.conn, QUERY, words, **given)
    with pytest.raises(TypeError, match="'most' is not an option"):
        docs.index.hybrid(docs.conn, QUERY, "red", text="title", most=1)  # type: ignore[call-arg]


def test_long_input_of_a_stranger(docs: Docs) -> None:
    for words in ("x" * 100_000, "no such words " * 999, '"' * 999, "- or " * 999):
        found = docs.index.hybrid(docs.conn, QUERY, words, text="title")
        assert len(found) == 10


def test_row_level_security_holds_for_both_halves(docs: Docs) -> None:
    conn = docs.conn
    conn.execute(
        "create role hybrid_reader; grant select on docs to hybrid_reader;"
        "alter table docs enable row level security;"
        "create policy few on docs using (n < 20)"
    )
    try:
        conn.execute("set role hybrid_reader")
        found = docs.index.hybrid(
            conn, QUERY, "red or blue", text="title", columns=["n"], candidates=300
        )
        conn.execute("reset role")
    finally:
        conn.execute("reset role")
        conn.execute(
            "drop policy few on docs; alter table docs disable row level security;"
            "revoke all on docs from hybrid_reader; drop role hybrid_reader"
        )
    assert_fused(docs, found, "red or blue", filter="n < 20")
    assert all(hit["n"] < 20 for hit in found)
    assert found.filtered


def test_odd_names_partitions_and_a_key_of_two_columns(database: str) -> None:
    """Names that the statement itself uses, and a percent sign."""
    vectors = matryoshka(60)
    index = MatryoshkaIndex('do"cs', "full", dims=16)
    with connect(database) as conn:
        conn.execute(
            'create table "do""cs" (key_1 int, "sc%ore" text, distance text, "full" '
            'vector(64), primary key (key_1, "sc%ore")) partition by hash (key_1);'
            'create table part_0 partition of "do""cs" for values with (modulus 2, '
            "remainder 0);"
            'create table part_1 partition of "do""cs" for values with (modulus 2, '
            "remainder 1)"
        )
        for i, vector in enumerate(vectors):
            conn.execute(
                'insert into "do""cs" values (%s, %s, %s, %s::vector)',
                [i // 2, "ab"[i % 2], f"word{i % 7}", vector.tolist()],
            )
        index.create(conn)
        conn.execute('create text search configuration "my %config" (copy = simple)')
        found = index.hybrid(
            conn,
            vectors[3],
            "word3",
            text="distance",
            config="my %config",
            columns=["distance", "sc%ore"],
            k=60,
        )
        assert found[0].key == (1, "b")
        assert found[0].word_rank and found[0].vector_rank == 1
        assert len(set(found.keys)) == len(found) == 60
        assert {hit.key[1] for hit in found} == {"a", "b"}
        worded = [hit.key for hit in found if hit["distance"] == "word3"]
        assert len(worded) == 9
        ties = [hit.key for hit in found if hit.word_rank is None]
        assert ties == sorted(ties, key=lambda key: found.keys.index(key))


def test_a_text_column_of_another_type_by_now(database: str) -> None:
    """What is cached of the column is read again."""
    vectors = matryoshka(50)
    index = MatryoshkaIndex("docs", "embedding", dims=16)
    with connect(database) as conn:
        make_worded(conn, vectors, index)
        first = index.hybrid(conn, QUERY, "red", text="title")
        conn.execute(
            "drop index docs_title; alter table docs alter title type tsvector"
            " using to_tsvector('english', title)"
        )
        assert index.hybrid(conn, QUERY, "red", text="title").keys == first.keys
        conn.execute("alter table docs rename title to heading")
        with pytest.raises(ColumnNotFound, match=r"there are: .*heading"):
            index.hybrid(conn, QUERY, "red", text="title")
        found = index.hybrid(conn, QUERY, "red", text="heading")
        assert found.keys == first.keys


def test_the_partitions_of_a_table(database: str) -> None:
    vectors = matryoshka(40)
    index = MatryoshkaIndex("docs", "embedding", dims=16)
    with connect(database) as conn:
        make_partitioned(conn)
        for i, vector in enumerate(vectors, 1):
            conn.execute(
                "insert into docs values (%s, %s, %s, %s::vector)",
                [i, i, f"word{i % 4}", vector.tolist()],
            )
        index.create(conn)
        found = index.hybrid(conn, vectors[0], "word2", text="title", k=40)
        near = index.search(conn, vectors[0], k=40, exact=True)
        wanted = fused(near.keys, by_words(conn, "word2"), k=40)
    assert [(hit.key, hit.vector_rank, hit.word_rank) for hit in found] == [
        (key, *ranks) for key, _, *ranks in wanted
    ]


def test_the_help_explains_the_formula() -> None:
    told = methods.SearchMethods.hybrid.__doc__ or ""
    assert "rank_constant + its rank" in told
    told = methods.SearchMethods.search_words.__doc__ or ""
    assert "websearch_to_tsquery" in told


def test_rows_too_far_away_for_a_recall_are_searched_for_again(
    docs: Docs, sent: list[Find], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the distance of the k-th nearest row, as in a search by vectors."""
    steps = (PromiseStep(0.0, 20, 20), PromiseStep(9.0, 120, 130))
    promise = Promise(0.9, "rows", 20, 20, 0.9, 0.9, steps=steps)

    def promised(*args: object) -> Exchange[Promise]:
        yield from ()
        return promise

    monkeypatch.setattr(find, "read_promise", promised)
    found = docs.index.hybrid(docs.conn, QUERY, "red", text="title", recall=0.9)
    assert len(sent) == 2
    assert (found.candidates, found.ef_search, found.seen) == (120, 130, 120)
    assert found.promise is not None
    assert (found.promise.standing, found.promise.candidates) == ("rows", 120)
    # the rows that each half ranks may already be as many as the wider search has
    sent.clear()
    found = docs.index.hybrid(
        docs.conn, QUERY, "red", text="title", recall=0.9, fetch=150
    )
    assert len(sent) == 1
    assert (found.candidates, found.ef_search) == (150, 150)
