"""Compare storages and orders of the rows, in memory and with less, in one run.

    python benchmarks/storage.py --vectors sentences.npy            # as root, on Linux
    python benchmarks/storage.py --vectors sentences.npy --only 'vector,halfvec'

Every layout is a table of its own with an index bit(all dimensions): full vectors as
`vector` or `halfvec`, in TOAST or in the row, in random order or laid out by likeness
before the load. First, in NumPy, what an exact search of `halfvec` misses of the true k
rows. Then recall and time of `index.search` in memory, query by query in turn. Then the
server starts again in a memory group. Its limit is a share of the index and the table
of the layout `vector`. Each layout answers other queries until its cache is warm, then
the timed queries. No query is asked twice under one limit. The layouts take turns, and
the first changes from round to round.

The last rows of the file are the queries, and no rows of the tables.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg.bench.own_server import own_server
from mrl_pg.load import load_blocks
from mrl_pg.recall.truth import distances, nearest

Floats = NDArray[np.float32]
Options = Mapping[str, int]
Conn = psycopg.Connection[Any]

SEARCHES: dict[str, Options] = {
    "all 160": {"candidates": 160},
    "rerank 60": {"candidates": 160, "rerank": 60},
}
TIMED = 120
"""Queries in a window under a limit."""

LISTS = 512
SIGNS = 24


@dataclass(slots=True)
class Layout:
    """A table: the type and storage of its full column, and the order of its rows."""

    name: str
    kind: Literal["vector", "halfvec"] = "vector"
    storage: Literal["plain", "external"] = "external"
    order: str = "random"
    seconds: float = 0
    bytes: dict[str, int] = field(default_factory=dict)
    dims: int = 0

    @property
    def index(self) -> mrl_pg.MatryoshkaIndex:
        """The index, over the signs of all dimensions."""
        return mrl_pg.MatryoshkaIndex(
            self.table, "embedding", dims=self.dims, kind="bit"
        )

    def search(self, conn: Conn, query: Floats, options: Options) -> Any:
        """The rows that a search returns."""
        return self.index.search(conn, query, k=10, **options)  # type: ignore[arg-type]

    @property
    def table(self) -> str:
        """The name of the table."""
        return "rows_" + self.name.replace(" ", "_")


LAYOUTS = (
    Layout("vector"),
    Layout("vector in row", storage="plain"),
    Layout("halfvec", kind="halfvec"),
    Layout("halfvec in row", kind="halfvec", storage="plain"),
    Layout("sorted by signs", order="signs"),
    Layout("sorted by lists", order="lists"),
)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, required=True, help=".npy")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=200, help="queries for recall")
    parser.add_argument("--only", default="", help="names of layouts")
    parser.add_argument("--shares", default="0.4,0.2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=250, help="queries per window")
    parser.add_argument("--searches", default="", help="words in names of searches")
    args = parser.parse_args()
    matrix = np.load(args.vectors, mmap_mode="r")
    for name in [*SEARCHES]:
        if args.searches and not any(w in name for w in args.searches.split(",")):
            del SEARCHES[name]
    rows = np.array(matrix[: args.rows], dtype=np.float32)
    asked = np.array(matrix[args.rows :][::-1], dtype=np.float32)
    names = args.only.split(",") if args.only else [layout.name for layout in LAYOUTS]
    layouts = [layout for layout in LAYOUTS if layout.name in names]
    print(f"{len(rows):,} rows x {rows.shape[1]}, k = 10, cosine")
    few = asked[: args.queries]
    edges = [
        np.sort(distances(rows, query[np.newaxis], "cosine")[0])[9] + 1e-5
        for query in few
    ]
    halves(rows, few, edges)
    with own_server(18) as own:
        with psycopg.connect(own.url, autocommit=True) as conn:
            mrl_pg.install(conn)
            for layout in layouts:
                make(conn, layout, rows)
            in_memory(conn, layouts, few, edges)
            conn.execute("checkpoint")
        limit = own.squeeze()
        wanted = sum(layouts[0].bytes.values())
        with psycopg.connect(own.url, autocommit=True) as conn:
            for share in map(float, args.shares.split(",")):
                limit.set(int(share * wanted))
                print(f"{share:.0%} of {wanted / 1e6:.0f} MB:")
                squeezed(conn, layouts, asked, args.rounds, args.warm_up)


def halves(rows: Floats, queries: Floats, edges: list[Any]) -> None:
    """Print what an exact search of the rows as `halfvec` misses."""
    rounded = rows.astype(np.float16).astype(np.float32)
    asked = queries.astype(np.float16).astype(np.float32)
    found = nearest(rounded, asked, k=10, distance="cosine").rows
    hits = [
        np.count_nonzero(distances(rows[own], query[np.newaxis], "cosine")[0] <= edge)
        for own, query, edge in zip(found, queries, edges, strict=True)
    ]
    print(f"exact search of halfvec: recall {np.mean(hits) / 10:.4f}", flush=True)


def ordered(rows: Floats, order: str) -> NDArray[np.int64]:
    """The rows' numbers in an order."""
    if order == "signs":
        bits = rows[:, :SIGNS] > 0
        return np.lexsort(bits.T[::-1])
    if order == "lists":
        return by_lists(rows)
    return np.arange(len(rows))


