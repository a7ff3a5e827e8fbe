"""squawk, a linter of migrations, has nothing against the statements that build."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.scratch import Project, docs
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.sqlalchemy import Matryoshka

Conn = psycopg.Connection[Any]

FITTING = {
    "prefer-robust-stmts": "only missing steps are returned; `if not exists` would "
    "take an invalid index for a complete one",
    "require-lock-timeout": "`create` sets it for each statement; see docs/live.md",
    "require-statement-timeout": "a build takes as long as it takes",
}
"""Rules that no statement has to keep, and why."""

OF_COLUMN = {
    "adding-field-with-default": "the cost of a generated column",
}
OF_PARENT = {
    "require-concurrent-index-creation": "`on only` a partitioned table builds nothing",
}


def complaints(statements: list[str], *excused: dict[str, str]) -> list[str]:
    rules = [rule for rules in (FITTING, *excused) for rule in rules]
    done = subprocess.run(
        [
            Path(sys.executable).with_name("squawk"),
            *("--reporter", "json", "--pg-version", "15.0"),
            *("--exclude", ",".join(rules)),
        ],
        input=";\n".join(statements) + ";\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return [found["rule_name"] for found in json.loads(done.stdout)]


def steps(conn: Conn, **options: Any) -> list[str]:
    given = "".join(f", {name} => %({name})s" for name in options)
    call = f"select mrl.create_index_sql('docs', 'embedding', dims => 32{given})"
    return [statement for (statement,) in conn.execute(call.encode(), options)]


def test_it_complains_of_what_locks(conn: Conn) -> None:
    make_table(conn, matryoshka(20))
    assert "require-concurrent-index-creation" in complaints(
        steps(conn, keep="expression", concurrent=False)
    )
    assert "adding-field-with-default" in complaints(steps(conn))


@pytest.mark.parametrize("kind", ["bit", "halfvec", "vector"])
def test_an_expression_index_on_a_table_in_use(conn: Conn, kind: str) -> None:
    make_table(conn, matryoshka(20))
    assert complaints(steps(conn, keep="expression", kind=kind)) == []


def test_a_generated_column(conn: Conn) -> None:
    make_table(conn, matryoshka(20))
    assert complaints(steps(conn, keep="generated"), OF_COLUMN) == []


def test_partitions(conn: Conn) -> None:
    conn.execute(
        "create table docs (id int primary key, embedding vector(64))"
        " partition by hash (id);"
        "create table docs_0 partition of docs for values with"
        " (modulus 1, remainder 0);"
    )
    statements = steps(conn, keep="expression")
    assert any("attach" in statement for statement in statements)
    assert complaints(statements, OF_PARENT) == []


@pytest.mark.parametrize("keep", ["trigger", "expression"])
def test_from_one_way_to_another(conn: Conn, keep: str) -> None:
    make_table(conn, matryoshka(20))
    other = {"trigger": "expression", "expression": "trigger"}[keep]
    for statement in steps(conn, keep=other):
        conn.execute(statement.encode())
    rows = conn.execute("select mrl.keep_as_sql('docs', 'embedding', %s)", [keep])
    statements = [statement for (statement,) in rows]
    assert len(statements) > 4
    assert complaints(statements) == []


@pytest.mark.parametrize("keep", ["trigger", "expression"])
def test_what_repairs(conn: Conn, keep: Any) -> None:
    make_table(conn, matryoshka(20))
    index = MatryoshkaIndex("docs", "embedding", dims=32, keep=keep)
    index.create(conn)
    conn.execute(f"drop index {index.name}".encode())
    if keep == "trigger":
        conn.execute(f"alter table docs disable trigger {index.trigger}".encode())
    statements = []
    while rows := conn.execute("select mrl.repair_sql('docs')").fetchall():
        for (statement,) in rows:
            conn.execute(statement.encode())
            statements.append(statement)
    assert any(text.startswith("create index concurrently") for text in statements)
    assert complaints(statements) == []


@pytest.mark.parametrize("keep", ["trigger", "expression"])
def test_what_alembic_writes(database: str, tmp_path: Path, keep: Any) -> None:
    """Another size beside the first, and then the first dropped; up and down."""
    project = Project(tmp_path, database, options={"mrl_concurrently": True})
    project.step(docs(Matryoshka(4, keep=keep)))
    for _ in range(2):
        project.step(docs(Matryoshka(2, keep=keep)))
    for text in (project.text("r1:r3"), project.text("r3:r1", down=True)):
        assert "create index concurrently" in text
        assert complaints([text]) == []
