"""`doctor`: each thing that harms searches is found, and a sound table has none."""

import asyncio
import json

import numpy as np
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo
from support.command import mrl_pg
from support.databases import Conn, connect, role
from support.tables import append, make_table
from support.vectors import matryoshka

from mrl_pg import (
    MatryoshkaIndex,
    NotUnitLengthWarning,
    SameShortValuesWarning,
    doctor,
    doctor_async,
)
from mrl_pg.errors import InvalidSetting, TableNotFound

INDEX = MatryoshkaIndex("docs", "embedding", dims=16)
CALM = ("uncalibrated", "index_larger_than_buffers", "old_pgvector")
"""What small and old servers and new tables always have."""


@pytest.fixture
def docs(conn: Conn) -> Conn:
    make_table(conn, matryoshka(1500))
    INDEX.create(conn)
    conn.execute("analyze docs")
    return conn


def codes(conn: Conn, sample: int = 200) -> set[str]:
    return {each.code for each in doctor(conn, sample=sample)} - set(CALM)


def counted(conn: Conn) -> None:
    """Have what the session did counted now, not a second later."""
    conn.execute("select pg_stat_force_next_flush()")
    conn.execute("select")


def vacuum(conn: Conn) -> None:
    counted(conn)
    conn.execute("vacuum analyze docs")
    counted(conn)


def test_a_sound_table_has_nothing_but_a_calibration_to_make(docs: Conn) -> None:
    assert codes(docs) == set()
    INDEX.calibrate(docs, k=5, queries=matryoshka(120, seed=3))
    assert [each for each in doctor(docs) if each.code == "uncalibrated"] == []


def test_an_old_pgvector(docs: Conn) -> None:
    asked = "select extversion from pg_extension where extname = 'vector'"
    version = str(docs.execute(asked).fetchall()[0][0])
    old = tuple(map(int, version.split("."))) < (0, 8, 4)
    assert ("old_pgvector" in {each.code for each in doctor(docs)}) == old


def test_settings_and_their_remedies(docs: Conn) -> None:
    docs.execute("set enable_indexscan = off; set plan_cache_mode = force_generic_plan")
    docs.execute("set max_parallel_maintenance_workers = 0")
    name = sql.Identifier(docs.info.dbname)
    docs.execute(sql.SQL("alter database {} set hnsw.ef_search = 20").format(name))
    found = {each.code: each for each in doctor(docs)}
    assert {"no_index_scans", "generic_plans", "serial_build", "narrow_search"} <= {
        *found
    }
    docs.execute(found["narrow_search"].remedy.encode())
    docs.execute("reset enable_indexscan; reset plan_cache_mode")
    docs.execute("reset max_parallel_maintenance_workers")
    assert codes(docs) == set()


def test_settings_of_other_roles(docs: Conn, database: str) -> None:
    role(docs, database, "searcher_1")
    name = sql.Identifier(docs.info.dbname)
    for setting in (
        "role searcher_1 set hnsw.ef_search = 12",
        "role searcher_1 in database {} set enable_indexscan = off",
        "database {} set hnsw.max_scan_tuples = 900",
        "role searcher_1 set plan_cache_mode = force_generic_plan",
        # neither harms
        "role searcher_1 set work_mem = '9MB'",
        "database {} set hnsw.ef_search = 200",
    ):
        docs.execute(sql.SQL(f"alter {setting}").format(name))
    found = [each for each in doctor(docs) if each.code not in CALM]
    assert sorted(each.code for each in found) == [
        *("generic_plans", "narrow_search", "no_index_scans", "short_scans"),
    ]
    said = {each.code: each.detail for each in found}
    assert said["narrow_search"] == "hnsw.ef_search=12 is set for role searcher_1"
    for each in found:
        docs.execute(each.remedy.encode())
    assert codes(docs) == set()
    # what the role sets for itself is said once
    docs.execute("alter role searcher_1 set enable_indexscan = off")
    with connect(make_conninfo(database, user="searcher_1")) as other:
        assert [each.code for each in doctor(other)].count("no_index_scans") == 1
    docs.execute("alter role searcher_1 reset all")
    docs.execute(sql.SQL("alter database {} reset all").format(name))


def test_vectors_that_no_search_finds(docs: Conn) -> None:
    docs.execute("update docs set embedding = null where id <= 300")
    vacuum(docs)
    assert codes(docs) == {"rows_without_vector"}
    docs.execute("update docs set embedding = array_fill(0, array[64])::vector")
    vacuum(docs)
    assert codes(docs) == {"zero_vectors"}
    assert codes(docs, sample=0) == set()


