"""The commands of docs/load.md run as they are written."""

import json
import shlex
from pathlib import Path

import pyarrow as arrow
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
    table_of_vectors = arrow.table({"id": [1, 2], "embedding": MATRIX.tolist()})
    parquet.write_table(table_of_vectors, folder / "vectors.parquet")
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
    assert len(lines) == 10
    for line in lines:
        program, *words = shlex.split(line)
        if updates := "--update" in words:
            conn.execute("create table docs (id int primary key)")
            conn.execute("insert into docs values (1), (2)")
        assert program == "mrl-pg"
        done = mrl_pg(*words, "--dsn", database, "--json")
        assert done.returncode == 0, (line, done.stderr)
        report = json.loads(done.stdout)
        assert report["updated"] == 2 if updates else report["created"], line
        conn.execute("drop table docs")


def test_every_format_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for suffix in (*FORMATS, *UNPACK):
        assert f"`{suffix}`" in text
