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

from mrl_pg import (
    MatryoshkaColumn,
    MatryoshkaIndex,
    install,
    repair,
    status,
    uninstall,
)
from mrl_pg.errors import RotationMismatch, StillInUse
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


def test_a_renamed_column_is_not_lost_in_a_dump(
    loaded: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    renamed = MatryoshkaColumn("docs", "vector")
    loaded.execute("alter table docs add other vector(64), add short vector(3)")
    loaded.execute("alter table docs rename embedding to vector")
    # in the same database it is known by its number
    assert renamed.rotation(loaded) == TURN
    found = renamed.search(loaded, QUERY, k=5, candidates=300)
    assert found.keys == nearest(ROWS, QUERY, 5)
    codes = [
        finding.code
        for state in status(loaded, "docs")
        for finding in state.findings
        if "rotat" in finding.code
    ]
    assert codes == ["renamed_rotated_column"]
    file = str(tmp_path / "dump.sql")
    run(pg_version, "pg_dump", "-d", database, "-f", file)
    repair(loaded, "docs")
    assert all(state.ok for state in status(loaded, "docs"))
    assert {state.rotation for state in status(loaded, "docs")} == {TURN.version}
    psql(pg_version, bare_database, "-f", file)
    keys = "select id from mrl.search(null::docs, %s, %s, exact => true, k => 5)"
    query = str(QUERY.tolist())
    with connect(bare_database) as restored:
        # nothing is searched in silence
        for column in ("vector", "other"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match="embedding"):
                restored.execute(keys.encode(), [column, query])
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="embedding"):
            restored.execute("select mrl.search_sql('docs', 'vector', k => 5)")
        with pytest.raises(RotationMismatch, match=r"mrl\.rename_rotation"):
            renamed.search(restored, QUERY, k=5)
        # also after another call of the owner
        restored.execute("select mrl.set_model('docs', 'vector', 'a')")
        (lost,) = (
            finding
            for state in status(restored, "docs")
            for finding in state.findings
            if finding.code == "lost_rotation"
        )
        assert (
            not lost.mends
            and "rename_rotation('public.docs', 'embedding'" in lost.remedy
        )
        for wrong, said in (("short", "64 dimensions"), ("gone", "gone")):
            with pytest.raises(errors.Error, match=said):
                restored.execute(
                    "select mrl.rename_rotation('docs', 'embedding', %s)", [wrong]
                )
        restored.execute("select mrl.rename_rotation('docs', 'embedding', 'vector')")
        assert renamed.rotation(restored) == TURN
        rows = restored.execute(keys.encode(), ["vector", query]).fetchall()
        assert [key for (key,) in rows] == nearest(ROWS, QUERY, 5)
        force_index(restored)
        found = renamed.search(restored, QUERY, k=5, candidates=300)
        assert found.keys == nearest(ROWS, QUERY, 5)
        restored.execute(keys.encode(), ["other", query])
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="lost"):
            restored.execute("select mrl.rename_rotation('docs', 'embedding', null)")
        with pytest.raises(errors.InsufficientPrivilege):
            reader = role(restored, bare_database, "rotation_renamer")
            with connect(reader) as other:
                other.execute("select mrl.rename_rotation('docs', 'embedding', null)")
        restored.execute("drop owned by rotation_renamer; drop role rotation_renamer")


def test_a_column_dropped_before_a_dump_is_forgotten(
    loaded: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    loaded.execute("alter table docs add plain vector(64)")
    loaded.execute("alter table docs drop embedding cascade")
    file = str(tmp_path / "dump.sql")
    run(pg_version, "pg_dump", "-d", database, "-f", file)
    psql(pg_version, bare_database, "-f", file)
    with connect(bare_database) as restored:
        restored.execute("select mrl.rename_rotation('docs', 'embedding', null)")
        assert one(restored, "select count(*) from mrl._rotation_rows") == 0
        assert MatryoshkaColumn("docs", "plain").rotation(restored) is None


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
