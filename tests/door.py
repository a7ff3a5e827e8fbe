"""What tests of the SQL door share: calls by name, plans of what they run, proofs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest
from helpers import TOLERANCE, Conn, Vectors, distances, force_index, make_table, nodes
from numpy.typing import NDArray
from psycopg import errors, pq, sql

from mrl_pg.layout import Distance

Hits = list[tuple[Any, float]]

SETTINGS = (
    "hnsw.ef_search",
    "hnsw.iterative_scan",
    "hnsw.max_scan_tuples",
    "hnsw.scan_mem_multiplier",
)
TYPES = {
    "args": "text[]",
    "passes": "text[]",
    "columns": "name[]",
    "parameters": "text[]",
    "queries": "vector[]",
}
ASKED = [
    *("k", "candidates", "filter", "dims", "kind", "index_name", "ef_search"),
    *("max_scan_tuples", "passes", "exact"),
]
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
    "select table_id, full_column, short_column, index_name, dims, kind, distance,"
    " slots, pattern from mrl.registry where table_id = %s::regclass order by 4"
)
PLAN = sql.SQL(
    "select plan.* from mrl._plan({form}, {table}::regclass, {key}::regtype,"
    " 'embedding', {queries}::vector[], {k}, {candidates}, {filter}, {arguments},"
    " {dims}, {kind}, {index_name}, {ef_search}, {max_scan_tuples},"
    " {passes}::text[], {exact}, {again}) as plan"
)


def text(vector: Sequence[float] | NDArray[Any]) -> str:
    """A vector as pgvector reads it."""
    return str(np.asarray(vector).tolist())


def named(options: dict[str, Any]) -> sql.Composed:
    """`, k => 10, filter => 'n < 5'` of a call."""
    return sql.SQL("").join(
        sql.SQL(", {} => {}{}").format(
            sql.Identifier(name),
            sql.Literal(value),
            sql.SQL("::" + TYPES[name] if name in TYPES else ""),
        )
        for name, value in options.items()
    )


def one(conn: Conn, query: str, *values: Any) -> Any:
    """The one value of a statement's one row."""
    ((value,),) = conn.execute(query.encode(), values or None).fetchall()
    return value


def create(conn: Conn, table: str = "docs", dims: int = 32, **options: Any) -> str:
    """An index by `mrl.create_index`; its name."""
    call = sql.SQL("select mrl.create_index({}, 'embedding', {}{})").format(
        sql.Literal(table), sql.Literal(dims), named(options)
    )
    name: str = conn.execute(call).fetchall()[0][0]
    return name


def stock(
    conn: Conn, vectors: Vectors, *, full_type: str = "vector", **options: Any
) -> str:
    """A table `docs` with an index that the planner cannot get around; its name."""
    make_table(conn, vectors, full_type=full_type, analyze=False)
    name = create(conn, **options)
    conn.execute("analyze docs")
    force_index(conn)
    return name


def ids(
    conn: Conn, query: Any, *, table: str = "docs", key: str = "id", **options: Any
) -> list[Any]:
    """Keys of the rows that `mrl.search` answers."""
    call = sql.SQL("select {} from mrl.search(null::{}, 'embedding', {}{})").format(
        sql.Identifier(key), sql.SQL(table), sql.Literal(text(query)), named(options)
    )
    return [row[0] for row in conn.execute(call)]


def keys(
    conn: Conn, query: Any, *, table: str = "docs", key: str = "bigint", **options: Any
) -> Hits:
    """Answers of `mrl.search_keys`."""
    call = sql.SQL(
        "select key, distance from mrl.search_keys(null::{}, {}, 'embedding', {}{})"
    ).format(sql.SQL(key), sql.Literal(table), sql.Literal(text(query)), named(options))
    return conn.execute(call).fetchall()


def many(
    conn: Conn, queries: Sequence[Any], *, table: str = "docs", **options: Any
) -> list[Hits]:
    """Answers of `mrl.search_many`, a list for each query."""
    call = sql.SQL(
        "select query, (hit).id, distance"
        " from mrl.search_many(null::{}, 'embedding', {}::vector[]{})"
    ).format(
        sql.SQL(table), sql.Literal([text(query) for query in queries]), named(options)
    )
    answers: list[Hits] = [[] for _ in queries]
    for number, key, distance in conn.execute(call):
        answers[number - 1].append((key, distance))
    return answers


