"""The commands that `tune` prints: each interface takes them, whatever names are."""

import ast
import shlex
from typing import Any

import pytest
import typer
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from sqlalchemy import Integer, select
from sqlalchemy.orm import DeclarativeBase, mapped_column
from support.databases import Conn
from support.table_facts import TABLE
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.arguments import split_table
from mrl_pg.cli.app import app
from mrl_pg.sqlalchemy import Matryoshka, search
from mrl_pg.tune.advice.commands import Commands, QueryOrigin, commands
from mrl_pg.tune.rows import table as tables

NASTY = [
    "embedding",
    "order",
    "class",
    "my col",
    "it's",
    'a "b"',
    "a.b",
    "1st",
    "--dims",
    "-d",
    "metadata",
    "__name__",
    "$(rm x)",
    "a\nb",
    "\ufb01eld",
    "größe",
    "%s{}",
    "\\",
    "🙂",
]


def printed(name: str) -> Commands:
    index = MatryoshkaIndex(
        name, name, dims=256, kind="bit", distance="l2", m=32, schema=name
    )
    return commands(index, TABLE, 10, 0.95, QueryOrigin(file=name))


@pytest.mark.parametrize("name", NASTY)
def test_any_name_is_printed_so_that_it_can_be_run(name: str) -> None:
    text = printed(name)
    # the model that is printed maps the column, and the search runs up to its SQL
    scope: dict[str, Any] = {"VECTOR": VECTOR, "Matryoshka": Matryoshka}
    scope |= {"mapped_column": mapped_column, "select": select, "search": search}
    declared, *_, searched = text.sqlalchemy.splitlines()
    attribute = ast.parse(declared).body[0].targets[0].id  # type: ignore[attr-defined]

    class Base(DeclarativeBase):
        pass

    body: dict[str, Any] = {"__tablename__": "docs"}
    body["key"] = mapped_column(Integer, primary_key=True)
    exec(declared, scope, body)
    scope["Doc"] = type("Doc", (Base,), body)
    assert scope["Doc"].__mapper__.columns[attribute].name == name
    scope["query"] = [0.0] * 1536
    assert str(eval(searched, scope))

    # the values in Python
    line, *_ = text.python.splitlines()
    exec(line, {"MatryoshkaIndex": MatryoshkaIndex}, body)
    index = body["index"]
    assert (index.schema, index.table, index.column) == (name, name, name)

    # the words of a shell, as the command line reads them
    verbs = typer.main.get_command(app)
    for verb in ("create", "calibrate", "search"):
        start = text.shell.index(f"mrl-pg {verb}")
        end = text.shell.find("\nmrl-pg ", start + 1)
        words = shlex.split(text.shell[start : None if end < 0 else end])
        command = verbs.commands[verb]  # type: ignore[attr-defined]
        read = command.make_context(verb, words[2:]).params
        assert split_table(read["table"]) == (name, name)
        assert (read["column"], read["dims"], read["kind"]) == (name, 256, "bit")
        assert read["distance"] == "l2"
        if verb == "calibrate":
            assert f"{read['queries']}" == name
        if verb == "search":
            assert read["recall"] == 0.95


def test_the_sql_of_awkward_names_runs(conn: Conn) -> None:
    names = sql.Identifier("it's my", 'Docs.v2 "%s"'), sql.Identifier("a {} 'col'")
    vectors = matryoshka(200)
    make_table(conn, vectors)
    for step in (
        sql.SQL("create schema {}").format(sql.Identifier("it's my")),
        sql.SQL("create table {} as select id, embedding as {} from docs").format(
            *names
        ),
        sql.SQL("alter table {} add primary key (id)").format(names[0]),
        sql.SQL("analyze {}").format(names[0]),
    ):
        conn.execute(step)
    index = MatryoshkaIndex(
        'Docs.v2 "%s"', "a {} 'col'", dims=16, distance="l2", schema="it's my"
    )
    _, known = tables.read(conn, index)
    rows = QueryOrigin(select='select "a {} \'col\'" from "it\'s my"."Docs.v2 ""%s"""')
    create, calibrate, search, _ = commands(index, known, 5, 0.9, rows).sql.split(";")
    conn.execute(create)
    measured = conn.execute(calibrate.encode()).fetchall()
    assert measured
    query = sql.Literal(str(vectors[3].tolist())).as_string(None)
    found = conn.execute(search.replace("$1", query)).fetchall()
    hits = index.search(conn, vectors[3], k=5, recall=0.9)
    assert hits.promise is not None
    assert hits.promise.candidates == hits.candidates
    assert [row[0] for row in found] == [hit.key for hit in hits]
    assert found[0][0] == 4
