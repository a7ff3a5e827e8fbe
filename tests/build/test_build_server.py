"""Builds and the server: workers, settings, partitions, warnings, names, twins."""

import asyncio
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.errors import Diagnostic

from mrl_pg import (
    BuildReport,
    InvalidSetting,
    MatryoshkaIndex,
    NoPrimaryKey,
    NotAVectorColumn,
    NotUnitLengthWarning,
    PgvectorWarning,
    SameShortValuesWarning,
    TableNotFound,
)
from mrl_pg.kinds import Distance

Conn = psycopg.Connection[Any]
WORKERS, MEMORY = "max_parallel_maintenance_workers", "maintenance_work_mem"


def fill(
    conn: Conn, rows: int, dims: int = 8, length: float = 1, *, one_sign: bool = False
) -> None:
    vectors = np.random.default_rng(3).standard_normal((rows, dims))
    if one_sign:
        vectors = np.abs(vectors)
    vectors *= length / np.linalg.norm(vectors, axis=1, keepdims=True)
    with conn.cursor().copy("copy docs (id, embedding) from stdin") as copy:
        for i, vector in enumerate(vectors.astype(np.float32).tolist()):
            copy.write_row([i, str(vector)])


@pytest.fixture
def docs(conn: Conn) -> Iterator[Conn]:
    """An empty table with a column of 8 dimensions."""
    conn.execute("create table docs (id int primary key, embedding vector(8))")
    yield conn


def show(conn: Conn, name: str) -> str:
    value: str = conn.execute("select current_setting(%s)", [name]).fetchall()[0][0]
    return value


@pytest.mark.parametrize(("workers", "used"), [(None, 2), (1, 1), (0, 0)])
def test_a_large_table_is_built_in_parallel(
    docs: Conn, workers: int | None, used: int
) -> None:
    fill(docs, 300)
    docs.execute("set min_parallel_table_scan_size = 0")
    docs.execute("set max_parallel_maintenance_workers = 2")
    docs.execute("set client_min_messages = debug1")
    notices: list[str] = []

    def note(diagnostic: Diagnostic) -> None:
        notices.append(diagnostic.message_primary or "")

    docs.add_notice_handler(note)
    report = MatryoshkaIndex("docs", "embedding", dims=4).create(docs, workers=workers)
    found = re.findall(r"using (\d+) parallel workers", "\n".join(notices))
    assert found == ([str(used)] if used else [])
    assert report.rows == 300


def test_settings_are_back_afterwards(docs: Conn) -> None:
    fill(docs, 10)
    index = MatryoshkaIndex("docs", "embedding", dims=4)
    docs.execute("set maintenance_work_mem = '7MB'")
    workers = show(docs, WORKERS)
    index.create(docs, workers=3, maintenance_work_mem="9MB")
    assert (show(docs, MEMORY), show(docs, WORKERS)) == ("7MB", workers)
    index.drop(docs)
    with docs.transaction():
        docs.execute("set local maintenance_work_mem = '8MB'")
        index.create(docs, workers=3, maintenance_work_mem="9MB")
        assert (show(docs, MEMORY), show(docs, WORKERS)) == ("8MB", workers)
    assert (show(docs, MEMORY), show(docs, WORKERS)) == ("7MB", workers)


def test_settings_are_in_force_during_the_build(docs: Conn) -> None:
    docs.execute("create table seen (name text, value text)")
    docs.execute(
        "create function note() returns event_trigger language plpgsql as "
        "$$ begin insert into seen select name, setting from pg_settings where name in "
        "('maintenance_work_mem', 'max_parallel_maintenance_workers'); end $$"
    )
    docs.execute(
        "create event trigger note on ddl_command_end when tag in ('CREATE INDEX') "
        "execute function note()"
    )
    index = MatryoshkaIndex("docs", "embedding", dims=4)
    index.create(docs, workers=3, maintenance_work_mem="9MB")
    seen = docs.execute("select name, value from seen order by name").fetchall()
    assert seen == [(MEMORY, "9216"), (WORKERS, "3")]


@pytest.mark.parametrize("distance", ["l2", "ip"])
def test_rows_that_are_not_unit_length_are_warned_of(
    docs: Conn, distance: Distance
) -> None:
    fill(docs, 20, length=2)
    index = MatryoshkaIndex("docs", "embedding", dims=4, distance=distance)
    with pytest.warns(NotUnitLengthWarning, match="20 of the first 20 vectors are not"):
        index.create(docs)


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_signs_that_are_all_the_same_are_warned_of(
    docs: Conn, distance: Distance
) -> None:
    fill(docs, 40, one_sign=True)
    index = MatryoshkaIndex("docs", "embedding", dims=8, kind="bit", distance=distance)
    with pytest.warns(
        SameShortValuesWarning, match=r"40 vectors have 1 short .* signs"
    ):
        index.create(docs)
    # nothing to say of halves
    MatryoshkaIndex("docs", "embedding", dims=4, distance=distance).create(docs)