def by_lists(rows: Floats) -> NDArray[np.int64]:
    """The rows in lists of the nearest of LISTS means, and like lists together."""
    rng = np.random.default_rng(0)
    means = rows[rng.choice(len(rows), LISTS, replace=False)]
    for _ in range(6):
        own = np.argmax(rows @ means.T, axis=1)
        for number in range(LISTS):
            if np.any(own == number):
                mean = rows[own == number].mean(axis=0)
                means[number] = mean / np.linalg.norm(mean)
    own = np.argmax(rows @ means.T, axis=1)
    # a walk over the means, each time to the nearest that is left
    alike = means @ means.T
    path, left = [0], set(range(1, LISTS))
    while left:
        here = max(left, key=lambda other: alike[path[-1], other])
        path.append(here)
        left.remove(here)
    place = np.empty(LISTS, dtype=np.int64)
    place[path] = np.arange(LISTS)
    return np.argsort(place[own], kind="stable")


def make(conn: Conn, layout: Layout, rows: Floats) -> None:
    """Load and index a table."""
    layout.dims = rows.shape[1]
    order = ordered(rows, layout.order)
    load_blocks(
        conn,
        rows[order],
        layout.table,
        columns={"id": order},
        kind=layout.kind,
        storage=layout.storage,
    )
    layout.seconds = layout.index.create(conn, concurrently=False).done[-1][1]
    conn.execute(f"vacuum (analyze) {layout.table}")
    ((heap, toast),) = conn.execute(
        "select pg_relation_size(oid),"
        " pg_total_relation_size(nullif(reltoastrelid, 0))"
        " from pg_class where oid = %s::regclass",
        [layout.table],
    ).fetchall()
    ((index,),) = conn.execute(
        "select pg_relation_size(%s::regclass)", [layout.index.name]
    ).fetchall()
    layout.bytes = {"index": index, "heap": heap, "toast": toast or 0}
    sizes = ", ".join(f"{n} {size / 1e6:.0f} MB" for n, size in layout.bytes.items())
    print(f"  {layout.name}: {sizes}, built in {layout.seconds:.1f} s", flush=True)


def settings(layouts: list[Layout]) -> Iterator[tuple[str, Layout, Options]]:
    """Each search of each layout."""
    for layout in layouts:
        for name, options in SEARCHES.items():
            yield f"{layout.name}, {name}", layout, options


def in_memory(
    conn: Conn, layouts: list[Layout], queries: Floats, edges: list[Any]
) -> None:
    """Print recall and median time, query by query in turn."""
    print("in memory:")
    known = list(settings(layouts))
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in known}
    found: dict[str, list[int]] = {name: [] for name, _, _ in known}
    for turn in range(2):
        for i, query in enumerate(queries):
            for name, layout, options in [
                *known[i % len(known) :],
                *known[: i % len(known)],
            ]:
                start = time.perf_counter()
                hits = layout.search(conn, query, options)
                # the first turn warms up
                if turn:
                    seconds[name].append(time.perf_counter() - start)
                    found[name].append(sum(hit.distance <= edges[i] for hit in hits))
    usual = statistics.median(seconds[known[0][0]])
    for name, _, _ in known:
        middle = statistics.median(seconds[name])
        print(
            f"  {name:30} recall {np.mean(found[name]) / 10:.4f},"
            f" {1000 * middle:6.2f} ms, {middle / usual:.3f} of the first",
            flush=True,
        )


def squeezed(
    conn: Conn, layouts: list[Layout], asked: Floats, rounds: int, warm_up: int
) -> None:
    """Print searches per second in rounds, each search with a window of its own."""
    known = list(settings(layouts))
    rates: dict[str, list[float]] = {name: [] for name, _, _ in known}
    next_query = 0
    for turn in range(rounds):
        for name, layout, options in [*known[turn:], *known[:turn]]:
            some = asked[next_query : next_query + warm_up + TIMED]
            next_query = (next_query + len(some)) % (len(asked) - len(some))
            for i, query in enumerate(some):
                if i == warm_up:
                    start = time.perf_counter()
                layout.search(conn, query, options)
            rates[name].append(TIMED / (time.perf_counter() - start))
            print(f"    {name}: {rates[name][-1]:.1f}/s", file=sys.stderr, flush=True)
    usual = rates[known[0][0]]
    for name, _, _ in known:
        ratios = [rate / base for rate, base in zip(rates[name], usual, strict=True)]
        print(
            f"  {name:30} {statistics.median(rates[name]):6.1f}/s"
            f" ({min(rates[name]):.1f} to {max(rates[name]):.1f}),"
            f" {statistics.median(ratios):.2f} of the first",
            flush=True,
        )


if __name__ == "__main__":
    main()
