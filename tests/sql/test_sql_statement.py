"""mrl.search_sql: a plain SELECT that keeps its index however it is prepared."""

from typing import Any

import pytest
from psycopg import errors
from support.databases import connect
from support.plans import explain, first_pass, force_index, nodes
from support.sql_calls import assert_exact, one, share, text
from support.sql_plans import ordered, prepared, run, scanning, tree
from support.sql_state import refused
from support.tables import Docs, docs_fixture
from support.vectors import nearest

MODES = ["auto", "force_custom_plan", "force_generic_plan"]
PRINTED = "select mrl.search_sql('docs', 'embedding', k => %s, filter => %s)"


docs = docs_fixture(prepare=force_index)


def truth(docs: Docs, query: Any, below: int = 100) -> list[int]:
    """Keys of rows whose n is below, nearest first."""
    return [key for key in nearest(docs.vectors, query, 2000) if key % 100 < below]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("filter", [None, "n < $1", "n < $1 -- 100% of '$9'"])
def test_a_printed_search_keeps_its_index(
    docs: Docs, mode: str, filter: str | None
) -> None:
    statement: str = one(docs.conn, PRINTED, 10, filter)
    types = ["vector"] if filter is None else ["int", "vector"]
    with connect(docs.url) as conn:
        force_index(conn)
        conn.execute("select set_config('plan_cache_mode', %s, false)", [mode])
        conn.execute(f"prepare kept ({', '.join(types)}) as {statement}".encode())
        for place in range(8):
            query = docs.vectors[place] * 0.7 + docs.vectors[place + 1] * 0.3
            below = 100 if filter is None else 20 + 10 * place
            values = (
                f"'{text(query)}'" if filter is None else f"{below}, '{text(query)}'"
            )
            with scanning(conn, docs.index.name):
                rows = conn.execute(f"execute kept ({values})".encode()).fetchall()
            wanted = truth(docs, query, below)
            assert_exact(rows, docs.vectors, query)
            assert share([row[0] for row in rows], wanted[:10]) >= 0.9
        plan = f"explain (costs off, format json) execute kept ({values})"
        root = conn.execute(plan.encode()).fetchall()[0][0][0]["Plan"]
        # below the one-time filter that sets what the scan needs
        assert first_pass(root) == [docs.index.name]
        kept = conn.execute(
            "select generic_plans, custom_plans from pg_prepared_statements"
        )
        generic, custom = kept.fetchall()[-1]
        assert (generic == 0) == (mode == "force_custom_plan"), custom
        assert (custom == 0) == (mode == "force_generic_plan"), generic


def test_a_printed_search_is_the_one_of_python(docs: Docs) -> None:
    for k, where in ((10, None), (25, None), (10, "n < 50")):
        statement = one(docs.conn, PRINTED, k, where)
        for query in docs.vectors[:3]:
            rows = run(docs.conn, statement, ["vector"], [text(query)])
            found = docs.index.search(docs.conn, query, k=k, filter=where)
            assert rows == [(hit.key, hit.distance) for hit in found]
            assert (
                share([row[0] for row in rows], nearest(docs.vectors, query, k)) > 0.4
            )
        root = prepared(docs.conn, statement, ["vector"], [text(docs.vectors[0])])
        plan = docs.index.plan(docs.conn, docs.vectors[0], k=k, filter=where)
        theirs = explain(docs.conn, plan)
        assert first_pass(root) == first_pass(theirs) == [docs.index.name]
        # around it, rows are fetched by where they are
        inner, fetch = next(
            node["Plans"]
            for node, _ in nodes(root)
            if node["Node Type"] == "Nested Loop"
            and node["Plans"][1]["Node Type"] == "Tid Scan"
        )
        parts = core(theirs)
        # Python's says beside it what it stands on: one look at the catalog
        stamp = parts.index(["Result", "", ["Index Scan", "pg_index_indexrelid_index"]])
        assert core(inner) == parts[:stamp] + parts[stamp + 1 :]
        assert fetch["TID Cond"].startswith("(ctid = ")


def core(root: dict[str, Any]) -> list[Any]:
    """A plan without the scans that look up what a pass counted."""
    return [part for part in tree(root) if part != ["CTE Scan", ""]]


def test_columns_chosen_and_quoted(docs: Docs) -> None:
    call = "select mrl.search_sql('docs', 'embedding', k => 2, columns => %s::name[])"
    statement = one(docs.conn, call, ["title", "n", "title"])
    rows = run(docs.conn, statement, ["vector"], [text(docs.vectors[8])])
    assert rows[0] == ("title 9", 9, "title 9", pytest.approx(0, abs=1e-6))
    root = prepared(docs.conn, statement, ["vector"], [text(docs.vectors[8])])
    assert ordered(root) == [docs.index.name]
    statement = one(docs.conn, call, ['id"; drop table docs; --'])
    with refused(errors.UndefinedColumn, "does not exist"):
        run(docs.conn, statement, ["vector"], [text(docs.vectors[8])])
