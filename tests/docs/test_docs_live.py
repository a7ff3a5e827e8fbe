"""docs/live.md: its examples run as written, and the table is not rewritten."""

import re
import shlex
import subprocess
from typing import Any

import psycopg
import pytest
from support.command import mrl_pg
from support.pages import ROOT, blocks, run_python
from support.plans import explain, force_index, indexes
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, server
from mrl_pg.kinds import Kind

ROWS = matryoshka(60, dims=512)
QUERY = matryoshka(1, dims=512, seed=2)[0]


@pytest.fixture
def docs(conn: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A table with rows and a vector index, as the page supposes."""
    conn.execute("create table docs (id int primary key, embedding vector(512))")
    with conn.cursor().copy("copy docs (id, embedding) from stdin") as copy:
        for key, row in enumerate(ROWS.tolist(), 1):
            copy.write_row([key, str(row)])
    conn.execute("create index on docs using hnsw (embedding vector_cosine_ops)")
    return conn


def test_the_page_runs_as_written(
    docs: psycopg.Connection[Any],
    database: str,
    pg_version: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = blocks(ROOT / "docs/live.md")
    commands, python, statements = (
        [block for block in page if block.language == language]
        for language in ("sh", "python", "sql")
    )
    for command in commands:
        _, *arguments = shlex.split(command.text)
        done = mrl_pg(*arguments, "--dsn", database)
        assert done.returncode == 0, done.stderr
        shown = re.escape((command.shown or "").strip()).replace("…", ".+")
        assert re.fullmatch(shown, done.stdout.strip())
    scope: dict[str, Any] = {
        "conn": docs,
        "query": QUERY,
        "MatryoshkaIndex": MatryoshkaIndex,
        "MatryoshkaColumn": MatryoshkaColumn,
    }
    run_python(python[:1], scope, capsys)
    assert "public.docs_embedding_idx" in scope["report"].why
    run_python(python[1:], scope, capsys)
    assert scope["report"].kept_as == "trigger"
    subprocess.run(
        [server.bin_dir(pg_version) / "psql", "-X", "-v", "ON_ERROR_STOP=1", database],
        input="\n".join(block.text for block in statements),
        text=True,
        check=True,
        capture_output=True,
    )
    kept = docs.execute("select dims, kept_as, usable from mrl.indexes order by dims")
    assert kept.fetchall() == [
        (64, "trigger", True),
        *((dims, "expression", True) for dims in (128, 384)),
        (512, "trigger", True),
    ]
    columns = docs.execute("select * from docs limit 0").description or []
    assert [column.name for column in columns] == (
        ["id", "embedding", "embedding_512_bit", "embedding_64_halfvec"]
    )
    (_, (trigger,)) = docs.execute(
        "select tgname from pg_trigger where tgrelid = 'docs'::regclass order by 1"
    )
    assert f"`{trigger}`" in (ROOT / "docs/live.md").read_text()
    force_index(docs)
    assert MatryoshkaColumn("docs", "embedding").index(docs).dims == 384
    for dims in (64, 128, 384, 512):
        kind: Kind = "halfvec" if dims == 64 else "bit"
        index = MatryoshkaIndex("docs", "embedding", dims=dims, kind=kind)
        found = index.search(docs, QUERY, k=5, candidates=200)
        assert found.keys == nearest(ROWS, QUERY, 5)
        plan = index.plan(docs, QUERY, k=5, candidates=200)
        assert indexes(explain(docs, plan)) == [index.name]
