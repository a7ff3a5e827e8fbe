"""docs/troubleshooting.md and docs/production.md: commands and statements run."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import mrl_pg
from support.databases import Server, connect
from support.pages import ROOT, Block, blocks, run_python
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, server

ROWS = matryoshka(400, dims=64)
QUERY = matryoshka(1, dims=64, seed=2)[0]
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


@pytest.fixture
def docs(
    pg_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A table as the pages suppose, without an index; a query in the current folder."""
    monkeypatch.chdir(tmp_path)
    np.save("query.npy", QUERY)
    with pg_server.fresh() as url:
        with connect(url) as conn:
            make_table(conn, ROWS)
            conn.execute("alter table docs add lang text not null default 'fr'")
            conn.execute("analyze docs")
        yield url


def in_shell(page: list[Block], url: str) -> list[str]:
    """What the commands of a page print, each of which succeeds."""
    printed = []
    for block in page:
        for line in block.text.splitlines() if block.language == "sh" else ():
            program, *arguments = shlex.split(line)
            assert program == "mrl-pg"
            done = mrl_pg(*arguments, "--dsn", url)
            assert done.returncode == 0, (line, done.stderr)
            printed.append(done.stdout)
    return printed


def test_troubleshooting_shows_what_is_wrong(
    docs: str, pg_version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    page = blocks(ROOT / "docs/troubleshooting.md")
    with connect(docs) as conn:
        INDEX.create(conn)
        python = [block for block in page if block.language == "python"]
        scope: dict[str, Any] = {"index": INDEX, "conn": conn, "query": QUERY}
        assert len(python) == 1
        run_python(python, scope, capsys)
        assert not scope["result"].fallback
    printed = in_shell(page, docs)
    assert len(printed) == 7
    statements = "\n".join(block.text for block in page if block.language == "sql")
    done = subprocess.run(
        [server.bin_dir(pg_version) / "psql", "-X", "-v", "ON_ERROR_STOP=1", docs],
        input="set enable_seqscan = off; set enable_sort = off;\n" + statements,
        text=True,
        check=True,
        capture_output=True,
    )
    # the plan that the page tells to look at
    assert f"Index Scan using {INDEX.name}" in done.stdout
    assert "uncalibrated" in done.stdout
    assert "docs_embedding_16_halfvec" in done.stdout


def test_the_checklist_runs_from_top_to_bottom(docs: str) -> None:
    page = blocks(ROOT / "docs/production.md")
    printed = in_shell(page, docs)
    assert len(printed) == 11
    with connect(docs) as conn:
        sizes = conn.execute("select dims, in_use from mrl.indexes order by dims")
        assert sizes.fetchall() == [(16, False), (32, True)]
        kept = conn.execute("select count(*) from mrl.measurements").fetchone()
        assert kept == (1,)
