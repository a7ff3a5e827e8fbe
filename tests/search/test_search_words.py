"""Words of a query: any or all of them, what they cost, and words without vectors."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.databases import Conn, Server, connect
from support.plans import explain_sent, indexes
from support.tables import Docs
from support.vectors import matryoshka
from support.words import BARE, allow_both, by_words, make_worded

from mrl_pg import HybridResult, MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.catalog.slots import template
from mrl_pg.errors import ColumnNotFound, InvalidFilter, InvalidSetting, MrlError
from mrl_pg.exchange import Find, drivers

ROWS = 1200
QUERY = matryoshka(1, seed=9)[0]


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
    requests: list[Find] = []
    find = drivers._find

    def record(conn: Conn, request: Find) -> Any:
        requests.append(request)
        return find(conn, request)

    monkeypatch.setattr(drivers, "_find", record)
    return requests


def queries_of(
    conn: Conn,
    words: str,
    *,
    any_word: bool = True,
    config: str = "english",
    column: str = "title",
) -> tuple[str | None, str | None]:
    """The queries that rows must match and that order them."""
    asked = template(
        "word_query",
        config=sql.SQL("{}::regconfig").format(config),
        words=sql.Literal(words),
        table=sql.SQL("'docs'::regclass::oid"),
        column=sql.Literal(column),
        any_word=sql.SQL("true" if any_word else "false"),
    )
    text = sql.SQL("select asked::text, ranked::text from ({}) as words").format(asked)
    ((asked_for, ranked),) = conn.execute(text).fetchall()
    return asked_for, ranked


@pytest.mark.parametrize(
    ("words", "any_word", "all_words"),
    [
        ("fear of spiders", "'fear' | 'spider'", "'fear' & 'spider'"),
        ("cat -dog bird", "( 'cat' | 'bird' ) & !'dog'", "'cat' & 'bird' & !'dog'"),
        ("-dog", "!'dog'", "!'dog'"),
        ('a "red cat" fish', "'red' <-> 'cat' | 'fish'", "'red' <-> 'cat' & 'fish'"),
        (
            'cat -"red dog"',
            "'cat' & !( 'red' <-> 'dog' )",
            "'cat' & !( 'red' <-> 'dog' )",
        ),
        ("cat or dog", "'cat' | 'dog'", "'cat' | 'dog'"),
        ("cat cat cats or dog or cat", "'cat' | 'dog'", "'cat' | 'dog'"),
        (
            "red cat or dog -bird",
            "'dog' & !'bird' | 'red' | 'cat'",
            "'dog' & !'bird' | 'red' & 'cat'",
        ),
        (
            "well-known fact",
            "'well-known' <-> 'well' <-> 'known' | 'fact'",
            "'well-known' <-> 'well' <-> 'known' & 'fact'",
        ),
        ("it's o'neil's", "'o' <-> 'neil'", "'o' <-> 'neil'"),
        ("--cat", "'cat'", "'cat'"),
        ("the", None, None),
        ("", None, None),
        ("!!! & | ( : *", None, None),
    ],
)
def test_signs_keep_their_meaning(
    docs: Docs, words: str, any_word: str | None, all_words: str | None
) -> None:
    assert queries_of(docs.conn, words)[0] == any_word
    assert queries_of(docs.conn, words, any_word=False)[0] == all_words


def test_a_dictionary_that_makes_groups(conn: Conn, tmp_path: Any) -> None:
    """Groups of alternatives stay together, also in a phrase and behind a minus."""
    conn.execute("create table docs (title text)")
    grouped = "'x' & ( 'a' & 'b' | 'c' ) & !( 'y' <-> ( 'd' | 'e' ) )"
    asked = template(
        "word_query",
        config=sql.SQL("'simple'::regconfig"),
        words=sql.Literal(""),
        table=sql.SQL("'docs'::regclass::oid"),
        column=sql.Literal("title"),
        any_word=sql.SQL("true"),
    ).as_string()
    call = "pg_catalog.websearch_to_tsquery('simple'::regconfig, ''::pg_catalog.text)"
    assert call in asked
    quoted = sql.Literal(grouped).as_string()
    row = conn.execute(asked.replace(call, f"{quoted}::tsquery")).fetchone()
    assert row is not None
    assert row[0] == "( 'x' | 'a' & 'b' | 'c' ) & !( 'y' <-> ( 'd' | 'e' ) )"


def test_common_words_only_rank_the_rows_that_rarer_ones_find(conn: Conn) -> None:
    """Of 20,000 rows, so that a word may be in more than 2,000."""
    conn.execute(
        "create table docs (id int primary key, title text, terms tsvector);"
        "insert into docs select i, concat_ws(' ', 'often', case when i % 3 = 0 then "
        "'third' end, case when i % 4 = 0 then 'fourth' end, case when i % 500 = 0 "
        "then 'seldom' end, 'w' || i % 50) from generate_series(1, 20000) as i;"
        "create index on docs using gin (to_tsvector('english', title))"
    )
    everything = "'often' | 'seldom' | 'third'"
    # nothing is known of a table that nobody analyzed
    assert queries_of(conn, "often third seldom")[0] == "'often' | 'third' | 'seldom'"
    conn.execute("analyze docs")
    for column in ("title", "terms"):
        if column == "terms":
            conn.execute("update docs set terms = to_tsvector('english', title)")
            conn.execute("analyze docs")
        asked, ranked = queries_of(conn, "often third seldom", column=column)
        assert (asked, ranked) == ("'seldom'", everything)
        # words that are all common: as many as it takes
        asked, _ = queries_of(conn, "often third fourth", column=column)
        assert asked == "'third' & 'fourth'"
        asked, _ = queries_of(conn, "often or third", column=column)
        assert asked == "'often' | 'third'"
        asked, _ = queries_of(conn, "never often", column=column)
        assert asked == "'never'"
        asked, _ = queries_of(conn, "often third", any_word=False, column=column)
        assert asked == "'often' & 'third'"


@pytest.mark.parametrize("match", ["any", "all"])
def test_many_words_are_bounded(docs: Docs, match: Any) -> None:
    """A stranger's thousand words cost little: the 64 rarest count."""
    many = " ".join(f"word{i}" for i in range(1000))
    asked, ranked = queries_of(docs.conn, many, any_word=match == "any")
    assert asked is not None and ranked is not None
    assert (asked.count("'word"), ranked.count("'word")) == (64, 64)
    for words in (
        many,
        " or ".join(["red blue green"] * 300),
        "red " * 3000,
        " ".join(f"-word{i}" for i in range(1000)),
        "x" * 100_000,
        '"' * 999,
        "( " * 999,
    ):
        docs.index.search_words(docs.conn, words, text="title", match=match)


