"""Compare searches by SQLAlchemy with the same statements sent by psycopg.

    python benchmarks/sqlalchemy_search.py                     # random clustered rows
    python benchmarks/sqlalchemy_search.py --vectors embeddings.npy

By hand means psycopg with the text that SQLAlchemy sent and the query in binary. All
ways take turns on one connection, query by query, in random order. Each figure is a
median of differences between a way and the search by hand, for the same query in the
same turn. CPU time is that of this process, because other work of the machine hardly
changes it.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Connection, Engine, bindparam, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import mrl_pg
from mrl_pg import server
from mrl_pg.load import load_blocks
from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, register, search

DIMS = 1536


class Base(DeclarativeBase):
    """Models of this benchmark."""


class Doc(Base):
    """A row of the table; its vector stays in the database."""

    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Any] = mapped_column(
        VECTOR(DIMS), Matryoshka(DIMS, kind="bit"), deferred=True
    )


def main() -> None:
    """Print the cost of each way, without and with a recall."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=f".npy of shape (rows, {DIMS})")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if args.vectors:
        matrix = np.load(args.vectors, mmap_mode="r")
        rows = np.asarray(matrix[: args.rows], dtype=np.float32)
        queries = np.asarray(matrix[-args.queries :], dtype=np.float32)
    else:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(500, DIMS))
        pick = rng.integers(len(centres), size=args.rows + args.queries)
        noise = 0.7 * rng.normal(size=(len(pick), DIMS))
        made = (centres[pick] + noise).astype(np.float32)
        rows, queries = made[: args.rows], made[args.rows :]
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
    ):
        engine = create_engine(
            running.url().replace("postgresql:", "postgresql+psycopg:", 1),
            isolation_level="AUTOCOMMIT",
        )
        register(engine)
        with engine.connect() as connection:
            psycopg: Any = connection.connection.driver_connection
            mrl_pg.install(psycopg)
            load_blocks(psycopg, rows, "docs", storage="plain")
            indexes_of(Doc)[0].create(psycopg)
            psycopg.execute("vacuum (analyze) docs")
            compare(engine, connection, psycopg, queries, args.rounds)
        engine.dispose()


def compare(
    engine: Engine, connection: Connection, psycopg: Any, queries: Any, rounds: int
) -> None:
    """Time all ways on every query, and check that they return the same rows."""
    session = Session(connection)
    ways: dict[str, Callable[[int], Any]] = {}
    # without a calibration, a recall of .9 takes the default candidates
    for suffix, options in (("", {}), (", recall", {"recall": 0.9})):
        by_hand(ways, f"by hand{suffix}", engine, connection, psycopg, queries, options)
        by_sqlalchemy(ways, suffix, session, queries, options)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for i in range(len(queries)):
        answers = {repr(run(i)) for run in ways.values()}
        if len(answers) != 1:
            raise SystemExit(f"they do not answer the same: {answers}")
    order = list(ways)
    for _ in range(rounds):
        for i in range(len(queries)):
            random.shuffle(order)
            for name in order:
                start = time.perf_counter(), time.thread_time()
                ways[name](i)
                end = time.perf_counter(), time.thread_time()
                seconds[name].append((end[0] - start[0], end[1] - start[1]))
    for name, took in seconds.items():
        other = "by hand, recall" if "recall" in name else "by hand"
        other = "by hand" if name == "by hand, recall" else other
        pairs = list(zip(took, seconds[other], strict=True))
        ratio = statistics.median(one[0] / two[0] for one, two in pairs)
        whole, cpu = (
            statistics.median(1000 * (one[clock] - two[clock]) for one, two in pairs)
            for clock in (0, 1)
        )
        took_ms = 1000 * statistics.median(one for one, _ in took)
        print(
            f"{name}: {took_ms:.3f} ms; against {other} "
            f"{whole:+.3f} ms, {cpu:+.3f} ms of CPU, ratio {ratio:.3f}"
        )


def by_hand(
    ways: dict[str, Callable[[int], Any]],
    name: str,
    engine: Engine,
    connection: Connection,
    psycopg: Any,
    queries: Any,
    options: dict[str, Any],
) -> None:
    """Add psycopg with the text and values that SQLAlchemy sends for a search."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def hear(conn: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        sent.append((statement, dict(values)))

    event.listen(engine, "before_cursor_execute", hear)
    bound = []
    for query in queries:
        connection.execute(
            search(select(Doc.id, distance), Doc.embedding, query, **options)
        )
        bound.append(sent[-1])
    event.remove(engine, "before_cursor_execute", hear)
    cursor = psycopg.cursor()

    def run(i: int) -> list[tuple[Any, ...]]:
        cursor.execute(*bound[i])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    ways[name] = run


def by_sqlalchemy(
    ways: dict[str, Callable[[int], Any]],
    suffix: str,
    session: Session,
    queries: Any,
    options: dict[str, Any],
) -> None:
    """Add a search built for each query, and a search built once for all queries."""
    once = search(
        select(Doc.id, distance), Doc.embedding, bindparam("query"), **options
    )

    def each(i: int) -> list[tuple[Any, ...]]:
        made = search(select(Doc.id, distance), Doc.embedding, queries[i], **options)
        return [tuple(row) for row in session.execute(made)]

    def made_once(i: int) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in session.execute(once, {"query": queries[i]})]

    ways[f"a Select each time{suffix}"] = each
    ways[f"a Select made once{suffix}"] = made_once


if __name__ == "__main__":
    main()