def test_too_few_dimensions_are_warned_of(docs: Conn) -> None:
    fill(docs, 40)
    index = MatryoshkaIndex("docs", "embedding", dims=2, kind="bit")
    with pytest.warns(
        SameShortValuesWarning, match="4 short .* dims=2 leaves too little"
    ):
        index.create(docs)


@pytest.mark.parametrize(
    ("distance", "length"), [("cosine", 2), ("l2", 1), ("ip", 1.005)]
)
def test_no_warning_without_reason(
    docs: Conn, distance: Distance, length: float
) -> None:
    fill(docs, 20, length=length)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PgvectorWarning)
        MatryoshkaIndex("docs", "embedding", dims=4, distance=distance).create(docs)


def test_a_partitioned_table(conn: Conn) -> None:
    conn.execute(
        "create table docs (id int, embedding vector(8), primary key (id)) "
        "partition by range (id)"
    )
    conn.execute("create table docs_a partition of docs for values from (0) to (50)")
    conn.execute("create table docs_b partition of docs for values from (50) to (100)")
    fill(conn, 100)
    index = MatryoshkaIndex("docs", "embedding", dims=4)
    report = index.create(conn)
    assert report.rows == 100
    parts = conn.execute(
        "select sum(pg_relation_size(indexrelid)) from pg_index "
        "join pg_class on pg_class.oid = indexrelid "
        "where relam = (select oid from pg_am where amname = 'hnsw') and relkind = 'i'"
    )
    assert report.index_bytes == parts.fetchall()[0][0] > 0
    assert not index.create(conn).changed
    row = conn.execute("select usable, index_bytes, estimated_rows from mrl.indexes")
    assert row.fetchall() == [(True, report.index_bytes, None)]
    conn.execute("create table docs_c partition of docs for values from (100) to (150)")
    assert len(index.search(conn, np.ones(8), k=10)) == 10
    index.drop(conn)
    left = conn.execute("select from pg_attribute where attname = %s", [index.short])
    assert left.fetchall() == []


@pytest.mark.parametrize(
    "table", ["Docs", 'a "quoted" table', "ééé", "select", "d" * 63]
)
def test_any_name_can_be_built_and_dropped(conn: Conn, table: str) -> None:
    schema, column = f"{table[:50]} s", f"{table[:50]} c"
    names = {"schema": schema, "table": table, "column": column}
    conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    conn.execute(
        sql.SQL(
            "create table {schema}.{table} ({column} vector(8), id int primary key)"
        ).format(**{what: sql.Identifier(name) for what, name in names.items()})
    )
    index = MatryoshkaIndex(table, column, dims=4, schema=schema)
    assert index.create(conn).changed
    assert not index.create(conn).changed
    shown = conn.execute("select full_column::text, usable from mrl.indexes")
    assert shown.fetchall() == [(column, True)]
    assert index.drop(conn).changed
    assert not index.drop(conn).changed


@pytest.mark.parametrize(
    ("setup", "error", "message"),
    [
        ("select", TableNotFound, "'docs' does not exist or is not on the search path"),
        ("create view docs as select 1 as id", TableNotFound, "'docs' is a view"),
        ("create table docs (embedding vector(8))", NoPrimaryKey, "no primary key"),
        (
            "create table docs (id int primary key, embedding vector)",
            NotAVectorColumn,
            "declares no dimensions",
        ),
        (
            "create table docs (id int primary key, embedding text)",
            NotAVectorColumn,
            "'docs.embedding' is of type text",
        ),
        (
            "create table docs (id int primary key, embedding vector(3))",
            InvalidSetting,
            "dims=4 is above the 3 dimensions of 'docs.embedding'",
        ),
    ],
)
def test_refused_before_anything_is_changed(
    conn: Conn, setup: str, error: type[Exception], message: str
) -> None:
    conn.execute(setup.encode())
    index = MatryoshkaIndex("docs", "embedding", dims=4)
    for act in (index.create, index.drop):
        with pytest.raises(error, match=message):
            act(conn)
    made = conn.execute("select from pg_attribute where attname = %s", [index.short])
    assert made.fetchall() == []


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_twins_do_the_same(docs: Conn, database: str, twin: str) -> None:
    fill(docs, 50)
    index = MatryoshkaIndex("docs", "embedding", dims=4)

    async def wait() -> list[BuildReport]:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            made = [await index.create_async(conn, workers=1) for _ in range(2)]
            return made + [await index.drop_async(conn) for _ in range(2)]

    if twin == "async":
        reports = asyncio.run(wait())
    else:
        reports = [index.create(docs, workers=1) for _ in range(2)]
        reports += [index.drop(docs) for _ in range(2)]
    assert [[label for label, _ in report.done] for report in reports] == [
        [f"added column {index.short}", f"built index {index.name}"],
        [],
        [f"dropped index {index.name}", f"dropped column {index.short}"],
        [],
    ]
    assert [report.rows for report in reports] == [50, 50, 0, 0]
    assert reports[0].index_bytes == reports[1].index_bytes > 0
