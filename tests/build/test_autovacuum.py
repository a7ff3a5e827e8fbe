"""A lock of a moment, and an autovacuum that holds the table for longer than that."""

import pytest
from support.databases import SETTINGS, connect
from support.folders import temporary_folder
from support.servers import wait
from support.tables import make_table
from support.vectors import matryoshka
from support.versions import one_version

import mrl_pg
from mrl_pg import MatryoshkaIndex, server
from mrl_pg.build import online

OFTEN = {**SETTINGS, "autovacuum": "on", "autovacuum_naptime": "1s"}
INDEX = MatryoshkaIndex("docs", "embedding", dims=16, keep="trigger")


@one_version
def test_autovacuum_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try ended before PostgreSQL cancels an autovacuum: lock timeout."""
    # of the later tries, each about a second long; the autovacuum lasts much longer
    monkeypatch.setattr(online, "LOCK_TRIES", 3)
    with (
        temporary_folder() as folder,
        server.embedded(folder / "data", settings=OFTEN) as running,
        connect(running.url()) as conn,
        connect(running.url()) as writer,
    ):
        mrl_pg.install(conn)
        make_table(conn, matryoshka(2000, dims=32))
        conn.execute(
            "alter table docs set (autovacuum_vacuum_threshold = 0, "
            "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_limit = 1, "
            "autovacuum_vacuum_cost_delay = 100)"
        )
        conn.execute("update docs set n = 1")
        works = "select pid from pg_stat_progress_vacuum where relid = 'docs'::regclass"
        wait("autovacuum", lambda: bool(writer.execute(works).fetchall()))
        (worker,) = writer.execute(works).fetchall()
        report = INDEX.create(conn)
        assert report.kept_as == "trigger"
        assert worker not in writer.execute(works).fetchall()
        assert mrl_pg.status(conn, "docs", rows=True)[0].ok
