"""What words find beside vectors: any word, all words, alone and fused, in one run.

    python benchmarks/hybrid.py papers.jsonl.gz
    python benchmarks/hybrid.py papers.jsonl.gz --embed "python my_embed.py"

The file has a JSON object a line, with a title and a text. The texts are the rows. Two
kinds of query ask for the row that a title belongs to: the title itself, and a question
of several sentences around it. For each way to search, the share of queries whose own
row is the first answer and among the first ten, and the time of a search: median, ninth
decile and longest. Ways take turns, query by query, so that they meet the same load.

`--expression` searches a column of text, by an index on its to_tsvector, instead of a
column of type tsvector.
"""

import argparse
import gzip
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import MatryoshkaIndex
from mrl_pg.bench.own_server import own_server
from mrl_pg.embed import embedder

QUESTION = (
    "I am looking for recent work on the following topic: {}. What has been tried so "
    "far, which of the methods work best in practice, and how do the results compare "
    "with what was known before?"
)
K = 10

Way = Callable[[psycopg.Connection, NDArray[np.float32], str], list[Any]]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, help="a JSON object a line, or its gzip")
    parser.add_argument("--embed", default="demo", help="as in `mrl-pg load`")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--expression", action="store_true")
    args = parser.parse_args()
    papers = read(args.texts)
    random.Random(args.seed).shuffle(papers)
    papers = papers[: args.rows]
    asked = papers[: args.queries]
    model = embedder(args.embed)
    vectors = model.embed_documents([text for _, text in papers])
    print(f"{len(papers):,} texts, {len(asked)} queries, k = {K}, {model.name}")
    with own_server(18) as own, psycopg.connect(own.url, autocommit=True) as conn:
        mrl_pg.install(conn)
        index = fill(conn, papers, np.asarray(vectors, dtype=np.float32), args.dims)
        ways = ways_of(index, "text" if args.expression else "terms")
        for kind, frame in (("titles", "{}"), ("questions", QUESTION)):
            words = [frame.format(title) for title, _ in asked]
            measure(conn, ways, kind, words, model.embed_queries(words))


def read(path: Path) -> list[tuple[str, str]]:
    """Titles and texts."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        return [(row["title"], row["text"]) for row in rows]


def fill(
    conn: psycopg.Connection,
    papers: list[tuple[str, str]],
    vectors: NDArray[np.float32],
    dims: int,
) -> MatryoshkaIndex:
    """A table of the texts, their words and their vectors, with all indexes."""
    conn.execute(
        "create table papers (id int primary key, text text, terms tsvector"
        " generated always as (to_tsvector('english', text)) stored,"
        f" embedding vector({vectors.shape[1]}))"
    )
    with conn.cursor().copy("copy papers (id, text, embedding) from stdin") as copy:
        for place, (_, text) in enumerate(papers):
            copy.write_row((place, text, str(vectors[place].tolist())))
    conn.execute("create index on papers using gin (terms)")
    conn.execute("create index on papers using gin (to_tsvector('english', text))")
    index = MatryoshkaIndex("papers", "embedding", dims=dims)
    index.create(conn)
    conn.execute("vacuum analyze papers")
    return index


def ways_of(index: MatryoshkaIndex, text: str) -> dict[str, Way]:
    """The ways to search, by what they are called in the table."""
    document = "terms" if text == "terms" else "to_tsvector('english', text)"
    query = "replace(websearch_to_tsquery('english', %s)::text, ' & ', ' | ')::tsquery"

    def plain(relevance: str) -> Way:
        statement = (
            f"with asked as materialized (select {query} as words) select id"
            f" from papers where {document} @@ (select words from asked)"
            f" order by {relevance.format(document, '(select words from asked)')} desc,"
            f" id limit {K}"
        )
        return lambda conn, vector, words: [
            key for (key,) in conn.execute(statement, [words])
        ]

    def by_words(match: Any) -> Way:
        return lambda conn, vector, words: (
            index.search_words(conn, words, text=text, match=match, k=K).keys
        )

    def hybrid(match: Any) -> Way:
        return lambda conn, vector, words: (
            index.hybrid(conn, vector, words, text=text, match=match, k=K).keys
        )

    return {
        "words, all": by_words("all"),
        "words, any": by_words("any"),
        "words, any, without a limit": plain("ts_rank({}, {}, 1)"),
        "the same by ts_rank_cd": plain("ts_rank_cd({}, {})"),
        "vectors": lambda conn, vector, words: index.search(conn, vector, k=K).keys,
        "hybrid, all": hybrid("all"),
        "hybrid, any": hybrid("any"),
    }


def measure(
    conn: psycopg.Connection,
    ways: dict[str, Way],
    kind: str,
    words: list[str],
    vectors: Any,
) -> None:
    """Ask each query in each way, and print a table."""
    first: dict[str, int] = defaultdict(int)
    among: dict[str, int] = defaultdict(int)
    times: dict[str, list[float]] = defaultdict(list)
    for place, asked in enumerate(words):
        for way, search in ways.items():
            began = time.perf_counter()
            keys = search(conn, vectors[place], asked)
            times[way].append(time.perf_counter() - began)
            first[way] += keys[:1] == [place]
            among[way] += place in keys
    print(f"\n| {kind} | hit@1 | hit@{K} | median ms | p90 ms | longest ms |")
    print("|---|---:|---:|---:|---:|---:|")
    for way in ways:
        taken = sorted(times[way])
        figures = (
            statistics.median(taken),
            taken[int(0.9 * (len(taken) - 1))],
            taken[-1],
        )
        found = (first[way] / len(words), among[way] / len(words))
        print(
            f"| {way} | {found[0]:.3f} | {found[1]:.3f} | "
            + " | ".join(f"{1000 * each:.1f}" for each in figures)
            + " |"
        )


if __name__ == "__main__":
    main()
