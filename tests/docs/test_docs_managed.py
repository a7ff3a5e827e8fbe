"""docs/managed.md: its SQL runs for an ordinary role, with pgvector in `extensions`."""

from psycopg import sql
from support.command import mrl_pg
from support.databases import connect, role
from support.pages import ROOT, blocks
from support.plans import explain, force_index, indexes
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex

PAGE = ROOT / "docs/managed.md"


def test_an_ordinary_role_installs_creates_and_serves(bare_database: str) -> None:
    """As on Supabase: no superuser, pgvector elsewhere, a role `anon` that searches."""
    rows = matryoshka(60, dims=64)
    query = matryoshka(1, dims=64, seed=2)[0]
    with connect(bare_database) as admin:
        admin.execute("create schema extensions")
        admin.execute("create extension vector schema extensions")
        owner = role(admin, bare_database, "application")
        anon = role(admin, bare_database, "anon")
        admin.execute("grant usage on schema extensions to public")
        admin.execute("grant create, usage on schema public to application")
        (name,) = admin.execute("select current_database()").fetchone() or ("",)
        grant = sql.SQL("grant create on database {} to application")
        admin.execute(grant.format(sql.Identifier(name)))
        path = sql.SQL("alter database {} set search_path to public, extensions")
        admin.execute(path.format(sql.Identifier(name)))

    check, serve = (block.text for block in blocks(PAGE) if block.language == "sql")
    (command,) = (block.text for block in blocks(PAGE) if block.language == "sh")
    assert command.strip() == "mrl-pg install"
    done = mrl_pg("install", "--dsn", owner)
    assert done.returncode == 0, done.stderr

    with connect(owner) as conn:
        values = [
            conn.execute(statement.encode()).fetchall()
            for statement in check.split(";\n")
            if statement.strip()
        ]
        assert len(values) == 5
        assert values[1]
        assert values[3] == [(True,)]
        assert len(values[4]) == 4
        conn.execute(
            "create table docs (id int primary key, lang text, embedding vector(64))"
        )
        with conn.cursor().copy("copy docs from stdin") as copy:
            for key, row in enumerate(rows.tolist(), 1):
                copy.write_row([key, "fr", str(row)])
        index = MatryoshkaIndex("docs", "embedding", dims=32)
        index.create(conn)
        force_index(conn)
        plan = index.plan(conn, query, k=5)
        assert indexes(explain(conn, plan)) == [index.name]
        for statement in serve.split(";\n"):
            if statement.strip():
                conn.execute(statement.encode())

    found = "select id from search_docs(lang => 'fr', query => %s::vector, k => 5)"
    with connect(anon) as conn:
        answers = conn.execute(found, [str(query.tolist())]).fetchall()
    assert [key for (key,) in answers] == nearest(rows, query, 5)
