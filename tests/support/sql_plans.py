"""What a function of mrl runs, shown by plans and by the server's own counters."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import pq, sql

from support.databases import Conn
from support.plans import nodes
from support.sql_calls import text
from support.sql_state import SETTINGS

ASKED = [
    *("k", "candidates", "filter", "dims", "kind", "index_name", "ef_search"),
    *("max_scan_tuples", "rerank", "exact", "recall", "quantile", "tenant", "probes"),
]
PLAN = sql.SQL(
    "select plan.* from mrl._plan({form}, {queries}::vector[], jsonb_build_object("
    "'table_id', {table}::regclass::oid, 'key_type', {key}::regtype::oid,"
    " 'full_column', 'embedding', 'args', {args}::text[], 'attempt', {attempt}, {asked}"
    ")) as plan"
)


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
    """Plan of the statement that a search function runs, under its settings."""
    given = {"k": 10, "exact": False} | options
    asked = [
        part
        for name in ASKED
        for part in (sql.Literal(name), sql.Literal(given.get(name)))
    ]
    call = PLAN.format(
        form=sql.Literal(form),
        table=sql.Literal(table),
        key=sql.Literal(key),
        queries=sql.Literal([text(query) for query in queries]),
        args=sql.Literal(args),
        # after all tries that a recall asks for
        attempt=sql.Literal(9 if again else 1),
        asked=sql.SQL(", ").join(asked),
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
    """Check by the server's own counters that the block scans these indexes."""
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