@pytest.mark.parametrize(
    ("text", "config", "gin"),
    [
        ("title", "english", "docs_title"),
        ("code", "english", "docs_code"),
        ("terms", "simple", "docs_terms"),
    ],
)
@pytest.mark.parametrize("match", ["any", "all"])
def test_words_alone(
    docs: Docs, sent: list[Find], text: str, config: str, gin: str, match: Any
) -> None:
    options: dict[str, Any] = {"text": text, "config": config, "match": match}
    for words in ("red unicorn", "green fish or unicorn"):
        sent.clear()
        found = docs.index.search_words(docs.conn, words, k=30, **options)
        (request,) = sent
        wanted = by_words(docs.conn, words, fetch=30, **options)
        assert found.keys == wanted
        assert [hit.word_rank for hit in found] == [*range(1, len(found) + 1)]
        assert {(hit.distance, hit.vector_rank) for hit in found} == {(None, None)}
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)
        assert gin in indexes(explain_sent(docs.conn, request))
        assert request.prepare
        assert (found.scan, found.seen, found.index_name) == ("exact", None, None)
        assert not found.cut_short


def test_words_alone_with_a_filter_and_columns(docs: Docs) -> None:
    for condition, params in (
        ("n < %s and title <> %s", [30, "x"]),
        ("n < %(most)s and title <> %(not)s", {"most": 30, "not": "x"}),
    ):
        found = docs.index.search_words(
            docs.conn,
            "green cats",
            text="title",
            filter=condition,
            params=params,
            columns=["n", "title"],
        )
        assert found.keys == by_words(
            docs.conn, "green cats", filter="n < 30", fetch=10
        )
        assert all(hit["n"] < 30 and "title" in hit.columns for hit in found)
        assert found.filtered
    none = docs.index.search_words(docs.conn, "zebra", text="title")
    assert (len(none), none.keys) == (0, [])
    # a row without a vector is found as well
    few = f"id between {BARE[0]} and {BARE[-1]}"
    found = docs.index.search_words(docs.conn, "red", text="title", filter=few)
    assert found.keys == by_words(docs.conn, "red", filter=few, fetch=10)
    assert found.keys


