"""Making a table with parts, keeping rows in their parts, and what is told of both."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection, errors
from support.command import mrl_pg
from support.databases import Conn, connect, role
from support.parts import (
    CENTRES,
    COLUMN,
    INDEX,
    PARTED,
    around_centres,
    index_of,
    nearest_parts,
    needs_k_means,
    part_of,
    parted_table,
)
from support.plans import explain, first_pass, force_index
from support.sql_calls import ids, one, text
from support.tables import make_partitioned, make_table
from support.vectors import Vectors, nearest

import mrl_pg as library
from mrl_pg import MatryoshkaColumn
from mrl_pg.catalog.parts import ColumnParts
from mrl_pg.errors import InvalidFile, InvalidSetting, KeyExists, TableError
from mrl_pg.load import load

ROWS = around_centres(300)


def parts_in(conn: Conn, table: str = "parted") -> dict[int, int]:
    """The part of each row, by its id."""
    found = conn.execute(f"select id, part from {table}".encode()).fetchall()
    assert len({id for id, _ in found}) == len(found)
    return dict(found)


def right(rows: Vectors) -> dict[int, int]:
    return {i: part_of(row) for i, row in enumerate(rows, start=1)}


def test_a_copy_has_each_row_in_its_part(conn: Conn) -> None:
    make_table(conn, ROWS)
    conn.execute("alter table docs alter n set default 7, add check (n < 100)")
    library.MatryoshkaIndex("docs", "embedding", dims=16).create(conn)
    stages: list[str] = []
    report = COLUMN.make_parts(
        conn, "parted", centres=CENTRES, progress=lambda told: stages.append(told.stage)
    )
    assert (report.parts, report.rows, report.sample) == (6, 300, 0)
    assert 0 < report.smallest <= report.largest < 300
    assert "mrl-pg create public.parted embedding" in str(report)
    assert set(stages) == {"copying rows"}
    assert parts_in(conn) == right(ROWS)
    # the short column belongs to the index, which the copy gets anew
    columns = conn.execute("select * from parted limit 0").description or []
    assert [c.name for c in columns] == ["id", "n", "title", "embedding", "part"]
    states = PARTED.parts(conn, sample=100)
    assert [state.part for state in states] == [*range(7)]
    assert sum(state.compared for state in states) == 100
    assert not any(state.misplaced for state in states)
    (kept,) = conn.execute(
        "select table_id::text, full_column, part_column, distance, parts"
        " from mrl.column_parts"
    ).fetchall()
    assert kept == ("parted", "embedding", "part", "cosine", 6)
    with pytest.raises(errors.CheckViolation):
        conn.execute("insert into parted (id, n) values (1000, 100)")
    conn.execute("insert into parted (id) values (1000)")
    assert conn.execute("select n, part from parted where id = 1000").fetchall() == [
        (7, 0)
    ]
    with pytest.raises(TableError, match="exists already"):
        COLUMN.make_parts(conn, "parted", centres=CENTRES)


def test_k_means_finds_the_centres(conn: Conn) -> None:
    needs_k_means()
    make_table(conn, ROWS)

    async def make() -> Any:
        url = conn.info.dsn
        async with await AsyncConnection.connect(url, autocommit=True) as other:
            return await COLUMN.make_parts_async(other, "parted", parts=6, sample=200)

    report = asyncio.run(make())
    assert (report.parts, report.sample, report.rows) == (6, 200, 300)
    # rows of one cluster are in one part
    found = parts_in(conn)
    clusters = [[found[i + 1] for i in range(c, 300, 6)] for c in range(6)]
    same = [max(map(cluster.count, cluster)) / len(cluster) for cluster in clusters]
    assert np.mean(same) > 0.8
    with pytest.raises(InvalidSetting, match="different vectors: ask for fewer parts"):
        COLUMN.make_parts(conn, "other", parts=400)
    with pytest.raises(InvalidSetting, match="parts"):
        COLUMN.make_parts(conn, "other", parts=1)


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_server_and_client_compute_the_same_part(conn: Conn, distance: Any) -> None:
    make_table(conn, ROWS * 3)
    COLUMN.make_parts(conn, "parted", centres=CENTRES, distance=distance)
    mine = ColumnParts("embedding", "part", distance, CENTRES).of(ROWS * 3)
    found = parts_in(conn)
    assert [found[i] for i in range(1, 301)] == mine.tolist()
    for vector in ("null", f"'{text(np.zeros(64))}'"):
        part = one(conn, f"select mrl.part_of('parted', 'embedding', {vector})")
        assert part == 0 or distance == "l2"
    # at equal distances from all centres, if that is by place
    zeros = np.zeros((1, 64), dtype=np.float32)
    empty = ColumnParts("embedding", "part", distance, CENTRES).of(zeros)
    assert empty[0] == 0 or distance == "l2"


def test_halves_and_names_that_need_quotes(conn: Conn) -> None:
    conn.execute(
        'create table "My docs" ("the id" bigint generated always as identity'
        ' primary key, "Vec 100%" halfvec(64))'
    )
    place = MatryoshkaColumn("My docs", "Vec 100%")
    for row in ROWS[:60]:
        conn.execute('insert into "My docs" ("Vec 100%%") values (%s)', [text(row)])
    place.make_parts(conn, "My 100% parts", centres=CENTRES, part_column="the part")
    made = MatryoshkaColumn("My 100% parts", "Vec 100%")
    index = library.MatryoshkaIndex("My 100% parts", "Vec 100%", dims=32)
    index.create(conn)
    found = made.search(conn, ROWS[0], probes=1, k=1)
    assert found.keys == [(1, part_of(ROWS[0]))]
    made.upsert(conn, [{"the id": 1, "Vec 100%": ROWS[1]}])
    assert made.search(conn, ROWS[1], probes=1, k=2).keys == [
        (1, part_of(ROWS[1])),
        (2, part_of(ROWS[1])),
    ]
    # the counter goes on after the rows that were copied
    conn.execute(
        'insert into "My 100%% parts" ("Vec 100%%") values (%s)', [text(ROWS[2])]
    )
    assert made.route_rows(conn) == 1
    assert made.search(conn, ROWS[2], probes=1, k=2).keys == [
        (3, part_of(ROWS[2])),
        (61, part_of(ROWS[2])),
    ]


def test_statements_alone_make_and_fill_it(conn: Conn) -> None:
    make_table(conn, ROWS)
    centres = "{" + ",".join(f'"{text(centre)}"' for centre in CENTRES) + "}"
    statements = conn.execute(
        "select mrl.parts_sql('docs', 'embedding', 'parted', %s::vector[])", [centres]
    ).fetchall()
    for (statement,) in statements:
        conn.execute(statement)
    assert parts_in(conn) == right(ROWS)
    conn.execute("select mrl.create_index('parted', 'embedding', 32)")
    conn.execute(
        "insert into parted (id, embedding, part) values (1000, %(row)s,"
        " mrl.part_of('parted', 'embedding', %(row)s))",
        {"row": text(CENTRES[2])},
    )
    assert ids(conn, CENTRES[2], table="parted", probes=1, k=1) == [1000]


def test_rows_that_nobody_routed_are_found_and_told(conn: Conn) -> None:
    parted_table(conn, ROWS)
    assert not findings(conn, check_rows=True)
    far = CENTRES[5]
    conn.execute("insert into parted (id, embedding) values (1000, %s)", [text(far)])
    conn.execute("analyze parted")
    for searched in (INDEX, PARTED):
        assert searched.search(conn, far, probes=1, k=1).keys == [(1000, 0)]
    plan = INDEX.plan(conn, far, probes=1)
    wanted = [index_of(0), index_of(nearest_parts(far, 1)[0])]
    assert sorted(first_pass(explain(conn, plan))) == sorted(wanted)
    assert findings(conn) == {"rows_without_part"}
    # a vector that is changed in place stays in the part of the old one
    conn.execute("update parted set embedding = %s where id = 7", [text(CENTRES[3])])
    assert findings(conn, check_rows=True) == {"rows_without_part", "misplaced_rows"}
    misplaced = conn.execute(
        "select sum(misplaced) from mrl.misplaced_rows('parted', 'embedding')"
    ).fetchall()
    assert misplaced == [(2,)]
    remedy = one(
        conn,
        "select substring(remedy from ', or (.*)') from mrl.status()"
        " where finding = 'rows_without_part'",
    )
    conn.execute(remedy)
    conn.execute("vacuum analyze parted")
    assert not findings(conn, check_rows=True)
    assert INDEX.search(conn, far, probes=1, k=1).keys == [(1000, 6)]


def findings(conn: Conn, *, check_rows: bool = False) -> set[str]:
    """Codes of what status finds."""
    states = library.status(conn, rows=check_rows)
    return {finding.code for state in states for finding in state.findings}


def test_route_moves_rows_to_their_parts(conn: Conn) -> None:
    parted_table(conn, ROWS)
    conn.execute("update parted set part = 1")
    assert PARTED.route_rows(conn) == sum(p != 1 for p in right(ROWS).values())
    assert parts_in(conn) == right(ROWS)
    assert PARTED.route_rows(conn) == 0

    async def again() -> Any:
        async with await AsyncConnection.connect(
            conn.info.dsn, autocommit=True
        ) as other:
            await other.execute("update parted set part = 0")
            moved = await PARTED.route_rows_async(other)
            return moved, await PARTED.parts_async(other)

    moved, states = asyncio.run(again())
    assert moved == 300
    assert len(states) == 7
    assert parts_in(conn) == right(ROWS)


@pytest.mark.parametrize("if_exists", ["update", "skip"])
def test_upsert_gives_rows_their_part(conn: Conn, if_exists: Any) -> None:
    parted_table(conn, ROWS)
    given = [
        {"id": 1, "title": "moved", "embedding": CENTRES[3]},
        {"id": 1001, "title": "new", "embedding": CENTRES[4]},
        {"id": 1002, "title": "no vector", "embedding": None},
    ]
    report = PARTED.upsert(conn, given, if_exists=if_exists)
    updates = if_exists == "update"
    assert (report.inserted, report.updated) == (2, int(updates))
    assert report.skipped == int(not updates)
    wanted = right(ROWS) | {1001: 5, 1002: 0} | ({1: 4} if updates else {})
    assert parts_in(conn) == wanted
    (hit,) = PARTED.search(conn, CENTRES[4], k=1, probes=1, columns=["title"])
    assert (hit.key, hit["title"]) == ((1001, 5), "new")
    # other columns alone move nothing, and a row without a vector has no part
    PARTED.upsert(
        conn,
        [{"id": 2, "title": "two"}, {"id": 1003, "title": "three"}],
        if_exists=if_exists,
    )
    assert parts_in(conn) == wanted | {1003: 0}
    # n is not given, so it is kept
    kept = conn.execute("select n, title from parted where id in (1, 2)").fetchall()
    titles = {"moved", "two"} if updates else {"title 1", "title 2"}
    assert {n for n, _ in kept} == {1, 2}
    assert {title for _, title in kept} == titles


def test_upsert_refuses_a_part_and_what_is_there(conn: Conn) -> None:
    parted_table(conn, ROWS)
    with pytest.raises(InvalidFile, match="'part', which is the part of a row"):
        PARTED.upsert(conn, [{"id": 1, "embedding": CENTRES[0], "part": 3}])
    row = {"id": 5, "embedding": CENTRES[0]}
    with pytest.raises(KeyExists, match="its key is in the table already"):
        PARTED.upsert(conn, [row], if_exists="refuse")
    assert PARTED.upsert(conn, [row | {"id": 2000}], if_exists="refuse").inserted == 1
    assert parts_in(conn) == right(ROWS) | {2000: 1}
    with pytest.raises(InvalidFile, match="no column 'id'"):
        PARTED.upsert(conn, [{"embedding": CENTRES[0]}])


def test_load_gives_rows_their_part(conn: Conn, tmp_path: Path) -> None:
    parted_table(conn, ROWS[:100])
    array = tmp_path / "more.npz"
    np.savez(array, id=np.arange(101, 301), embedding=ROWS[100:])
    load(conn, array, "parted")
    assert parts_in(conn) == right(ROWS)
    lines = tmp_path / "more.jsonl"
    rows: list[Any] = [
        {"id": 301, "embedding": CENTRES[1].tolist()},
        {"id": 302, "embedding": None},
        {"id": 303, "embedding": CENTRES[5].tolist()},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)))
    load(conn, lines, "parted")
    assert parts_in(conn) == right(ROWS) | {301: 2, 302: 0, 303: 6}
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"id": 304, "embedding": [1, 2]}))
    with pytest.raises(InvalidFile):
        load(conn, bad, "parted")
    found = INDEX.search(conn, ROWS[250], k=1, probes=1)
    assert found.keys == [(251, part_of(ROWS[250]))]


def test_centres_of_a_table_that_was_there(conn: Conn) -> None:
    make_partitioned(conn)
    with pytest.raises(TableError, match="is not partitioned by list \\(part\\)"):
        COLUMN.set_parts(conn, CENTRES)
    conn.execute(
        "create table own (id bigint, part int, embedding vector(64), primary key"
        " (id, part))"
        " partition by list (part);"
        "create table own_a partition of own for values in (0, 1);"
        "create table own_b partition of own for values in (2)"
    )
    own = MatryoshkaColumn("own", "embedding")
    with pytest.raises(TableError, match="has no partition for part 3"):
        own.set_parts(conn, CENTRES[:3])
    with pytest.raises(TableError, match="is not partitioned by the likeness"):
        own.parts(conn)
    own.set_parts(conn, CENTRES[:2], distance="l2")
    assert [state.part for state in own.parts(conn)] == [0, 1, 2]
    own.set_parts(conn, CENTRES[:2] * 2)
    count = (
        "select count(*), min(l2_norm(centre::halfvec)) > 1.9 from mrl._part_centres"
    )
    assert conn.execute(count).fetchall() == [(2, True)]
    own.set_parts(conn, None)
    assert one(conn, "select count(*) from mrl._part_centres") == 0
    with pytest.raises(InvalidSetting, match="no centre"):
        own.set_parts(conn, [])
    with pytest.raises(TableError, match="is not partitioned by the likeness"):
        own.route_rows(conn)


def test_only_the_owner_sets_centres(conn: Conn, database: str) -> None:
    parted_table(conn, ROWS)
    url = role(conn, database, "parts_reader")
    conn.execute("grant select on parted to parts_reader")
    with connect(url) as other:
        force_index(other)
        # everybody may search
        found = INDEX.search(other, ROWS[3], k=1, probes=1)
        assert found.keys == [(4, part_of(ROWS[3]))]
        with pytest.raises(errors.InsufficientPrivilege):
            PARTED.set_parts(other, None)
        with pytest.raises(errors.InsufficientPrivilege):
            other.execute("delete from mrl._part_centres")
        other.execute(
            "insert into mrl._removals (entry, parts_of)"
            " select entry, 'embedding' from mrl._parts"
        )
    assert one(conn, "select count(*) from mrl._part_centres") == 6


def test_a_dropped_table_leaves_no_centre(conn: Conn) -> None:
    parted_table(conn, ROWS)
    conn.execute("drop table parted")
    assert not conn.execute("select from mrl.column_parts").fetchall()
    library.MatryoshkaIndex("docs", "embedding", dims=8).create(conn)
    assert one(conn, "select count(*) from mrl._part_centres") == 0


def test_the_shell_makes_searches_and_routes(
    conn: Conn, database: str, tmp_path: Path
) -> None:
    make_table(conn, ROWS)
    np.save(tmp_path / "centres.npy", CENTRES)
    np.save(tmp_path / "query.npy", ROWS[9])
    at = ("--dsn", database)

    def shell(*words: object) -> str:
        done = mrl_pg(*words, *at)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = shell(
        *("parts", "make", "docs", "embedding", "--to", "parted"),
        *("--centres", tmp_path / "centres.npy"),
    )
    assert "300 rows in 6 parts" in made
    shell("create", "parted", "embedding", "--dims", 32)
    found = shell(
        *("search", "parted", "embedding", "--query", tmp_path / "query.npy"),
        *("--probes", 1, "-k", 1, "--json"),
    )
    part = part_of(ROWS[9])
    answer = json.loads(found)
    assert answer["parts"] == [0, part]
    assert answer["hits"][0]["key"] == [10, part]
    measured = json.loads(
        shell(
            *("recall", "parted", "embedding", "--probes", 1, "--sample", 5),
            *("--json",),
        )
    )
    assert measured["probes"] == 1
    conn.execute("update parted set part = 0 where id <= 20")
    conn.execute("analyze parted")
    assert "20 of" in shell("parts", "show", "parted", "embedding", "--sample", 1000)
    assert "moved 20 rows" in shell("parts", "route", "parted", "embedding")
    assert parts_in(conn) == right(ROWS)
    shown = json.loads(shell("parts", "show", "parted", "embedding", "--json"))
    assert len(shown) == 7
    shell("parts", "drop", "parted", "embedding")
    refused = mrl_pg("parts", "show", "parted", "embedding", *at)
    assert refused.returncode == 3
    assert "is not partitioned by the likeness" in refused.stderr
    assert nearest(ROWS, ROWS[9], 1) == [10]
