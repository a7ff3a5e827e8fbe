"""What pg_dump takes along, and psql with the SQL files alone."""

from pathlib import Path

import pytest
from psycopg import sql
from support.databases import Conn, connect, role
from support.moving import assert_switched, fill_models
from support.parts import PARTED, around_centres, index_of, part_of, parted_table
from support.plans import explain, first_pass, force_index
from support.servers import psql, run
from support.tables import make_table
from support.tenants import LARGE, nearest_of, tenants_table
from support.vectors import assert_true, matryoshka, nearest

import mrl_pg
from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.installation import VERSION
from mrl_pg.kinds import Kind

SQL = Path(mrl_pg.__file__).parent.parent / "sql"
KINDS: tuple[Kind, ...] = ("vector", "halfvec", "bit")
REGISTRY = (
    "select table_name::text, full_column, full_dims, short_column, dims, kind, "
    "distance, index_name, m, ef_construction, usable, created_at "
    "from mrl.indexes order by index_name"
)


@pytest.mark.parametrize("schema", ["public", 'My "100%" docs'])
def test_a_dump_restores_and_searches_alike(
    conn: Conn,
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    schema: str,
) -> None:
    vectors = matryoshka(300)
    if schema != "public":
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    make_table(conn, vectors, schema=schema)
    indexes = [
        MatryoshkaIndex("docs", "embedding", dims=48, kind=kind, schema=schema)
        for kind in KINDS
    ]
    for index in indexes:
        index.create(conn)
    file = tmp_path / "dump.sql"
    run(pg_version, "pg_dump", "-d", database, "-f", str(file))
    psql(pg_version, bare_database, "-f", str(file))

    everything = sql.SQL("select * from {} order by id").format(
        sql.Identifier(schema, "docs")
    )
    with connect(bare_database) as restored:
        assert restored.execute(everything).fetchall() == (
            conn.execute(everything).fetchall()
        )
        assert restored.execute(REGISTRY).fetchall() == (
            conn.execute(REGISTRY).fetchall()
        )
        force_index(restored)
        for index in indexes:
            assert index.search(restored, vectors[7], k=1).keys == [8]
            plan = index.plan(restored, vectors[7], candidates=400)
            assert first_pass(explain(restored, plan)) == [index.name]
            found = index.search(restored, vectors[7], k=5, candidates=400)
            assert found.keys == nearest(vectors, vectors[7], 5)
            assert found.keys == index.search(conn, vectors[7], k=5, exact=True).keys
            assert_true(found, vectors, vectors[7])
            # the column still follows the full one, and all is there to be dropped
            assert not index.create(restored).changed
            assert index.drop(restored).changed
        assert restored.execute(REGISTRY).fetchall() == []