def test_words_alone_async_by_column_and_in_sql(docs: Docs) -> None:
    column = MatryoshkaColumn("docs", "embedding")
    wanted = docs.index.search_words(docs.conn, "red dog", text="title")

    async def ask() -> list[HybridResult]:
        async with await psycopg.AsyncConnection.connect(docs.url) as conn:
            return [
                await each.search_words_async(conn, "red dog", text="title")
                for each in (docs.index, column)
            ]

    for found in [
        *asyncio.run(ask()),
        column.search_words(docs.conn, "red dog", text="title"),
    ]:
        assert found.hits == wanted.hits
    for match in ("any", "all"):
        for words in ("red dog", "unicorn fish", "zebra", "the"):
            found = docs.index.search_words(
                docs.conn,
                words,
                text="title",
                match=match,
                filter="n < %s",
                params=[90],
            )
            rows = docs.conn.execute(
                "select (hit).id, score from mrl.search_words(null::docs, %s, 'title',"
                " match => %s, filter => 'n < $1::int', args => array['90'])",
                [words, match],
            ).fetchall()
            assert rows == [(hit.key, hit.score) for hit in found]


BAD: list[tuple[dict[str, Any], type[MrlError], str]] = [
    ({"text": "nothing"}, ColumnNotFound, "'nothing' does not exist .* there are: id"),
    ({"text": "n"}, InvalidSetting, "of type integer: name a column of type text"),
    ({"words": None}, InvalidSetting, "words=None is not text"),
    ({"match": "most"}, InvalidSetting, "match='most'"),
    ({"match": None}, InvalidSetting, "match=None"),
    ({"config": "klingon"}, InvalidSetting, "select cfgname from pg_ts_config"),
    ({"k": 0}, InvalidSetting, "k=0 is below 1"),
    ({"columns": ["nothing"]}, ColumnNotFound, "'nothing' does not exist"),
    ({"filter": "nothing = 1"}, InvalidFilter, "nothing"),
    ({"params": [1]}, InvalidSetting, "without filter="),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input_is_refused(
    docs: Docs, options: dict[str, Any], error: type[MrlError], message: str
) -> None:
    given: dict[str, Any] = {"text": "title", "words": "red"} | options
    words = given.pop("words")
    with pytest.raises(error, match=message):
        docs.index.search_words(docs.conn, words, **given)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("null, 'title'", psycopg.errors.NullValueNotAllowed, "words is NULL"),
        ("'red', 'nothing'", psycopg.errors.UndefinedColumn, "nothing does not exist"),
        ("'red', 'n'", psycopg.errors.DatatypeMismatch, "docs.n is of type integer"),
        (
            "'red', 'title', k => 0",
            psycopg.errors.InvalidParameterValue,
            "k 0 is below",
        ),
        (
            "'red', 'title', match => 'most'",
            psycopg.errors.InvalidParameterValue,
            "match is 'most'",
        ),
        (
            "'red', 'title', filter => 'true; drop table docs'",
            psycopg.errors.SyntaxError,
            ";",
        ),
        (
            "'red', 'title', filter => 'n = $1::int'",
            psycopg.errors.InvalidParameterValue,
            "names \\$1",
        ),
    ],
)
def test_bad_input_is_refused_in_sql(
    docs: Docs, call: str, error: type[psycopg.Error], message: str
) -> None:
    with pytest.raises(error, match=message):
        docs.conn.execute(f"select * from mrl.search_words(null::docs, {call})")


def test_a_table_that_changed_under_the_words(database: str) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16)
    with connect(database) as conn:
        make_worded(conn, matryoshka(50), index)
        first = index.search_words(conn, "red", text="title")
        conn.execute("alter table docs rename title to heading")
        with pytest.raises(ColumnNotFound, match=r"there are: .*heading"):
            index.search_words(conn, "red", text="title")
        assert index.search_words(conn, "red", text="heading").keys == first.keys
        # words need no index of vectors
        index.drop(conn)
        assert index.search_words(conn, "red", text="heading").keys == first.keys
