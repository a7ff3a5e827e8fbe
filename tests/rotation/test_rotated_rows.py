"""Rows that change while a column is rotated into another, and afterwards."""

import threading
from typing import Any

import numpy as np
import psycopg
import pytest
from support.databases import Conn, connect, role
from support.plans import explain, first_pass, force_index
from support.rotations import orthogonal
from support.sql_calls import one
from support.tables import make_table
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.errors import TableError
from mrl_pg.rotation import Provenance, Rotation

ROWS = matryoshka(400)
TURN = Rotation(orthogonal(64, seed=2), Provenance("random", 0))
DOCS = MatryoshkaColumn("docs", "embedding")
TURNED = MatryoshkaColumn("docs", "turned")
SINGLE = 1e-5


def text(vector: Any) -> str:
    return str(np.asarray(vector).tolist())


def far_off(conn: Conn, table: str = "docs", to: str = "turned") -> float:
    """The largest error of a rotated vector; infinite if a row has none."""
    both = conn.execute(
        f"select embedding::vector::real[], {to}::vector::real[] from {table}"
        " where embedding is not null or turned is not null".encode()
    ).fetchall()
    if not both or any(None in pair for pair in both):
        return float("inf")
    before, after = (
        np.array(side, dtype=np.float32) for side in zip(*both, strict=True)
    )
    return float(np.abs(TURN.apply(before) - after).max())


def test_writers_who_know_one_column_lose_nothing(conn: Conn, database: str) -> None:
    make_table(conn, ROWS)
    over = threading.Event()
    failed: list[Exception] = []

    def write(seed: int) -> None:
        random = np.random.default_rng(seed)
        try:
            with connect(database) as own:
                while not over.is_set():
                    key, vector = int(random.integers(1, 700)), random.random(64)
                    own.execute(
                        "insert into docs (id, embedding) values (%s, %s::vector)"
                        " on conflict (id)"
                        " do update set embedding = excluded.embedding",
                        [key, text(vector)],
                    )
                    own.execute(
                        "delete from docs where id = %s", [int(random.integers(1, 700))]
                    )
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    try:
        report = DOCS.rotate(conn, "turned", rotation=TURN)
        again = DOCS.rotate(conn, "turned")
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert not failed
    assert report.linked and again.linked
    assert far_off(conn) < SINGLE
    assert DOCS.rotate(conn, "turned").written == 0


def test_each_way_to_write_a_row(conn: Conn) -> None:
    make_table(conn, ROWS[:50])
    DOCS.rotate(conn, "turned", rotation=TURN)
    for statement in (
        "insert into docs (id, embedding) select id + 100, embedding from docs",
        "update docs set embedding = (select embedding from docs where id = 7)"
        " where id = 3",
        "update docs set embedding = null where id = 4",
        "update docs set id = id + 1000 where id = 5",
        # a session that other triggers do not see
        "set session_replication_role = replica;"
        " update docs set embedding = (select embedding from docs where id = 9)"
        " where id = 8; reset session_replication_role",
    ):
        conn.execute(statement.encode())
        assert (
            one(
                conn,
                "select count(*) from docs where (embedding is null)"
                " <> (turned is null)",
            )
            == 0
        )
        conn.execute("delete from docs where embedding is null")
        assert far_off(conn) < SINGLE
    # what the application writes itself stays
    DOCS.upsert(conn, [{"id": 1, "embedding": ROWS[60], "turned": ROWS[60]}])
    DOCS.upsert(conn, [{"id": 2, "embedding": ROWS[61]}])
    assert far_off(conn) < SINGLE
    conn.execute("update docs set turned = embedding where id = 1")
    assert one(conn, "select turned = embedding from docs where id = 1")
    assert TURNED.get(conn, [1]) is not None


def test_renamed_columns_stay_linked(conn: Conn) -> None:
    make_table(conn, ROWS[:50])
    DOCS.rotate(conn, "turned", rotation=TURN)
    conn.execute("alter table docs rename embedding to old")
    conn.execute("alter table docs rename turned to embedding")
    conn.execute("insert into docs (id, old) select 90, old from docs where id = 9")
    pair = conn.execute("select old::real[], embedding::real[] from docs where id = 90")
    before, after = pair.fetchall()[0]
    assert np.allclose(TURN.apply(np.array(before)), after, atol=SINGLE)
    old = MatryoshkaColumn("docs", "old")
    assert old.rotate(conn, "embedding").linked
    old.stop_rotating(conn, "embedding")
    conn.execute("alter table docs drop column old")
    with pytest.raises(TableError, match=r"no trigger .* public\.docs\.embedding"):
        DOCS.stop_rotating(conn, "embedding")


