"""Check whether promised recalls hold on other queries, and what they cost.

    python benchmarks/promise.py                          # the demo's own vectors
    python benchmarks/promise.py --vectors sentences.npy  # these rows as well

Each index is calibrated on one set of queries, as many as `mrl.calibrate` takes by
default. `search(recall=…)` is then measured on another set, against exact search. A
promise holds if the measured recall is at least the target less 0.005. The oracle is
calibrated on the second set itself, so it is the cheapest search that reaches the
target there. No query is a row of the table.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import Connection

import mrl_pg
from mrl_pg import MatryoshkaIndex, server
from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.kinds import Kind
from mrl_pg.load import load_blocks
from mrl_pg.recall.score import recall_at_k
from mrl_pg.recall.truth import nearest

KS = (1, 10, 100)
TARGETS = (0.9, 0.95, 0.99, 0.999)
SLACK = 0.005
MOST = 2000
"""Queries to calibrate with for k = 1; also the most to measure with."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cell:
    """A promise: the recall asked and measured, and the candidates of an oracle."""

    data: str
    short: str
    k: int
    target: float
    standing: str
    measured: float
    candidates: int
    oracle: int | None

    @property
    def holds(self) -> bool:
        """Whether the measured recall is at least the target less half a percent."""
        return self.measured >= self.target - SLACK


def main() -> None:
    """Print a line for each promise, and how many held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    cells: list[Cell] = []
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        for data, vectors, kind, dims in tables(args.vectors, args.rows):
            for cell in promises(conn, data, vectors, kind, dims):
                cells.append(cell)
                if not args.json:
                    print(line(cell), flush=True)
    kept = [cell for cell in cells if cell.standing == "kept"]
    share = sum(cell.holds for cell in cells) / len(cells)
    spent = [cell.candidates / cell.oracle for cell in kept if cell.oracle]
    summary = {
        "cells": len(cells),
        "share that holds": round(share, 3),
        "out of reach": len(cells) - len(kept),
        "candidates to the oracle's, median": round(float(np.median(spent)), 2),
        "at most": round(max(spent), 2),
    }
    if args.json:
        print(json.dumps({"cells": [asdict(c) for c in cells], "summary": summary}))
    else:
        print(*(f"{name}: {value}" for name, value in summary.items()), sep="\n")


def tables(path: Path | None, rows: int) -> Iterator[tuple[str, Vectors, Kind, int]]:
    """Name, vectors (rows, then two sets of queries), and the short column's layout."""
    count = rows + 2 * MOST
    rng = np.random.default_rng(0)
    texts = [gloss.text for gloss in glosses(count)]
    words = rng.permutation(StaticModel.load().embed(texts))
    yield "glosses", words, "halfvec", 128
    yield "glosses", words, "bit", 512
    if path is not None:
        stored = np.load(path, mmap_mode="r")
        chosen = np.sort(rng.choice(len(stored), count, replace=False))
        others = rng.permutation(np.asarray(stored[chosen], dtype=np.float32))
        yield path.stem, others, "halfvec", others.shape[1] // 6
        yield path.stem, others, "bit", others.shape[1]


def promises(
    conn: Connection[Any],
    data: str,
    vectors: Vectors,
    kind: Kind,
    dims: int,
) -> Iterator[Cell]:
    """The promises for every k and target on one table."""
    rows, for_calibration, for_measuring = np.split(vectors, [-2 * MOST, -MOST])
    table = f"{data}_{kind}".replace("-", "_")
    load_blocks(conn, rows, table)
    index = MatryoshkaIndex(table, "embedding", dims=dims, kind=kind)
    index.create(conn)
    conn.execute("analyze")
    for k in KS:
        first = for_calibration[: max(500, MOST // k)]
        second = for_measuring[: max(1000, MOST // k)]
        with conn.transaction(force_rollback=True):
            oracle = index.calibrate(conn, k=k, queries=second)
        index.calibrate(conn, k=k, queries=first)
        truth = nearest(rows, second, k=k)
        for target in TARGETS:
            found = index.search_many(conn, second, k=k, recall=target)
            recalls = [
                recall_at_k([hit.distance for hit in hits], edge)
                for hits, edge in zip(found, truth.distances, strict=True)
            ]
            promise = found[0].promise
            assert promise is not None
            best = [p for p in oracle.points if p.recall >= target]
            cheapest = min(best, key=lambda p: p.median_ms, default=None)
            yield Cell(
                data,
                f"{kind}({dims})",
                k,
                target,
                promise.standing,
                float(np.mean(recalls)),
                promise.candidates,
                None if cheapest is None else cheapest.candidates,
            )


def line(cell: Cell) -> str:
    """A line of the table."""
    oracle = "none" if cell.oracle is None else f"{cell.oracle:,}"
    return (
        f"{cell.data:12} {cell.short:12} k {cell.k:<4} asked {cell.target:<6} "
        f"got {cell.measured:.4f} with {cell.candidates:>5,} (oracle {oracle:>5}) "
        f"{'' if cell.holds else 'BROKEN '}{cell.standing}"
    )


if __name__ == "__main__":
    main()