def assert_exact(
    hits: Hits,
    vectors: Vectors,
    query: Any,
    distance: Distance = "cosine",
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Keys are rows from 1; distances the true ones, nearest first, no key twice."""
    far = distances(vectors, query, distance)
    given = [distance for _, distance in hits]
    assert np.allclose(given, [far[key - 1] for key, _ in hits], atol=tolerance)
    assert given == sorted(given)
    assert len({key for key, _ in hits}) == len(hits)


def share(found: Sequence[Any], truth: Sequence[Any]) -> float:
    """Share of the true keys among those found."""
    return len(set(found) & set(truth)) / len(truth)


# ------------------------------------------------------------------ plans


def ordered(root: dict[str, Any]) -> list[str]:
    """Indexes that a plan scans in order of distance."""
    return [
        node["Index Name"]
        for node, _ in nodes(root)
        if node["Node Type"] == "Index Scan" and "Order By" in node
    ]


def tree(root: dict[str, Any]) -> list[Any]:
    """Node types and index names of a plan, nested as they are."""
    below = [tree(child) for child in root.get("Plans", ())]
    return [root["Node Type"], root.get("Index Name", ""), *below]


def planned(
    conn: Conn,
    form: str,
    queries: Sequence[Any],
    *,
    table: str = "docs",
    key: str = "bigint",
    args: Sequence[str] | None = None,
    again: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Plan of the statement that a function of the door runs, under its settings."""
    given = {"k": 10, "exact": False} | options
    slots = {name: sql.Literal(given.get(name)) for name in ASKED}
    call = PLAN.format(
        form=sql.Literal(form),
        table=sql.Literal(table),
        key=sql.Literal(key),
        queries=sql.Literal([text(query) for query in queries]),
        arguments=sql.Literal(None if args is None else len(args)),
        again=sql.Literal(again),
        **slots,
    )
    statement, settings, *_ = conn.execute(call).fetchall()[0]
    types = [*["text"] * 16, "vector"]
    values: list[Any] = [
        *(args or ()),
        *[None] * (16 - len(args or ())),
        text(queries[0]),
    ]
    if form == "batch":
        types[16:] = ["vector[]", "int[]"]
        values[16:] = [text(query) for query in queries], [*range(len(queries))]
    with conn.transaction(force_rollback=True):
        for name, value in zip(SETTINGS, settings or (), strict=False):
            conn.execute("select set_config(%s, %s, true)", [name, value])
        return prepared(conn, statement, types, values)


def prepared(
    conn: Conn, statement: str, types: Sequence[str], values: Sequence[Any]
) -> dict[str, Any]:
    """Plan of a statement with $1, $2 …, prepared as any client does."""
    explain = "explain (costs off, format json) "
    root: dict[str, Any] = run(conn, statement, types, values, explain)[0][0][0]["Plan"]
    return root


def run(
    conn: Conn,
    statement: str,
    types: Sequence[str],
    values: Sequence[Any],
    before: str = "",
) -> list[Any]:
    """Rows of a statement with $1, $2 …, prepared as any client does."""
    conn.execute(f"prepare asked ({', '.join(types)}) as {statement}".encode())
    call = sql.SQL("{}execute asked ({})").format(
        sql.SQL(before),
        sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(of_type))
            for value, of_type in zip(values, types, strict=True)
        ),
    )
    try:
        return conn.execute(call).fetchall()
    finally:
        if conn.info.transaction_status != pq.TransactionStatus.INERROR:
            conn.execute("deallocate asked")


@contextmanager
def scanning(conn: Conn, *indexes: str) -> Iterator[None]:
    """What runs inside scans these indexes, by the server's own counters."""
    before = _scans(conn, indexes)
    yield
    after = _scans(conn, indexes)
    assert all(now > then for then, now in zip(before, after, strict=True))


def _scans(conn: Conn, indexes: Sequence[str]) -> list[int]:
    conn.execute("select pg_stat_force_next_flush()")
    call = (
        "select coalesce((select sum(pg_stat_get_numscans(part.relid))::int"
        " from pg_partition_tree(%s::regclass) as part where part.isleaf),"
        " pg_stat_get_numscans(%s::regclass))"
    )
    counts = []
    for index in indexes:
        name = sql.Identifier(index).as_string(conn)
        counts.append(conn.execute(call, [name, name]).fetchall()[0][0])
    return counts


# ------------------------------------------------------------------ state


def current(conn: Conn) -> list[str | None]:
    """The four settings that a search needs, as they are now."""
    return [one(conn, "select current_setting(%s, true)", name) for name in SETTINGS]


def change(conn: Conn, values: Sequence[str], *, local: bool = True) -> None:
    """Settings of the session, or of the transaction."""
    for name, value in zip(SETTINGS, values, strict=True):
        conn.execute("select set_config(%s, %s, %s)", [name, value, local])


@contextmanager
def refused(kind: type[errors.Error], message: str, hint: str = "") -> Iterator[None]:
    """What runs inside is refused with this SQLSTATE, message and hint."""
    with pytest.raises(kind) as caught:
        yield
    diag = caught.value.diag
    assert message in (diag.message_primary or "")
    assert hint in (diag.message_hint or "")


@contextmanager
def notices(conn: Conn) -> Iterator[list[str]]:
    """Messages that the server sends meanwhile, with their severity."""
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
