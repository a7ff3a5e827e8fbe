"""The server's plans of a search, read as a tree; settings that force the index."""

from collections.abc import Iterator
from typing import Any

from mrl_pg.exchange import Find, cursors
from mrl_pg.search.plan import SearchPlan
from support.databases import Conn


def explain(conn: Conn, plan: SearchPlan) -> dict[str, Any]:
    """The server's plan of a search, as the root of a tree."""
    with cursors.searching(conn) as cursor:
        cursor.execute(
            b"explain (costs off, format json) " + plan.statement, plan.params
        )
        root: dict[str, Any] = cursor.fetchall()[0][0][0]["Plan"]
    return root


def explain_sent(conn: Conn, request: Find) -> dict[str, Any]:
    """The server's plan of a search that was sent, as the root of a tree."""
    with cursors.searching(conn) as cursor:
        cursor.execute(
            b"explain (costs off, format json) " + request.statement, request.params
        )
        root: dict[str, Any] = cursor.fetchall()[0][0][0]["Plan"]
    return root


def nodes(
    root: dict[str, Any], *, filtered: bool = False
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Nodes of a plan, and whether a one-time filter stands above each."""
    yield root, filtered
    below = filtered or "One-Time Filter" in root
    for child in root.get("Plans", ()):
        yield from nodes(child, filtered=below)


def first_pass(root: dict[str, Any]) -> list[str]:
    """Indexes scanned in order below a one-time filter that sets the settings."""
    return [
        node["Index Name"]
        for node, filtered in nodes(root)
        if filtered and node["Node Type"] == "Index Scan" and "Order By" in node
    ]


def indexes(root: dict[str, Any]) -> list[str]:
    """Every index that the plan touches, but those of the catalog and of mrl_pg."""
    names = [node["Index Name"] for node, _ in nodes(root) if "Index Name" in node]
    return [name for name in names if not name.startswith(("pg_", "_"))]


def force_index(conn: Conn) -> None:
    """For this session, leave the planner no cheap plan without the index."""
    conn.execute("set enable_seqscan = off")
    conn.execute("set enable_bitmapscan = off")
    conn.execute("set enable_sort = off")
