"""Compare searches that read all candidates in full with searches that read some.

    python benchmarks/rerank.py                                # random clustered rows
    python benchmarks/rerank.py --vectors rows.npy --queries-from titles.npy

First, in NumPy, how many rows of an exact order hold the true k rows: of the Hamming
distance, of the order of `rerank`, of an order by four bit planes of the query, and of
the whole query against the bits. Then, on a server, recall and time of `index.search`
with all candidates, with `rerank`, and with as few candidates as `rerank` reads. These
take turns on one connection, query by query, in random order. The script prints
medians, their ratio to those of reading all candidates, and the blocks of a search.

With --recall 0.95, the first half of the queries calibrates the index, and the other
half then asks for that recall, in turns: as calibrated, and by the cheapest search that
reads every candidate.

Without --queries-from, the last rows of the file are the queries and no rows.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import server
from mrl_pg.load import load_blocks
from mrl_pg.recall.truth import distances, nearest
from mrl_pg.search import promised as promises

Floats = NDArray[np.float32]
Conn = psycopg.Connection[Any]
Search = tuple[str, Mapping[str, int]]

ASKED = ((160, (40, 60, 80)), (320, (60, 100, 160)))
"""Candidates, and how many of them are read."""

CUTS = (20, 40, 60, 80, 160)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--queries-from", type=Path, help="a second .npy")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--dims", type=int, help="bits; default: all dimensions")
    parser.add_argument("--distance", choices=("cosine", "l2", "ip"), default="cosine")
    parser.add_argument(
        "--lengths", type=float, default=0, help="log-normal lengths of this sigma"
    )
    parser.add_argument(
        "--keep", choices=("generated", "trigger", "expression"), default="generated"
    )
    parser.add_argument("--storage", choices=("external", "plain"), default="external")
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, action="append", default=[])
    parser.add_argument("--orders-only", action="store_true", help="no server")
    args = parser.parse_args()
    rows, queries = vectors(args)
    args.dims = args.dims or rows.shape[1]
    truth = nearest(rows, queries, k=10, distance=args.distance).rows
    print(f"{len(rows):,} rows, bit({args.dims}) of {rows.shape[1]}, {args.distance}")
    ordered = dict(orders(rows, queries, args.dims))
    for name, far in ordered.items():
        report_order(name, far, truth)
    report_wider(ordered["Hamming distance"], ordered["rerank"], truth)
    if not args.orders_only:
        on_server(rows, queries, args)


def vectors(args: argparse.Namespace) -> tuple[Floats, Floats]:
    """Rows and queries, from files or random."""
    rng = np.random.default_rng(0)
    if args.vectors:
        rows = np.load(args.vectors, mmap_mode="r")
        held = 0 if args.queries_from else args.queries
        asked = np.load(args.queries_from) if args.queries_from else rows[-held:]
        rows = np.array(rows[: min(args.rows, len(rows) - held)], dtype=np.float32)
    else:
        centres = rng.normal(size=(500, 1536))
        pick = rng.integers(len(centres), size=args.rows + args.queries)
        made = centres[pick] + 0.7 * rng.normal(size=(len(pick), 1536))
        made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
        rows, asked = made[: args.rows], made[args.rows :]
    if args.lengths:
        drawn = np.exp(args.lengths * rng.normal(size=(len(rows), 1)))
        rows *= drawn.astype(np.float32)
    return rows, np.array(asked[: args.queries], dtype=np.float32)


def orders(rows: Floats, queries: Floats, dims: int) -> Iterator[tuple[str, Floats]]:
    """How far each row is from each query, in each order."""
    signs = np.where(rows[:, :dims] > 0, np.float32(1), np.float32(-1))
    asked = queries[:, :dims]
    # a mean square of 1 in each dimension
    asked = asked / np.linalg.norm(asked, axis=1, keepdims=True) * np.sqrt(dims)
    yield "Hamming distance", -np.sign(asked) @ signs.T
    three = np.sign(asked) + np.sign(asked - 1) + np.sign(asked + 1)
    yield "rerank", -three @ signs.T
    step = np.abs(asked).max(axis=1, keepdims=True) / 8
    planes = np.clip(np.floor(asked / step), -8, 7) + np.float32(0.5)
    yield "four planes", -planes @ signs.T
    yield "whole query", -asked @ signs.T


def report_order(name: str, far: Floats, truth: NDArray[np.int64]) -> None:
    """Rows needed for a recall, and the recall of the first rows of an order."""
    places = np.sort(
        [
            [np.count_nonzero(each < each[row]) for row in own]
            for each, own in zip(far, truth, strict=True)
        ],
        axis=None,
    )
    needed = ", ".join(
        f"{recall} {places[int(np.ceil(recall * len(places))) - 1] + 1}"
        for recall in (0.95, 0.98, 0.99)
    )
    found = ", ".join(f"{cut} {np.mean(places < cut):.3f}" for cut in CUTS)
    print(f"  {name:17} rows for recall: {needed}; recall of rows: {found}")


def report_wider(walked: Floats, order: Floats, truth: NDArray[np.int64]) -> None:
    """The most recall that as many rows read lose if they are chosen from more."""
    counts = [round(10 * 2 ** (step / 2)) for step in range(13)]
    near = np.zeros(walked.shape, dtype=bool)
    np.put_along_axis(near, truth, True, axis=1)
    found = {}
    for walk in counts:
        rows = np.argsort(walked, axis=1, kind="stable")[:, :walk]
        best = np.argsort(np.take_along_axis(order, rows, 1), axis=1, kind="stable")
        hits = np.take_along_axis(near, np.take_along_axis(rows, best, 1), 1)
        for reads in counts:
            if reads <= walk:
                found[walk, reads] = hits[:, :reads].sum(axis=1).mean() / truth.shape[1]
    loss, walk, wider, reads = max(
        (found[walk, reads] - found[wider, reads], walk, wider, reads)
        for walk, reads in found
        for wider in counts
        if wider > walk
    )
    print(
        f"  {reads} rows of {wider} instead of {walk} candidates lose {loss:.4f}; no "
        f"other pair of {counts[0]} to {counts[-1]} loses more"
    )


def on_server(rows: Floats, queries: Floats, args: argparse.Namespace) -> None:
    """Time searches, and print what they find."""
    index = mrl_pg.MatryoshkaIndex(
        "docs",
        "embedding",
        dims=args.dims,
        kind="bit",
        distance=args.distance,
        keep=args.keep,
        m=args.m,
        ef_construction=args.ef_construction,
    )
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        ids = np.arange(len(rows))
        load_blocks(conn, rows, "docs", columns={"id": ids}, storage=args.storage)
        index.create(conn)
        conn.execute("vacuum (analyze) docs")
        edges = [
            np.sort(distances(rows, query[np.newaxis], args.distance)[0])[9] + 1e-5
            for query in queries
        ]
        print(f"{index}, keep {args.keep}, storage {args.storage}, m {args.m}")
        for candidates, reads in ASKED if not args.recall else ():
            compare(conn, index, queries, edges, candidates, reads, args.rounds)
        if args.recall:
            promised(conn, running.url(), index, queries, edges, args)


def compare(
    conn: Conn,
    index: mrl_pg.MatryoshkaIndex,
    queries: Floats,
    edges: list[Any],
    candidates: int,
    reads: tuple[int, ...],
    rounds: int,
) -> None:
    """Time searches with as many candidates, which read all of them or some."""
    searches: list[Search] = [("all", {"candidates": candidates})]
    for read in reads:
        searches.append(
            (f"rerank {read}", {"candidates": candidates, "rerank": read}),
        )
        searches.append(
            (f"first {read}", {"candidates": read, "ef_search": candidates})
        )
    seconds: dict[str, list[float]] = {name: [] for name, _ in searches}
    found: dict[str, list[float]] = {name: [] for name, _ in searches}
    for turn in range(rounds + 1):
        for query, edge in zip(queries, edges, strict=True):
            for name, options in random.sample(searches, len(searches)):
                start = time.perf_counter()
                result = index.search(conn, query, **options)  # type: ignore[arg-type]
                # the first turn warms up
                if turn:
                    seconds[name].append(time.perf_counter() - start)
                else:
                    hits = sum(hit.distance <= edge for hit in result)
                    found[name].append(hits / 10)
    usual = statistics.median(seconds["all"])
    for name, options in searches:
        ms = 1000 * statistics.median(seconds[name])
        print(
            f"  {candidates} candidates, {name:10} recall {np.mean(found[name]):.4f}, "
            f"{ms:7.3f} ms, ratio {ms / usual / 1000:.3f}, "
            f"{blocks(conn, index, queries, options):.0f} blocks"
        )


def promised(
    conn: Conn,
    url: str,
    index: mrl_pg.MatryoshkaIndex,
    queries: Floats,
    edges: list[Any],
    args: argparse.Namespace,
) -> None:
    """Ask for recalls, with what was calibrated and without what leaves rows unread."""
    half = len(queries) // 2
    start = time.perf_counter()
    made = index.calibrate(conn, queries=queries[:half])
    took = time.perf_counter() - start
    some = sum(point.rerank is not None for point in made.points)
    print(f"  {made}; {len(made.points)} stored, {some} with rerank; {took:.1f} s")
    for recall in args.recall:
        # each connection remembers what it was promised
        promises.SECONDS = 86_400
        with psycopg.connect(url, autocommit=True) as other:
            sides = {"calibrated": conn, "reads all": other}
            index.search(conn, queries[0], recall=recall)
            with other.transaction(force_rollback=True):
                other.execute("delete from mrl._calibrations where rerank is not null")
                index.search(other, queries[0], recall=recall)
            seconds: dict[str, list[float]] = {name: [] for name in sides}
            found: dict[str, list[float]] = {name: [] for name in sides}
            taken = {}
            for turn in range(args.rounds + 1):
                for query, edge in zip(queries[half:], edges[half:], strict=True):
                    for name in random.sample([*sides], len(sides)):
                        start = time.perf_counter()
                        result = index.search(sides[name], query, recall=recall)
                        if turn:
                            seconds[name].append(time.perf_counter() - start)
                            continue
                        found[name].append(sum(hit.distance <= edge for hit in result))
                        taken[name] = result
        usual = statistics.median(seconds["reads all"])
        for name, result in taken.items():
            ms = 1000 * statistics.median(seconds[name])
            print(
                f"  recall {recall}, {name:10} found {np.mean(found[name]) / 10:.4f}, "
                f"{ms:7.3f} ms, ratio {ms / usual / 1000:.3f}: {result.candidates} "
                f"candidates, {result.reranked} read, ef_search {result.ef_search}"
            )


def blocks(
    conn: Conn,
    index: mrl_pg.MatryoshkaIndex,
    queries: Floats,
    options: Mapping[str, int],
) -> float:
    """Median of the blocks that a search touches."""
    touched: list[int] = []
    for query in queries[:30]:
        plan = index.plan(conn, query, **options)  # type: ignore[arg-type]
        explain = b"explain (analyze, buffers, timing off, format json) "
        cursor = conn.execute(explain + plan.statement, plan.params)
        ((answer,),) = cursor.fetchall()
        root = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
        touched.append(root["Shared Hit Blocks"] + root["Shared Read Blocks"])
    return statistics.median(touched)


if __name__ == "__main__":
    main()
