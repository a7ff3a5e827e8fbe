"""Indexes that SQL does not make or drop: why, and nothing is changed."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn, Server
from support.plans import force_index
from support.sql_calls import create, named, one
from support.sql_plans import ordered, planned
from support.sql_state import catalog, current, refused
from support.tables import Docs, fresh_docs

Bad = errors.InvalidParameterValue

LAYOUTS: list[tuple[str, dict[str, Any], type[errors.Error], str]] = [
    ("plain", {"dims": 0}, Bad, "dims 0 is outside 1 to 4000"),
    ("plain", {"dims": None}, Bad, "dims NULL is outside"),
    ("plain", {"dims": 65}, Bad, "dims 65 is above the 64 dimensions of public.plain"),
    ("plain", {"kind": "bits"}, Bad, "kind 'bits' is unknown: choose vector, halfvec"),
    ("plain", {"kind": None}, Bad, "kind NULL is unknown"),
    ("plain", {"distance": "hamming"}, Bad, "distance 'hamming' is unknown: choose"),
    ("plain", {"distance": None}, Bad, "distance NULL is unknown"),
    ("plain", {"m": 1}, Bad, "m 1 is outside 2 to 100"),
    ("plain", {"m": 101}, Bad, "m 101 is outside 2 to 100"),
    ("plain", {"ef_construction": 3}, Bad, "ef_construction 3 is outside 4 to 1000"),
    ("plain", {"ef_construction": 1001}, Bad, "ef_construction 1001 is outside"),
    ("plain", {"m": 33}, Bad, "ef_construction 64 is below twice m 33"),
    ("plain", {"short_column": "embedding"}, Bad, "is the full column itself"),
    ("plain", {"short_column": "n"}, errors.DuplicateColumn, "n is not the halfvec(8)"),
    ("plain", {"index_name": "plain_pkey"}, errors.DuplicateObject, "is something"),
    ("plain", {"index_name": "seen"}, errors.DuplicateObject, "seen exists and is"),
    ("keyless", {}, errors.UndefinedObject, "table public.keyless has no primary key"),
    ("docs", {"dims": 32, "m": 8}, errors.DuplicateObject, "exists and is something"),
    (
        "docs",
        {"dims": 32, "distance": "l2", "index_name": "docs_pkey"},
        errors.DuplicateObject,
        "docs_pkey exists and is something else",
    ),
]


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=300) as docs:
        force_index(docs.conn)
        docs.conn.execute(
            "create table plain (id int primary key, embedding vector(64), n int);"
            "create table keyless (embedding vector(64));"
            "create view seen as select * from docs"
        )
        yield docs


@pytest.fixture(autouse=True)
def unchanged(docs: Docs) -> Iterator[None]:
    """Whatever is refused, tables, registry and settings stay as they were."""
    before = [catalog(docs.conn, table) for table in ("docs", "plain", "keyless")]
    settings = current(docs.conn)
    yield
    after = [catalog(docs.conn, table) for table in ("docs", "plain", "keyless")]
    assert after == before
    assert current(docs.conn) == settings
    assert ordered(planned(docs.conn, "rows", [docs.vectors[0]])) == [docs.index.name]


@pytest.mark.parametrize(("table", "options", "kind", "message"), LAYOUTS)
def test_layouts(
    docs: Docs,
    table: str,
    options: dict[str, Any],
    kind: type[errors.Error],
    message: str,
) -> None:
    options = {"dims": 8} | options
    with refused(kind, message):
        create(docs.conn, table, **options)
    call = sql.SQL("select mrl.create_index_sql({}, 'embedding'{})")
    with refused(kind, message):
        docs.conn.execute(call.format(sql.Literal(table), named(options)))


def test_drops_of_what_is_not_there(docs: Docs) -> None:
    before = one(docs.conn, "select count(*) from mrl.indexes")
    for options in ("dims => 8", "kind => 'bit'", "index_name => 'x'"):
        call = f"select mrl.drop_index('docs', 'embedding', {options})"
        assert one(docs.conn, call) is None
    assert one(docs.conn, "select mrl.drop_index('plain', 'embedding')") is None
    assert one(docs.conn, "select count(*) from mrl.indexes") == before


def reads(conn: Conn, table: str) -> int:
    """Rows of a table."""
    count: int = one(conn, f"select count(*) from {table}")
    return count


def test_a_column_that_a_view_reads_is_not_dropped(docs: Docs) -> None:
    docs.conn.execute("create view short as select embedding_32_halfvec from docs")
    with refused(errors.DependentObjectsStillExist, "cannot drop column"):
        one(docs.conn, "select mrl.drop_index('docs', 'embedding')")
    assert reads(docs.conn, "short") == 300
    docs.conn.execute("drop view short")
