"""Helpers for tests of loading: a database for a module, and reads of a table."""

from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from mrl_pg.errors import InvalidFile
from mrl_pg.load import load
from support.databases import Conn


def types(conn: Conn, table: str = "docs") -> dict[str, str]:
    """Declared types of a table's columns, by name."""
    rows = conn.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 order by attnum",
        [table],
    )
    return dict(rows.fetchall())


def texts(conn: Conn, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of `docs` as PostgreSQL writes them, in the order of loading."""
    names = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns
    )
    query = sql.SQL("select {} from docs order by ctid").format(names)
    return conn.execute(query).fetchall()


def empty(conn: Conn) -> None:
    """Drop the tables that an earlier test loaded."""
    conn.execute("drop table if exists docs; drop type if exists mood; reset role")


def refused(conn: Conn, path: Path, **options: Any) -> str:
    """Why a file is refused; checks that the table did not change."""
    before = conn.execute("select to_regclass('docs')").fetchone()
    with pytest.raises(InvalidFile) as caught:
        load(conn, path, "docs", **options)
    said = str(caught.value)
    assert path.name in said
    assert "Traceback" not in said
    assert conn.execute("select to_regclass('docs')").fetchone() == before
    if before != (None,):
        assert conn.execute("select count(*) from docs").fetchone() == (0,)
    return said
