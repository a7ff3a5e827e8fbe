"""The commands of docs/load.md run as they are written."""

import json
import shlex
from pathlib import Path

import pytest
from pyarrow import csv, parquet
from support.command import mrl_pg
from support.databases import Conn
from support.load_files import BASE64, BATCHES, CSV, MATRIX, WIDE, archive, json_lines
from support.pages import blocks

from mrl_pg.load.readers import FORMATS
from mrl_pg.load.text_files import UNPACK

PAGE = Path(__file__).parents[2] / "docs" / "load.md"


def write_files(folder: Path) -> None:
    """The files that the page loads."""
    (folder / "titles.csv").write_text("id,title,meta_a,vector\n1,t,2,x\n")
    table = csv.read_csv(folder / "titles.csv").drop_columns("vector")
    table = table.append_column("embedding", [MATRIX[:1].tolist()])
    parquet.write_table(table, folder / "articles.parquet")
    archived = archive(embeddings=MATRIX, queries=MATRIX)
    (folder / "several.npz").write_bytes(archived)
    (folder / "batch.jsonl").write_text(BATCHES)
    (folder / "wide.csv").write_text(WIDE)
    encoded = json_lines(*({"embedding": text} for text in BASE64))
    (folder / "base64.jsonl").write_text(encoded)
    (folder / "semicolons.csv").write_text(CSV.replace(",", ";", 1).replace(',"', ';"'))
    (folder / "numbers.csv").write_text("1,2,3\n4,5,6\n")


def test_every_command_runs(
    database: str, conn: Conn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = [
        line
        for block in blocks(PAGE)
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    assert len(lines) == 9
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "mrl-pg"
        done = mrl_pg(*words, "--dsn", database, "--json")
        assert done.returncode == 0, (line, done.stderr)
        assert json.loads(done.stdout)["created"], line
        conn.execute("drop table docs")


def test_every_format_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for suffix in (*FORMATS, *UNPACK):
        assert f"`{suffix}`" in text