def test_a_dump_keeps_the_column_and_the_index_in_use(
    conn: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    fill_models(conn)
    file = tmp_path / "dump.sql"
    run(pg_version, "pg_dump", "-d", database, "-f", str(file))
    psql(pg_version, bare_database, "-f", str(file))
    with connect(bare_database) as restored:
        assert_switched(restored)
        # and it can be switched back
        back = MatryoshkaColumn("models", "second").switch(restored, "embedding")
        assert back.index_name == "models_embedding_16_halfvec_cosine_hnsw"


def test_any_role_dumps_it_all_while_no_query_is_sampled(
    conn: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    make_table(conn, matryoshka(300))
    MatryoshkaIndex("docs", "embedding", dims=32).create(conn)
    conn.execute("select mrl.calibrate('docs', 'embedding', sample => 5)")
    conn.execute("select mrl.recall('docs', 'embedding', sample => 3, keep => true)")
    conn.execute("select mrl.set_model('docs', 'embedding', 'openai:m')")
    reader = role(conn, database, "dump_reader")
    conn.execute("grant select on docs to dump_reader")
    file = str(tmp_path / "dump.sql")
    dump = ("pg_dump", "-d", reader, "-f", file)
    run(pg_version, *dump)
    conn.execute("select mrl.sample_queries('docs', 'embedding', 1, 5)")
    query = "select mrl.keep_query('docs', 'embedding', embedding) from docs limit 1"
    assert conn.execute(query).fetchone() == (True,)
    with pytest.raises(AssertionError, match="permission denied for table _queries_1"):
        run(pg_version, *dump)
    run(pg_version, *dump, "--exclude-table=mrl.*_queries_*")
    psql(pg_version, bare_database, "-f", file)
    with connect(bare_database) as restored:
        model = restored.execute("select model from mrl.column_models").fetchone()
        assert model == ("openai:m",)
        # told to sample, without room: said again, it goes on
        assert restored.execute(query).fetchone() == (False,)
        restored.execute("select mrl.sample_queries('docs', 'embedding', 1)")
        assert restored.execute(query).fetchone() == (True,)
    conn.execute("select mrl.sample_queries('docs', 'embedding', 0)")
    with pytest.raises(AssertionError, match="permission denied for table _queries_1"):
        run(pg_version, *dump)
    conn.execute("select mrl.forget_queries('docs', 'embedding')")
    run(pg_version, *dump)
    conn.execute("drop owned by dump_reader")


def test_psql_installs_and_uninstalls(bare_database: str, pg_version: int) -> None:
    vectors = matryoshka(300)
    psql(pg_version, bare_database, "-c", "create extension vector")
    for _ in range(2):
        said = psql(pg_version, bare_database, "-f", str(SQL / "install.sql"))
        assert said.strip() == f"mrl_pg {VERSION} is installed"
    with connect(bare_database) as conn:
        make_table(conn, vectors)
        index = MatryoshkaIndex("docs", "embedding", dims=32)
        index.create(conn)
        psql(pg_version, bare_database, "-f", str(SQL / "uninstall.sql"))
        psql(pg_version, bare_database, "-f", str(SQL / "uninstall.sql"))
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)
        # short columns and their indexes work on without it
        with connect(bare_database) as fresh:
            force_index(fresh)
            plan = index.plan(fresh, vectors[3])
            assert first_pass(explain(fresh, plan)) == [index.name]
            assert index.search(fresh, vectors[3]).keys == nearest(vectors, vectors[3])


def test_psql_refuses_a_database_without_pgvector(
    bare_database: str, pg_version: int
) -> None:
    with pytest.raises(AssertionError, match="pgvector is not installed"):
        psql(pg_version, bare_database, "-f", str(SQL / "install.sql"))
    with connect(bare_database) as conn:
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)


def test_a_dump_keeps_tenants_and_their_indexes(
    conn: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    vectors = matryoshka(600)
    tenants_table(conn, vectors)
    column = MatryoshkaColumn("docs", "embedding")
    column.set_tenants(conn, "tenant_id", threshold=200, dims=32, kind="halfvec")
    (made,) = column.run_tenants(conn).indexes
    file = tmp_path / "dump.sql"
    run(pg_version, "pg_dump", "-d", database, "-f", str(file))
    psql(pg_version, bare_database, "-f", str(file))
    with connect(bare_database) as restored:
        assert not column.run_tenants(restored).changed
        force_index(restored)
        plan = column.plan(restored, vectors[7], tenant=LARGE)
        assert first_pass(explain(restored, plan)) == [made.index_name]
        found = column.search(restored, vectors[7], tenant=LARGE, candidates=300)
        assert found.keys == nearest_of(vectors, vectors[7], LARGE)
        assert column.drop_tenants(restored).indexes == ()


def test_a_dump_keeps_parts_and_their_centres(
    conn: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    vectors = around_centres(300)
    parted_table(conn, vectors)
    file = tmp_path / "dump.sql"
    run(pg_version, "pg_dump", "-d", database, "-f", str(file))
    psql(pg_version, bare_database, "-f", str(file))
    with connect(bare_database) as restored:
        force_index(restored)
        plan = PARTED.plan(restored, vectors[7], probes=1)
        part = part_of(vectors[7])
        assert sorted(first_pass(explain(restored, plan))) == [
            index_of(0),
            index_of(part),
        ]
        found = PARTED.search(restored, vectors[7], k=1, probes=1)
        assert found.keys == [(8, part)]
        assert PARTED.route_rows(restored) == 0