@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
def test_a_vector_of_an_older_text_is_found(conn: Conn, full_type: str) -> None:
    make_table(conn, ROWS, full_type=full_type)
    index = MatryoshkaIndex("docs", "turned", dims=16)
    DOCS.rotate(conn, "turned", rotation=TURN)
    index.create(conn)
    # as a table that was restored with its triggers off has it
    conn.execute("alter table docs disable trigger user")
    conn.execute(
        "update docs set embedding = other.embedding from docs as other"
        " where docs.id <= 3 and other.id = docs.id + 10"
    )
    known = DOCS.remodel_status(conn, "turned")
    assert not known.linked
    conn.execute("alter table docs enable always trigger zy_mrl_50_turned_insert")
    conn.execute("alter table docs enable always trigger zy_mrl_50_turned_update")
    known = DOCS.remodel_status(conn, "turned")
    assert (known.linked, known.outdated, known.missing) == (True, 3, 0)
    assert "3 with the vector of an older text" in str(known)
    assert known.next_step == "mrl-pg rotate docs embedding --to turned"
    with pytest.raises(TableError, match=r"3 rows of public\.docs have another vector"):
        DOCS.switch(conn, "turned")
    report = DOCS.rotate(conn, "turned")
    assert (report.outdated, report.written) == (3, 3)
    assert "3 of these had the vector of an older text" in str(report)
    assert far_off(conn) < (SINGLE if full_type == "vector" else 1e-3)
    DOCS.switch(conn, "turned")
    force_index(conn)
    query: Any = {"embedding": ROWS[10], "turned": ROWS[10]}
    wide: Any = {"k": 5, "candidates": 300}
    now = ROWS.copy()
    now[:3] = ROWS[10:13]
    found = DOCS.search(conn, query, **wide)
    assert set(found.keys) == set(nearest(now, ROWS[10], 5))
    if full_type == "vector":
        assert_true(found, now, ROWS[10])
    assert first_pass(explain(conn, DOCS.plan(conn, query, **wide))) == [index.name]
    # the new column may be the newer one by now
    conn.execute("update docs set turned = null where id = 9")
    DOCS.upsert(conn, [{"id": 8, "turned": ROWS[20]}])
    report = DOCS.rotate(conn, "turned")
    assert (report.outdated, report.written) == (0, 1)
    assert DOCS.remodel_status(conn, "turned").outdated == 0


def test_partitions(conn: Conn) -> None:
    conn.execute(
        "create table docs (id int primary key, embedding vector(64))"
        " partition by range (id);"
        " create table low partition of docs for values from (0) to (100);"
        # columns of other numbers
        " create table high (gone int, embedding vector(64), id int not null);"
        " alter table high drop column gone;"
        " alter table docs attach partition high for values from (100) to (900)"
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into docs (id, embedding) values (%s, %s::vector)",
            [(key, text(ROWS[key])) for key in range(50, 150)],
        )
    assert DOCS.rotate(conn, "turned", rotation=TURN).linked
    conn.execute(
        "insert into docs (id, embedding) select id + 200, embedding from docs"
    )
    conn.execute(
        "insert into high (id, embedding) select 777, embedding from low limit 1"
    )
    conn.execute(
        "update docs set id = 9, embedding = '" + text(ROWS[3]) + "' where id = 120"
    )
    assert far_off(conn) < SINGLE
    assert far_off(conn, "high") < SINGLE
    conn.execute("create table later partition of docs for values from (900) to (999)")
    conn.execute(
        "insert into docs (id, embedding) select 950, embedding from low limit 1"
    )
    assert far_off(conn, "later") < SINGLE
    DOCS.stop_rotating(conn, "turned")


def test_child_tables_need_the_application(conn: Conn) -> None:
    make_table(conn, ROWS[:20])
    conn.execute("create table more () inherits (docs)")
    report = DOCS.rotate(conn, "turned", rotation=TURN)
    assert not report.linked
    assert "the application has to write both" in str(report)


def test_short_values_follow(conn: Conn) -> None:
    make_table(conn, ROWS[:50])
    DOCS.rotate(conn, "turned", rotation=TURN)
    index = MatryoshkaIndex("docs", "turned", dims=16, keep="trigger")
    index.create(conn)
    conn.execute("update docs set embedding = '" + text(ROWS[70]) + "' where id = 3")
    assert one(
        conn,
        f"select {index.short}::vector <-> mrl.truncate(turned, 16) from docs"
        " where id = 3",
    ) == pytest.approx(0, abs=1e-3)


def test_writers_need_no_more_rights(conn: Conn, database: str) -> None:
    make_table(conn, ROWS[:50])
    DOCS.rotate(conn, "turned", rotation=TURN)
    writer = role(conn, database, "rotation_writer")
    conn.execute("grant select, insert, update on docs to rotation_writer")
    with connect(writer) as own:
        own.execute(
            "insert into docs (id, embedding) values (88, %s::vector)", [text(ROWS[88])]
        )
        for call in (
            "select mrl.stop_rotating('docs', 'turned')",
            "select mrl._link_rotated('docs', 'embedding', 'turned')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                own.execute(call.encode())
    assert far_off(conn) < SINGLE
    conn.execute("drop owned by rotation_writer; drop role rotation_writer")


def test_back_and_no_more(conn: Conn) -> None:
    make_table(conn, ROWS[:50])
    DOCS.rotate(conn, "turned", rotation=TURN)
    TURNED.rotate(conn, "plain", undo=True)
    conn.execute("update docs set embedding = '" + text(ROWS[70]) + "' where id = 3")
    assert one(conn, "select max(embedding <-> plain) from docs") < SINGLE
    # without its rotation a column gets no vectors any more
    TURNED.set_rotation(conn, None, already=True)
    assert (
        one(conn, "select count(*) from pg_trigger where tgrelid = 'docs'::regclass")
        == 0
    )
