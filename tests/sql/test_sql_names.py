"""Names of tables, columns and indexes of every sort, in SQL as in Python."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from support.databases import Conn
from support.sql_calls import one
from support.sql_state import catalog
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import IndexLayout

VECTORS = matryoshka(50)
ROUND = "é" * 20
NAMES = ["Docs", 'a"b', "50%s", "{table}", "$1$$", "it's", "x" * 63, ROUND + "x" * 23]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_sort(conn: Conn, name: str) -> None:
    table = sql.Identifier(name).as_string(conn)
    make_table(conn, VECTORS, table=name)
    rename = sql.SQL("alter table {} rename embedding to {}")
    conn.execute(rename.format(sql.SQL(table), sql.Identifier(name)))
    layout = {"short_column": None, "index_name": None}
    index = MatryoshkaIndex(name, name, dims=24)
    index.create(conn)
    wanted = catalog(conn, table)
    index.drop(conn)
    call = "select mrl.create_index(%s, %s, 24, short_column => %s, index_name => %s)"
    assert one(conn, call, table, name, *layout.values()) == index.name
    assert catalog(conn, table) == wanted
    one(conn, "select mrl.drop_index(%s, %s)", table, name)
    given = MatryoshkaIndex(name, name, dims=24, short=f"s{name}"[:40], name="i%{}$")
    given.create(conn)
    wanted = catalog(conn, table)
    given.drop(conn)
    assert one(conn, call, table, name, given.short, given.name) == given.name
    assert catalog(conn, table) == wanted


@settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_derived_names_are_those_of_python(conn: Conn, data: st.DataObject) -> None:
    alphabet = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    names = st.text(alphabet, min_size=1, max_size=63)
    table, column = data.draw(names), data.draw(names)
    kind: Any = data.draw(st.sampled_from(["vector", "halfvec", "bit"]))
    distance: Any = data.draw(st.sampled_from(["cosine", "l2", "ip"]))
    dims = data.draw(st.integers(1, 2000))
    try:
        layout = IndexLayout(table, column, dims=dims, kind=kind, distance=distance)
    except InvalidSetting:
        return
    call = "select short_column, index_name from mrl._names(%s, %s, %s, %s, %s)"
    (derived,) = conn.execute(call.encode(), [table, column, dims, kind, distance])
    assert derived == (layout.short, layout.name)
