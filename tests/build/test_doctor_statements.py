"""`doctor` on searches of an application that pg_stat_statements itself counted."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import Conn, connect
from support.folders import temporary_folder
from support.missing import missing
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, doctor, install, server

INDEX = MatryoshkaIndex("docs", "embedding", dims=16)
QUERY = matryoshka(1, seed=3)[0]
SHORT = str(QUERY[:16].tolist())


@pytest.fixture
def counting(pg_version: int, pytestconfig: pytest.Config) -> Iterator[Conn]:
    """A server of its own, which loads the extension when it starts."""
    config = server.bin_dir(pg_version) / "pg_config"
    said = subprocess.run(
        [config, "--sharedir"], check=True, capture_output=True, text=True
    )
    if not Path(said.stdout.strip(), "extension/pg_stat_statements.control").exists():
        if pytestconfig.getoption("pg_bin"):
            missing("pg_stat_statements is not installed beside these programs")
        pytest.skip("the embedded server has no pg_stat_statements: use --pg-bin")
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with (
        temporary_folder() as folder,
        server.embedded(folder / "counting", pg_version, settings=settings) as running,
        connect(running.url()) as conn,
    ):
        conn.execute("create extension if not exists vector")
        conn.execute("create extension pg_stat_statements")
        install(conn)
        yield conn


def test_counted_searches(counting: Conn) -> None:
    conn = counting
    make_table(conn, matryoshka(5500))
    # a page for each row, as with vectors of many dimensions
    conn.execute("alter table docs alter title set storage plain")
    conn.execute("update docs set title = repeat('x', 7000)")
    conn.execute("vacuum full docs")
    INDEX.create(conn)
    conn.execute("analyze docs")
    conn.execute("set enable_seqscan = off; set enable_sort = off")
    near = "select id from docs order by embedding_16_halfvec <=> %s::halfvec limit "
    conn.execute("set hnsw.iterative_scan = off")
    # another text, because limits are left out of what is counted
    cut = near.replace("select id", "select id, n")
    few = near.replace("order", "where n = 7 and id < 200 order")
    for _ in range(3):
        # sound, cut short by ef_search, starved by a filter
        assert len(conn.execute(near + "10", [SHORT]).fetchall()) == 10
        assert len(conn.execute(cut + "80", [SHORT]).fetchall()) == 40
        assert len(conn.execute(few + "5", [SHORT]).fetchall()) < 5
        # ours set what they need
        assert len(INDEX.search(conn, QUERY, k=10)) == 10
        conn.execute(
            "select id from mrl.search(null::docs, 'embedding', %s::vector, k => 10)",
            [str(QUERY.tolist())],
        )
    conn.execute("set enable_seqscan = on; set enable_sort = on")
    missed = "select id from docs order by embedding <-> %s::vector limit 10"
    conn.execute(missed, [str(QUERY.tolist())])
    found = [each for each in doctor(conn) if each.code.startswith("application")]
    said = {each.code: each.detail for each in found}
    assert "embedding <->" in said.pop("application_scans_table")
    assert "where n = " in said.pop("application_starved")
    assert "select id, n" in said.pop("application_cut_short")
    assert said == {}
    assert not [each for each in found if "mrl" in each.detail]
    # without the right to read it, nothing is asked
    conn.execute("drop extension pg_stat_statements")
    assert not [each for each in doctor(conn) if each.code.startswith("application")]
