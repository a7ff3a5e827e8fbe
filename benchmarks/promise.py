"""Check whether promised recalls hold on real queries, and what they cost.

    python benchmarks/promise.py                       # the demo's definitions
    python benchmarks/promise.py --data DIR            # and the sets of a folder
    python benchmarks/promise.py --data DIR --measure filters --sets NAME

Each index is calibrated as `mrl-pg calibrate docs embedding` does it: with rows as
queries. With `--basis distances` the distances that other real queries found are kept
first, with `--basis queries` these queries themselves. `search(recall=…)` is then
measured on real queries, which are no rows and took part in nothing, against exact
search.

A promise holds if the measured recall is at least the target less 0.005. The oracle is
the cheapest pair of candidates and ef_search that reaches the target on the queries
measured. "Spent" and "walked" are the candidates that promises read in full and their
ef_search, divided by the oracle's. With `--quantile 0.95` a promise holds if that share
of the queries, less .01, found the target, each by itself.

    promises   every k and target, on two short columns of each set
    filters    filters at random, about the topic of the queries, and about another one,
               which let 50 %% to 0.1 %% of the rows through; calibrated with other
               filters, then with the filter itself ("own")
    changes    eight changes after a calibration, before and after `analyze`
    ranking    nDCG@10 on the demo's words, beside exact search

DIR holds a folder for each set, with `rows.npy` and `queries.npy`: float32, a vector
per line, both in random order, no query among the rows, 3,000 queries or more. For
`changes` it needs `others.npy`, too: rows of another domain. Embed what your users
search and what they ask, such as abstracts and titles; slice leading dimensions for
smaller vectors. The demo's definitions and words are always there: the set `glosses`.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from promising import changes, filters, ranking
from promising.cells import Cell, from_json, line, summary, to_json
from promising.data import DataSet, data_sets
from promising.oracle import walk
from promising.table import Basis, Conn, Known, calibrate, make, measure, truth_of

import mrl_pg
from mrl_pg import MatryoshkaIndex, server

KS = (1, 10, 100)
TARGETS = (0.9, 0.95, 0.99, 0.999)
WALKED = 250
"""Queries that the oracle is found with."""

MEASURES = ("promises", "filters", "changes", "ranking")


def queries_of(k: int) -> int:
    """How many queries are measured: a single answer says little."""
    return {1: 1500, 10: 500}.get(k, 300)


def main() -> None:
    """Print a line for each promise, and a summary by standing."""
    args = arguments()
    cells: dict[str, list[Cell]] = {name: [] for name in MEASURES}
    if args.again:
        for path in args.again:
            for text in path.read_text().splitlines():
                name, cell = from_json(text)
                cells[name].append(cell)
    else:
        for name, cell in measured(args):
            cells[name].append(cell)
            print(line(cell), flush=True)
            if args.cells:
                with args.cells.open("a") as sink:
                    sink.write(to_json(name, cell) + "\n")
    for name, some in cells.items():
        if some:
            print(f"\n{name}", *summary(some), sep="\n")


def measured(args: argparse.Namespace) -> Iterator[tuple[str, Cell]]:
    """Each cell, and what it is measured for. Prints lines of the ranking."""
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        if "ranking" in args.measure:
            for text in ranking.rankings(conn, args.ranked, args.targets):
                print(text, flush=True)
        for data in data_sets(args.data, args.sets, args.rows):
            common = (data, args.k, args.targets, args.basis, args.sample)
            if "promises" in args.measure:
                for cell in promises(conn, args.kinds, args.quantile, *common):
                    yield "promises", cell
            if "filters" in args.measure:
                for cell in filters.promises(conn, *common):
                    yield "filters", cell
            if "changes" in args.measure:
                for cell in changes.promises(running.url(), *common):
                    yield "changes", cell


def comma(text: str) -> list[str]:
    """The words of `a,b`."""
    return text.split(",")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of sets")
    parser.add_argument("--sets", type=comma, default=[], help="only these: a,b")
    parser.add_argument(
        "--measure", choices=MEASURES, nargs="+", default=["promises"], metavar="WHAT"
    )
    parser.add_argument(
        "--basis", choices=("rows", "distances", "queries"), default="rows"
    )
    parser.add_argument("--kinds", type=comma, default=["halfvec", "bit"])
    parser.add_argument(
        "--k", type=lambda text: [int(k) for k in text.split(",")], default=KS
    )
    parser.add_argument(
        "--targets",
        type=lambda text: [float(target) for target in text.split(",")],
        default=TARGETS,
    )
    parser.add_argument(
        "--quantile",
        type=float,
        help="ask that so large a share of single queries find each recall (promises)",
    )
    parser.add_argument("--rows", type=int, default=20_000, help="of each set, at most")
    parser.add_argument("--ranked", type=int, default=120_000, help="rows for ranking")
    parser.add_argument(
        "--sample", type=int, help="calibrate on so many queries, not the default"
    )
    parser.add_argument(
        "--cells", type=Path, help="append each cell to this file, as a line of JSON"
    )
    parser.add_argument(
        "--again", type=Path, nargs="+", help="only summarise the cells of these files"
    )
    return parser.parse_args()


def promises(
    conn: Conn,
    kinds: list[str],
    quantile: float | None,
    data: DataSet,
    ks: list[int],
    targets: list[float],
    basis: Basis,
    sample: int | None,
) -> Iterator[Cell]:
    """The promises for every k and target on one data set."""
    most = max(queries_of(k) for k in ks)
    asked, spare = data.queries[:most], data.queries[most:]
    for kind, dims in data.shorts:
        if kind not in kinds:
            continue
        index = MatryoshkaIndex("promised", "embedding", dims=dims, kind=kind)
        conn.execute("drop table if exists promised cascade")
        make(conn, "promised", data.rows, index)
        truth = truth_of(conn, index, asked)
        for k in ks:
            calibrate(conn, index, k, basis, spare, sample=sample)
            count = min(queries_of(k), len(asked))
            few = min(count, WALKED)
            walks = walk(conn, index, asked[:few], truth.near(k, few), k)
            known: Known = {}
            for target in targets:
                yield measure(
                    conn,
                    index,
                    truth,
                    data=data.name,
                    case=f"{kind}({dims})",
                    k=k,
                    target=target,
                    count=count,
                    known=known,
                    walks=walks,
                    quantile=quantile,
                )


if __name__ == "__main__":
    main()
