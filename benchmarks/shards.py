"""Recall of a search whose candidates come from 8 shards, a part from each.

    python benchmarks/shards.py
    python benchmarks/shards.py --vectors embeddings.npy --rows 100000 --dims 256

It needs no Citus. Partitions of one table stand in for shards: PostgreSQL merges their
rows in order, as Citus merges those of its shards, and each partition has an index of
its own. A catalog like that of Citus has mrl_pg send the search that it sends to Citus.
Without --vectors the rows are definitions of WordNet.

Each line has the recall at k = 10 of a plain table, of rows on shards by keys, and
of rows on the shard of the nearest of 8 centres, so that near rows are on one shard.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import MatryoshkaIndex, server
from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel

SHARDS = 8
CANDIDATES = (40, 80, 160, 320, 640)

CATALOG = """
set allow_system_table_mods = on;
create table pg_catalog.pg_dist_partition (
    logicalrelid regclass, partmethod "char", partkey text
);
create table pg_catalog.pg_dist_shard (logicalrelid regclass, shardid bigint);
reset allow_system_table_mods;
"""

Conn = psycopg.Connection[Any]
Vectors = NDArray[np.float32]


def main() -> None:
    """Print a line for each number of candidates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of full vectors")
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--dims", type=int, default=64, help="of the short column")
    parser.add_argument("--queries", type=int, default=200)
    args = parser.parse_args()
    if args.vectors:
        vectors = np.load(args.vectors, mmap_mode="r")[: args.rows + args.queries]
    else:
        texts = [gloss.text for gloss in glosses(args.rows + args.queries)]
        vectors = StaticModel.load().embed(texts)
    unit = mrl_pg.normalise(np.asarray(vectors, dtype=np.float32)).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(unit))
    rows, queries = np.split(unit[order], [len(unit) - args.queries])
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        conn.execute(CATALOG)
        conn.execute("set maintenance_work_mem = '512MB'")
        measure(conn, rows, queries, args.dims)


def measure(conn: Conn, rows: Vectors, queries: Vectors, dims: int) -> None:
    """Make the three tables, search each, and print the shares that were found."""
    random = np.random.default_rng(1)
    centres = rows[random.choice(len(rows), SHARDS, replace=False)]
    for _ in range(10):
        nearest = (rows @ centres.T).argmax(axis=1)
        means = [rows[nearest == number].mean(axis=0) for number in range(SHARDS)]
        centres = mrl_pg.normalise(np.array(means))
    largest = np.bincount(nearest).max() / len(rows)
    indexes = {
        "plain": make(conn, "plain", rows, nearest, dims),
        "by key": make(conn, "by_key", rows, nearest, dims, "hash (id)"),
        "by group": make(conn, "by_group", rows, nearest, dims, "list (part)"),
    }
    truth = [set(np.argsort(-(rows @ query))[:10].tolist()) for query in queries]
    print(f"{len(rows)} rows, {len(queries)} queries, {SHARDS} shards, k = 10;")
    print(f"by group the largest shard has {largest:.0%} of the rows")
    print("candidates", *(f"{name:>18}" for name in indexes))
    for candidates in CANDIDATES:
        cells = []
        for index in indexes.values():
            found = index.search_many(conn, queries, candidates=candidates)
            keys = [[np.ravel(key)[-1] for key in one.keys] for one in found]
            pairs = zip(keys, truth, strict=True)
            hits = sum(len(true & set(own)) for own, true in pairs)
            share = hits / (10 * len(queries))
            cells.append(f"{share:.3f} (each {found[0].ef_search})")
        print(f"{candidates:>10}", *(f"{cell:>18}" for cell in cells), flush=True)


def make(
    conn: Conn,
    table: str,
    rows: Vectors,
    parts: NDArray[np.int64],
    dims: int,
    by: str = "",
) -> MatryoshkaIndex:
    """A table with an index; its partitions are called shards in the catalog."""
    key = "id" if "part" not in by else "part, id"
    conn.execute(
        f"create table {table} (part int, id int, embedding vector({rows.shape[1]}),"
        f" primary key ({key})) {f'partition by {by}' if by else ''}"
    )
    for number in range(SHARDS if by else 0):
        values = f"with (modulus {SHARDS}, remainder {number})"
        conn.execute(
            f"create table {table}_{number} partition of {table} for values "
            + (values if "hash" in by else f"in ({number})")
        )
    with conn.cursor() as cursor, cursor.copy(f"copy {table} from stdin") as copy:
        for number, (part, row) in enumerate(zip(parts, rows, strict=True)):
            copy.write_row((part, number, str(row.tolist())))
    index = MatryoshkaIndex(table, "embedding", dims=dims, keep="expression")
    index.create(conn)
    conn.execute(f"analyze {table}")
    if by:
        column = 1 if "part" in by else 2
        conn.execute(
            f"insert into pg_dist_partition values ('{table}', 'h',"
            f" '{{VAR :varno 1 :varattno {column} }}');"
            f"insert into pg_dist_shard select '{table}', number"
            f" from generate_series(1, {SHARDS}) as number"
        )
    return index


if __name__ == "__main__":
    main()
