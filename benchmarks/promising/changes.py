"""Promises after the table or the index has changed in eight ways."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg

from mrl_pg import MatryoshkaIndex
from mrl_pg.load import load_blocks
from promising.cells import Cell
from promising.data import HELD_OUT, DataSet, Vectors
from promising.table import Basis, Conn, Known, calibrate, make, measure, truth_of

QUERIES = 300
STATISTICS_SECONDS = 1.5
"""The server counts changes with a delay of a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """Rows of the table at first, more of the same domain, and rows of another."""

    rows: Vectors
    more: Vectors
    others: Vectors


def doubled(conn: Conn, stock: Stock) -> None:
    """Insert as many rows of the same domain."""
    load_blocks(conn, stock.more, "changed")


def replaced(conn: Conn, stock: Stock) -> None:
    """Delete all rows and insert as many of another domain."""
    conn.execute("delete from changed")
    load_blocks(conn, stock.others, "changed")


def shifted(conn: Conn, stock: Stock) -> None:
    """Replace a third of the rows by rows of another domain."""
    third = len(stock.rows) // 3
    conn.execute("delete from changed where id % 3 = 0")
    load_blocks(conn, stock.others[:third], "changed")


def halved(conn: Conn, stock: Stock) -> None:
    """Delete every other row."""
    conn.execute("delete from changed where id % 2 = 0")


def updated(conn: Conn, stock: Stock) -> None:
    """Give half of the rows other vectors, of the same domain."""
    load_blocks(conn, stock.more, "update_source")
    conn.execute(
        "update changed set embedding = update_source.embedding from update_source "
        "where update_source.id = changed.id and changed.id % 2 = 0"
    )
    conn.execute("drop table update_source")


def truncated(conn: Conn, stock: Stock) -> None:
    """Truncate the table, and copy as many rows of another domain."""
    conn.execute("truncate changed")
    load_blocks(conn, stock.others, "changed")


def inserted(conn: Conn, stock: Stock) -> None:
    """Insert an eighth of the rows, from another domain."""
    load_blocks(conn, stock.others[: len(stock.rows) // 8], "changed")


def rebuilt(conn: Conn, stock: Stock) -> None:
    """Build the index again with a poorer graph."""
    (name,) = conn.execute(
        "select indexrelid::regclass::text from pg_index join pg_class "
        "on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam "
        "where indrelid = 'changed'::regclass and amname = 'hnsw'"
    ).fetchone() or ("",)
    conn.execute(f"alter index {name} set (m = 4, ef_construction = 8)")
    conn.execute(f"reindex index {name}")


CHANGES: tuple[Callable[[Conn, Stock], None], ...] = (
    doubled,
    replaced,
    shifted,
    halved,
    updated,
    truncated,
    inserted,
    rebuilt,
)


def promises(
    url: str,
    data: DataSet,
    ks: Sequence[int],
    targets: Sequence[float],
    basis: Basis,
    sample: int | None,
) -> Iterator[Cell]:
    """Cells after each change, before and after `analyze`, on new connections.

    The table has no autovacuum, so that the statistics change when we say so. Queries
    are those of the set, and those of the other domain.
    """
    if data.others is None:
        return
    most = min(len(data.rows) // 2, len(data.others) - HELD_OUT)
    stock = Stock(data.rows[:most], data.rows[most : 2 * most], data.others[:most])
    asked = {
        "": data.queries[:QUERIES],
        ", other queries": data.others[-HELD_OUT:],
    }
    spare = data.queries[QUERIES:]
    kind, dims = data.shorts[1]
    index = MatryoshkaIndex("changed", "embedding", dims=dims, kind=kind)
    for change in CHANGES:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("drop table if exists changed cascade")
            make(conn, "changed", stock.rows, index)
            conn.execute("alter table changed set (autovacuum_enabled = false)")
            for k in ks:
                calibrate(conn, index, k, basis, spare, sample=sample)
            change(conn, stock)
        time.sleep(STATISTICS_SECONDS)
        for analyzed in (False, True):
            with psycopg.connect(url, autocommit=True) as conn:
                if analyzed:
                    conn.execute("analyze changed")
                for name, queries in asked.items():
                    truth = truth_of(conn, index, np.asarray(queries))
                    for k in ks:
                        known: Known = {}
                        for target in targets:
                            yield measure(
                                conn,
                                index,
                                truth,
                                data=data.name,
                                case=change.__name__
                                + (" +analyze" if analyzed else "")
                                + name,
                                k=k,
                                target=target,
                                count=len(queries),
                                known=known,
                            )
