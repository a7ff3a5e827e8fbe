"""Both sides tell the same columns apart: ours, and all others."""

from itertools import product
from typing import Any

import pytest
from psycopg import sql
from support.databases import Conn
from support.versions import one_version

from mrl_pg import MatryoshkaIndex
from mrl_pg.catalog.facts import function_of
from mrl_pg.catalog.slots import is_short_column

NAMES = (
    "embedding",
    "Full vectors",
    'a"b',
    "100%_a",
    "back\\slash",
    "ümlaut",
    "a, 1, 4",
)
GENERATED = (
    "select format_type(a.atttypid, a.atttypmod) as type, "
    "pg_get_expr(d.adbin, d.adrelid) as expression from pg_attribute as a "
    "join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum "
    "where a.attrelid = 'public.docs'::regclass and a.attname = %s"
)


@one_version
@pytest.mark.parametrize("name", NAMES)
def test_sql_and_python_know_the_same_columns(conn: Conn, name: str) -> None:
    made: list[MatryoshkaIndex] = []
    conn.execute(
        sql.SQL(
            "create table docs (id int primary key, {} vector(8), other vector(8))"
        ).format(sql.Identifier(name))
    )
    kinds: tuple[Any, ...] = ("vector", "halfvec", "bit")
    for kind, dims, column in product(kinds, (4, 5), (name, "other")):
        made.append(MatryoshkaIndex("docs", column, dims=dims, kind=kind))
        made[-1].create(conn)
    # types and functions are called with their schema, as functions of mrl see them
    conn.execute("set search_path to pg_catalog")
    for there, wanted in product(made, made):
        type_, expression = conn.execute(GENERATED, [there.short]).fetchall()[0]
        by_sql = conn.execute(
            "select mrl._is_short_column(%s, %s, %s, %s, %s)",
            [expression, type_, wanted.column, wanted.dims, wanted.kind],
        ).fetchall()
        by_python = conn.execute(
            sql.SQL("select {}").format(
                is_short_column(
                    sql.Literal(expression),
                    sql.Literal(function_of(wanted)),
                    sql.Literal(wanted.column),
                    sql.Literal(wanted.dims),
                )
            )
        ).fetchall()
        # the kind of a float vector is its type, which Python looks at by itself
        same_type = there.kind == wanted.kind and there.dims == wanted.dims
        assert by_sql == [(there == wanted,)]
        assert [(by_python[0][0] and same_type,)] == by_sql
