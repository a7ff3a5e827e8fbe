"""The kinds of short columns are a table in Python and a table in SQL, which agree."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import psycopg
import pytest
from psycopg import sql

from mrl_pg.kinds import KINDS, OPERATORS, Distance, Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import default_candidates
from mrl_pg.search.options import MAX_ROWS

Conn = psycopg.Connection[Any]
ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder, pattern in (("mrl_pg", "*.py"), ("sql", "*.sql"))
    for path in sorted((ROOT / folder).rglob(pattern))
]
DECIDES = {
    ".py": re.compile(r"""\bkind (==|!=|in) \(?"(bit|halfvec|vector)\""""),
    ".sql": re.compile(
        r"kind\)? (=|<>|operator\(pg_catalog\.(=|<>)\)) '(bit|halfvec|vector)'"
        r"|case .*kind.* when '(bit|halfvec|vector)'"
    ),
}
"""Code that tells kinds apart by their names."""

OTHERS = {
    # here `kind` is the type of a query in binary
    "mrl_pg/vectors.py",
    # a table that is created before the functions
    "sql/tables/registry.sql",
}


def test_both_tables_say_the_same(conn: Conn) -> None:
    row = conn.execute("select mrl._kinds()").fetchone()
    assert row == ({kind: asdict(facts) for kind, facts in KINDS.items()},)


def test_every_kind_and_distance_is_there(conn: Conn) -> None:
    assert tuple(KINDS) == get_args(Kind)
    assert tuple(OPERATORS) == get_args(Distance)
    for distance, operator in OPERATORS.items():
        row = conn.execute("select mrl._operator(%s)", [distance]).fetchone()
        assert row == (operator,)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("distance", get_args(Distance))
def test_what_is_derived_is_the_same(
    conn: Conn, kind: Kind, distance: Distance
) -> None:
    layout = IndexLayout("docs", "embedding", dims=8, kind=kind, distance=distance)
    row = conn.execute(
        "select mrl._operator_class(%s, %s), mrl._short_operator(%s, %s),"
        " mrl._short_type(%s, 8, 'public.')",
        [kind, distance, kind, layout.operator, kind],
    ).fetchone()
    home = "public." if KINDS[kind].of_pgvector else ""
    assert row == (layout.operator_class, layout.short_operator, f"{home}{kind}(8)")
    made = sql.SQL("select null::{}").format(sql.SQL(row[2]))
    assert conn.execute(made).fetchone() == (None,)


@pytest.mark.parametrize("k", [1, 20, 21, 100, 2147483647])
def test_candidates_that_nobody_names_are_the_same(conn: Conn, k: int) -> None:
    row = conn.execute("select mrl._default_candidates(%s)", [k]).fetchone()
    assert row is not None
    assert min(row[0], MAX_ROWS) == default_candidates(k)


def test_nothing_else_tells_kinds_apart() -> None:
    """A new kind is a row in both tables, a template and measured costs."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for line in path.read_text().splitlines()
        if DECIDES[path.suffix].search(line)
    }
    assert found == OTHERS