def test_lengths_under_inner_product_and_signs(conn: Conn) -> None:
    rows = matryoshka(500) + 0.5
    make_table(conn, rows)
    index = MatryoshkaIndex("docs", "embedding", dims=64, kind="bit", distance="ip")
    with pytest.warns((NotUnitLengthWarning, SameShortValuesWarning)):
        index.create(conn)
    conn.execute("analyze docs")
    assert codes(conn) == {"not_unit_length", "one_sign_bits"}


def test_dead_rows(docs: Conn) -> None:
    docs.execute("alter table docs set (autovacuum_enabled = off)")
    docs.execute("update docs set n = n")
    counted(docs)
    (found,) = [each for each in doctor(docs) if each.code == "dead_rows"]
    docs.execute(found.remedy.encode())
    assert codes(docs) == set()


def test_a_broken_index_names_its_repair(docs: Conn) -> None:
    docs.execute(sql.SQL("drop index {}").format(sql.Identifier(INDEX.name)))
    (found,) = [each for each in doctor(docs) if each.code == "missing_index"]
    assert found.remedy == "mrl-pg repair public.docs"


def test_memory_of_a_build(docs: Conn) -> None:
    docs.execute("set maintenance_work_mem = '1MB'")
    found = {each.code: each for each in doctor(docs)}
    build = found["small_maintenance_work_mem"]
    size = int(build.remedy.split("'")[1].removesuffix("MB"))
    docs.execute(f"set maintenance_work_mem = '{size}MB'".encode())
    assert codes(docs) == set()


def test_an_index_that_the_planner_does_not_take(conn: Conn) -> None:
    rng = np.random.default_rng(0)
    make_table(conn, rng.normal(size=(10500, 4)).astype("f4"))
    index = MatryoshkaIndex("docs", "embedding", dims=2)
    index.create(conn)
    conn.execute("analyze docs")
    assert codes(conn) == set()
    conn.execute("set enable_indexscan = off")
    assert codes(conn) == {"index_not_used", "no_index_scans"}


STATEMENTS = """
create schema counted;
create table counted.pg_stat_statements (
    dbid oid, query text, calls bigint, rows bigint, shared_blks_hit bigint,
    shared_blks_read bigint
);
insert into counted.pg_stat_statements
select (select oid from pg_database where datname = current_database()), said.*
from (values
    -- a scan, a starving filter, a limit beyond ef_search; four that are sound
    ('select id from docs order by embedding <=> $1 limit $2', 100, 1000, 900000, 0),
    ('select id from docs where n = $1 order by embedding <=> $2 limit 5', 50, 6, 9, 0),
    ('select id from docs order by embedding <=> $1 limit $2', 10, 400, 90, 0),
    ('select id from docs order by embedding <=> $1 limit $2', 10, 100, 90, 0),
    ('select id from docs where n = $1 order by embedding <=> $2 limit 5', 9, 90, 9, 0),
    ('select id from docs where title = $1 limit $2', 10, 10, 1000000, 0),
    -- a walk through a graph, which reads more pages than a small table has
    ('select id from docs order by embedding <=> $1 limit $2', 10, 100, 20000, 0)
) as said (query, calls, rows, hit, read)
"""


def test_searches_of_the_application(docs: Conn) -> None:
    append(docs, matryoshka(2000, seed=2), sql.Identifier("docs"), first=1501)
    docs.execute("analyze docs")
    docs.execute(STATEMENTS.encode())
    found = docs.execute(
        "select finding, table_name::text, detail"
        " from mrl._ails_statements(null, 'counted')"
    ).fetchall()
    found.sort()
    assert [(code, table) for code, table, _ in found] == [
        ("application_cut_short", "docs"),
        ("application_scans_table", "docs"),
        ("application_starved", "docs"),
    ]
    assert found[2][2].startswith("50 calls of: select id from docs where n = $1")
    # without the extension nothing is asked
    assert codes(docs) == set()


def test_input_and_the_command(docs: Conn, database: str) -> None:
    with pytest.raises(InvalidSetting, match="sample=-1"):
        doctor(docs, sample=-1)
    with pytest.raises(TableNotFound):
        doctor(docs, "dogs")

    async def ask() -> None:
        async with await AsyncConnection.connect(database) as other:
            assert await doctor_async(other, "docs") == doctor(docs, "docs")

    asyncio.run(ask())
    shown = mrl_pg("doctor", "docs", "--dsn", database)
    assert shown.returncode == 4
    assert "mend it: mrl-pg calibrate public.docs embedding" in shown.stdout
    listed = mrl_pg("doctor", "--json", "--dsn", database)
    assert {each["code"] for each in json.loads(listed.stdout)} <= set(CALM)
