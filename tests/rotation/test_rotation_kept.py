"""What the registry keeps of rotations: through dumps, drops, rights and uninstall."""

from pathlib import Path

import numpy as np
import pytest
from psycopg import errors
from support.databases import Conn, connect, role
from support.plans import force_index
from support.rotations import orthogonal
from support.servers import psql, run
from support.sql_calls import one
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, install, uninstall
from mrl_pg.errors import StillInUse
from mrl_pg.load import load_blocks
from mrl_pg.rotation import Provenance, Rotation

ROWS = matryoshka(400)
TURN = Rotation(orthogonal(64), Provenance("random", 0, source="a test"))
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3
DOCS = MatryoshkaColumn("docs", "embedding")
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_blocks(conn, ROWS, "docs", columns={"id": range(1, 401)}, rotation=TURN)
    INDEX.create(conn)
    return conn


def test_a_dump_keeps_the_rotation(
    loaded: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    file = str(tmp_path / "dump.sql")
    run(pg_version, "pg_dump", "-d", database, "-f", file)
    psql(pg_version, bare_database, "-f", file)
    with connect(bare_database) as restored:
        assert DOCS.rotation(restored) == TURN
        force_index(restored)
        found = DOCS.search(restored, QUERY, k=5, candidates=300)
        assert found.keys == nearest(ROWS, QUERY, 5)
        assert_true(found, ROWS, QUERY)
        # the numbers of its columns may be others
        restored.execute("select mrl.set_model('docs', 'embedding', 'a')")
        restored.execute("alter table docs rename embedding to vector")
        assert MatryoshkaColumn("docs", "vector").rotation(restored) == TURN


def test_rows_about_dropped_tables_go(loaded: Conn) -> None:
    loaded.execute("drop table docs")
    assert one(loaded, "select count(*) from mrl.column_rotations") == 0
    loaded.execute("select mrl._sweep()")
    assert one(loaded, "select count(*) from mrl._rotation_rows") == 0


def test_uninstall_keeps_rotated_columns_searchable(loaded: Conn) -> None:
    with pytest.raises(StillInUse, match=r"docs\.embedding"):
        uninstall(loaded)
    INDEX.drop(loaded)
    DOCS.set_rotation(loaded, None, already=True)
    uninstall(loaded)
    install(loaded)
    assert DOCS.rotation(loaded) is None


def test_without_pgvector_nothing_is_rotated(loaded: Conn) -> None:
    loaded.execute("drop extension vector cascade")
    loaded.execute("create extension vector")
    install(loaded)
    assert one(loaded, "select count(*) from mrl._rotations") == 0
    load_blocks(loaded, ROWS, "papers", rotation=TURN)
    papers = MatryoshkaColumn("papers", "embedding")
    assert papers.search(loaded, QUERY, k=5, exact=True).keys == nearest(ROWS, QUERY, 5)


def test_readers_search_and_only_owners_write(loaded: Conn, database: str) -> None:
    reader = role(loaded, database, "rotation_reader")
    loaded.execute("grant select on docs to rotation_reader")
    matrix = [str(row) for row in np.eye(64).tolist()]
    with connect(reader) as conn:
        found = DOCS.search(conn, QUERY, k=5, candidates=300)
        assert found.keys == nearest(ROWS, QUERY, 5)
        keys = "select id from mrl.search(null::docs, 'embedding', %s, exact => true)"
        rows = conn.execute(keys.encode(), [str(QUERY.tolist())]).fetchmany(5)
        assert [key for (key,) in rows] == nearest(ROWS, QUERY, 5)
        for statement, params in (
            ("select mrl.set_rotation('docs', 'embedding', null)", []),
            (
                "select mrl.set_rotation('docs', 'embedding', %s::vector[], 'x')",
                [matrix],
            ),
            (
                "insert into mrl._own_rotation_rows"
                " select entry, full_column, back, place + 64, weights"
                " from mrl._rotation_rows",
                [],
            ),
            ("update mrl._own_rotation_rows set weights = weights", []),
            ("delete from mrl._own_rotations", []),
            ("delete from mrl._rotations", []),
        ):
            with pytest.raises(
                (errors.InsufficientPrivilege, errors.WithCheckOptionViolation)
            ):
                conn.execute(statement.encode(), params or None)
        # deletes nothing of others
        conn.execute(
            "insert into mrl._removals (entry, rotated)"
            " select entry, 'embedding' from mrl._rotations"
        )
        assert DOCS.rotation(conn) == TURN
    loaded.execute("drop owned by rotation_reader; drop role rotation_reader")
