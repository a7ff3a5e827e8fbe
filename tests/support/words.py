"""Tables whose rows have words and vectors, and what a hybrid search must answer."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from mrl_pg import MatryoshkaIndex
from support.databases import Conn
from support.tables import make_table
from support.vectors import Vectors

Fused = list[tuple[Any, float, int | None, int | None]]
"""Key, score, rank by vectors, rank by words."""

BARE = range(1101, 1121)
"""Rows of `make_worded` without a vector."""

ZERO = 1121
"""A row of `make_worded` whose vector is zeros."""


def make_worded(conn: Conn, vectors: Vectors, index: MatryoshkaIndex) -> None:
    """A table `docs` with words of four kinds of column, GIN indexes and an index."""
    make_table(conn, vectors, analyze=False)
    conn.execute(
        "alter table docs add code varchar(200), add terms tsvector;"
        "update docs set title = concat_ws(' ',"
        " repeat((array['red', 'green', 'blue'])[1 + id % 3] || ' ', 1 + n % 4),"
        " (array['cat', 'dog', 'bird', 'fish', 'ant'])[1 + id % 5],"
        " case when id % 97 = 0 then 'unicorn' end);"
        f"update docs set embedding = null where id between {BARE[0]} and {BARE[-1]};"
        f"update docs set embedding = embedding - embedding where id = {ZERO};"
        "update docs set code = title, terms = to_tsvector('simple', title);"
        "create index docs_title on docs using gin (to_tsvector('english', title));"
        "create index docs_code on docs using gin (to_tsvector('english', code));"
        "create index docs_terms on docs using gin (terms)"
    )
    index.create(conn)
    conn.execute("analyze docs")


def allow_both(conn: Conn) -> None:
    """For this session, leave the planner no cheap plan without both indexes."""
    conn.execute("set enable_seqscan = off")
    conn.execute("set enable_sort = off")


def by_words(
    conn: Conn,
    words: str,
    *,
    text: str = "title",
    config: str = "english",
    match: str = "any",
    filter: str = "true",
    fetch: int = 50,
    key: str = "id",
) -> list[Any]:
    """Keys in the order of a plain full text search; `any` for words without signs."""
    document = "{text}" if text == "terms" else "to_tsvector(%(config)s, {text})"
    query = "websearch_to_tsquery(%(config)s, %(words)s)"
    relevance = "ts_rank_cd(document, query)"
    if match == "any":
        query = f"replace({query}::text, ' & ', ' | ')::tsquery"
        relevance = "ts_rank(document, query, 1)"
    ask = sql.SQL(
        "with ranked as (select {key}, "
        f"{document} as document, {query} as query"
        " from docs where {filter})"
        " select {key} from ranked where document @@ query"
        f" order by {relevance} desc, {{key}} limit %(fetch)s"
    ).format(key=sql.Identifier(key), text=sql.Identifier(text), filter=sql.SQL(filter))
    values = {"config": config, "words": words, "fetch": fetch}
    with conn.transaction(force_rollback=True):
        conn.execute("set local enable_sort = on")
        return [row[0] for row in conn.execute(ask, values)]


def fused(
    near: Sequence[Any],
    worded: Sequence[Any],
    *,
    k: int = 10,
    weights: tuple[float, float] = (1.0, 1.0),
    rank_constant: int = 60,
) -> Fused:
    """Reciprocal rank fusion of two lists of keys, as the formula says."""
    ranks = [{key: i for i, key in enumerate(keys, 1)} for keys in (near, worded)]
    answers: Fused = []
    for key in {*near, *worded}:
        found = [of.get(key) for of in ranks]
        score = sum(
            weight / (rank_constant + rank)
            for weight, rank in zip(weights, found, strict=True)
            if rank is not None
        )
        if score > 0:
            answers.append((key, score, *found))
    return sorted(answers, key=lambda each: (-each[1], each[0]))[:k]
