"""`mrl-pg rotate` and `mrl-pg load --rotation`: to a rotated column and back."""

import json
from pathlib import Path

import numpy as np
from support.command import mrl_pg
from support.databases import Conn
from support.rotations import orthogonal
from support.sql_calls import one
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn
from mrl_pg.rotation import Rotation

ROWS = (matryoshka(300) @ orthogonal(64, seed=7).T).astype(np.float32)


def test_a_column_in_use(conn: Conn, database: str, tmp_path: Path) -> None:
    make_table(conn, ROWS)
    server = ("--dsn", database)
    file = tmp_path / "docs.rot"
    done = mrl_pg("rotate", "docs", "embedding", "--out", file, *server)
    assert done.returncode == 0, done.stderr
    assert "public.docs.embedding_rotated (new): vectors of embedding" in done.stdout
    assert "filled 300 rows, 300 by this run" in done.stdout
    create = "mrl-pg create docs embedding_rotated --dims"
    assert f"next: {create}" in done.stdout
    rotation = Rotation.read(file)
    turned = MatryoshkaColumn("docs", "embedding_rotated")
    assert turned.rotation(conn) == rotation
    made = mrl_pg("create", "docs", "embedding_rotated", "--dims", 16, *server)
    assert made.returncode == 0, made.stderr
    for listing in (("indexes",), ("status", "docs")):
        shown = mrl_pg(*listing, *server)
        assert f"rotated by {rotation.version}" in shown.stdout
    again = mrl_pg("rotate", "docs", "embedding", *server)
    assert "filled 300 rows, 0 by this run" in again.stdout
    assert "next: mrl-pg switch docs embedding --to embedding_rotated" in again.stdout
    stop = ("rotate", "docs", "embedding", "--stop", *server)
    assert "give that with --to" in mrl_pg(*stop).stderr
    stopped = mrl_pg(*stop, "--to", "embedding_rotated")
    assert "no longer goes to embedding_rotated" in stopped.stdout
    back = mrl_pg("rotate", "docs", "embedding_rotated", "--undo", "--json", *server)
    report = json.loads(back.stdout)
    assert (report["to"], report["rotation"]) == ("embedding_rotated_plain", None)
    far = "select max(embedding <-> embedding_rotated_plain) from docs"
    assert one(conn, far) < 1e-5
    bits = ("--dims", 64, "--kind", "bit")
    refused = mrl_pg("create", "docs", "embedding_rotated", *bits, *server)
    assert refused.returncode == 2
    assert ".585" in refused.stderr


def test_a_file_loaded_rotated(conn: Conn, database: str, tmp_path: Path) -> None:
    make_table(conn, ROWS)
    server = ("--dsn", database)
    file, vectors = tmp_path / "docs.rot", tmp_path / "vectors.npy"
    fit = ("rotate", "docs", "embedding", "--fit-only", *server)
    refused = mrl_pg(*fit)
    assert refused.returncode == 2
    assert "give --out FILE" in refused.stderr
    done = mrl_pg(*fit, "--out", file, "--sample", 200)
    assert "on 200 rows" in done.stdout
    assert one(conn, "select count(*) from mrl.column_rotations") == 0
    np.save(vectors, ROWS)
    load = ("load", vectors, "papers", "embedding", *server)
    done = mrl_pg(*load, "--rotation", file)
    assert done.returncode == 0, done.stderr
    # the second time without being told
    assert mrl_pg(*load).returncode == 0
    rotation = Rotation.read(file)
    kept = one(conn, "select array_agg(embedding::real[] order by id) from papers")
    twice = rotation.apply(np.concatenate([ROWS, ROWS]))
    assert np.allclose(np.array(kept), twice, atol=1e-5)
    refused = mrl_pg(*load, "--rotation", vectors)
    assert refused.returncode == 2
    assert "is not a rotation" in refused.stderr
