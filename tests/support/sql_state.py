"""What a function of mrl changes or reports: settings, catalog, errors, notices."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from support.databases import Conn
from support.sql_calls import one

SETTINGS = (
    "hnsw.ef_search",
    "hnsw.iterative_scan",
    "hnsw.max_scan_tuples",
    "hnsw.scan_mem_multiplier",
)
COLUMNS = (
    "select attname, attnum, format_type(atttypid, atttypmod), attstorage,"
    " attgenerated, pg_get_expr(adbin, adrelid), attnotnull, attisdropped"
    " from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum"
    " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by 1"
)
INDEXES = (
    "select pg_get_indexdef(indexrelid), indisvalid, indisready from pg_index"
    " where indrelid = %s::regclass order by 1"
)
REGISTRY = (
    "select table_id, full_column, short_column, index_name, dims, kind, distance"
    " from mrl.registry where table_id = %s::regclass order by 4"
)


def current(conn: Conn) -> list[str | None]:
    """The four settings that a search needs, as they are now."""
    return [one(conn, "select current_setting(%s, true)", name) for name in SETTINGS]


def change(conn: Conn, values: Sequence[str], *, local: bool = True) -> None:
    """Change settings of the session or of the transaction."""
    for name, value in zip(SETTINGS, values, strict=True):
        conn.execute("select set_config(%s, %s, %s)", [name, value, local])


@contextmanager
def refused(kind: type[errors.Error], message: str, hint: str = "") -> Iterator[None]:
    """Check that the block is refused with this SQLSTATE, message and hint."""
    with pytest.raises(kind) as caught:
        yield
    diag = caught.value.diag
    assert message in (diag.message_primary or "")
    assert hint in (diag.message_hint or "")


@contextmanager
def notices(conn: Conn) -> Iterator[list[str]]:
    """Messages that the server sends in the block, with their severity."""
    told: list[str] = []

    def hear(diag: psycopg.errors.Diagnostic) -> None:
        told.append(f"{diag.severity}: {diag.message_primary}")

    conn.add_notice_handler(hear)
    try:
        yield told
    finally:
        conn.remove_notice_handler(hear)


def catalog(conn: Conn, table: str = "docs", *, numbers: bool = False) -> list[Any]:
    """Columns, indexes and registry rows of a table."""
    columns, *rest = [
        conn.execute(query.encode(), [table]).fetchall()
        for query in (COLUMNS, INDEXES, REGISTRY)
    ]
    return [[row if numbers else (row[0], *row[2:]) for row in columns], *rest]
