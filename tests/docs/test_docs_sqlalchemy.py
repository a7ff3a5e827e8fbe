"""docs/sqlalchemy.md runs as written, outputs as shown."""

import pytest
from support.pages import ROOT, blocks, psycopg_url, run_python

PAGE = ROOT / "docs/sqlalchemy.md"


def test_the_page_runs_as_written(
    bare_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a database without anything, block by block."""
    page = blocks(PAGE)
    assert {block.language for block in page} == {"python"}
    scope = {"URL": psycopg_url(bare_database), "__name__": "notes"}
    assert run_python(page, scope, capsys) > 8
