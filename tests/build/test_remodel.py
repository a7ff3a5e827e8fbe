"""Another model: a second full column beside the first, and the switch between them."""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors
from support.command import mrl_pg
from support.databases import Conn, connect, role
from support.plans import explain, force_index, indexes
from support.sql_plans import scanning
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, status
from mrl_pg.build import switch_column
from mrl_pg.errors import (
    ColumnNotFound,
    IndexNotFound,
    InvalidSetting,
    InvalidVector,
    TableError,
)
from mrl_pg.load import update_blocks

OLD, NEW = matryoshka(300, dims=32), matryoshka(300, dims=48, seed=4)
IDS = np.arange(1, 301)
DOCS = MatryoshkaColumn("docs", "embedding")
BEFORE = MatryoshkaIndex("docs", "embedding", dims=16)
AFTER = MatryoshkaIndex("docs", "embedding_v2", dims=24)


def prepare(conn: Conn, filled: int = 300, keep: Any = None) -> None:
    """A table with the vectors of both models, each with an index."""
    conn.execute("create table docs (id int primary key, embedding vector(32))")
    conn.cursor().executemany(
        "insert into docs values (%s, %s)",
        [(i, str(v.tolist())) for i, v in enumerate(OLD, 1)],
    )
    BEFORE.create(conn)
    conn.execute("alter table docs add embedding_v2 vector(48)")
    MatryoshkaIndex("docs", "embedding_v2", dims=24, keep=keep).create(
        conn, rebuild=True
    )
    update_blocks(
        conn, NEW[:filled], "docs", columns={"id": IDS[:filled]}, column="embedding_v2"
    )
    force_index(conn)


def found(conn: Conn, **options: Any) -> dict[str, bool]:
    """Codes of what is wrong, and whether `repair` mends each."""
    return {
        finding.code: finding.mends
        for state in status(conn, **options)
        for finding in state.findings
    }


def queries(row: int) -> dict[str, Any]:
    return {"embedding": OLD[row], "embedding_v2": NEW[row]}


def assert_answers(conn: Conn, index: MatryoshkaIndex, row: int = 7) -> None:
    """The index scans for a search with both queries, and its neighbours are right."""
    rows = OLD if index == BEFORE else NEW
    found = DOCS.search(conn, queries(row), k=5, candidates=200)
    assert found.keys == nearest(rows, rows[row], 5)
    assert found.index_name == index.name
    plan = DOCS.plan(conn, queries(row), k=5, candidates=200)
    # the statement also reads the registry
    scanned = [name for name in indexes(explain(conn, plan)) if name[0] != "_"]
    assert scanned == [index.name]
    used = conn.execute("select mrl.in_use_column('docs', 'embedding')").fetchone()
    assert used == (index.column,)


def assert_batch(conn: Conn, index: MatryoshkaIndex) -> None:
    """The same for many searches in one round trip."""
    rows = OLD if index == BEFORE else NEW
    many: dict[str, Any] = {"embedding": OLD[[7, 9]], "embedding_v2": [NEW[7], NEW[9]]}
    with scanning(conn, index.name):
        batch = DOCS.search_many(conn, many, k=5, candidates=200)
    assert [found.keys for found in batch] == [
        nearest(rows, rows[row], 5) for row in (7, 9)
    ]
    assert {found.index_name for found in batch} == {index.name}


@pytest.mark.parametrize("keep", ["expression", "generated", "trigger"])
def test_all_switch_at_once_and_back(conn: Conn, database: str, keep: Any) -> None:
    prepare(conn, keep=keep)
    with connect(database) as other:
        force_index(other)
        assert_answers(other, BEFORE)
        assert_batch(other, BEFORE)
        with conn.transaction():
            report = DOCS.switch(conn, "embedding_v2")
            # others see it later, so nothing is counted yet
            assert (report.index_name, report.missing) == (AFTER.name, None)
            assert not report.complete
            assert_answers(conn, AFTER)
            # not before it is committed
            assert_answers(other, BEFORE)
        assert_answers(other, AFTER)
        assert_batch(other, AFTER)
        # once more changes nothing
        report = DOCS.switch(conn, "embedding_v2")
        assert (report.index_name, report.complete) == (AFTER.name, True)
        back = MatryoshkaColumn("docs", "embedding_v2")
        assert back.switch(conn, "embedding").index_name == BEFORE.name
        assert_answers(other, BEFORE)
        used = "select mrl.in_use_column('docs', 'embedding_v2')"
        assert other.execute(used).fetchone() == ("embedding",)


def test_a_switch_waits_for_every_vector(conn: Conn) -> None:
    prepare(conn, filled=290)
    conn.execute("update docs set embedding = null where id > 298")
    with pytest.raises(TableError, match=r"8 rows of .* have a vector in emb"):
        DOCS.switch(conn, "embedding_v2")
    assert_answers(conn, BEFORE)
    report = DOCS.switch(conn, "embedding_v2", allow_missing=True)
    assert (report.index_name, report.missing) == (AFTER.name, 8)
    found = DOCS.search(conn, queries(7), k=5, candidates=200)
    assert found.keys == nearest(NEW[:290], NEW[7], 5)


def test_rows_that_others_write_during_a_switch_are_counted(
    conn: Conn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(conn)
    insert = "insert into docs (id, embedding) values (%s, %s)"
    with connect(database) as other:
        other.execute("begin")
        other.execute(insert, [301, str(OLD[0].tolist())])
        # the switch waits for it, as it may be too old to know the new column
        monkeypatch.setattr(time, "sleep", lambda _: other.execute("commit"))
        report = DOCS.switch(conn, "embedding_v2")
        assert (report.missing, report.writers, report.complete) == (1, (), False)
        assert "1 rows of public.docs have a vector in embedding" in str(report)
        assert found(conn, rows=True) == {"missing_vectors": False}
        # who only asks the catalog does not read rows
        assert found(conn) == {}
        update_blocks(
            conn, NEW[:1], "docs", columns={"id": [301]}, column="embedding_v2"
        )
        assert found(conn, rows=True) == {}
        other.execute("begin")
        other.execute(insert, [302, str(OLD[0].tolist())])
        monkeypatch.setattr(switch_column, "WRITER_SECONDS", 0)
        report = DOCS.switch(conn, "embedding_v2")
        assert report.missing == 0
        assert report.writers == (other.info.backend_pid,)
        assert "have not committed yet were not counted" in str(report)
        other.execute("rollback")


def test_status_counts_for_the_column_in_use_alone(conn: Conn) -> None:
    prepare(conn)
    conn.execute("update docs set embedding_v2 = null where id < 4")
    # two columns need not be of two models
    assert found(conn, rows=True) == {}
    DOCS.switch(conn, "embedding_v2", allow_missing=True)
    MatryoshkaIndex("docs", "embedding_v2", dims=40).create(conn, rebuild=True)
    conn.execute("alter table docs rename embedding to first")
    details = conn.execute(
        "select detail from mrl.status('docs', true) where finding = 'missing_vectors'"
    )
    ((detail,),) = details.fetchall()
    assert detail.startswith("3 rows have a vector in column first and none in embedd")
    conn.execute("alter table docs drop first cascade")
    assert "missing_vectors" not in found(conn, rows=True)


def test_how_far_it_is(conn: Conn, database: str) -> None:
    words = ("remodel", "docs", "embedding", "--to", "embedding_v2", "--dsn", database)

    def next_step() -> str:
        stand = DOCS.remodel_status(conn, "embedding_v2")
        said = mrl_pg(*words)
        assert (said.returncode, said.stdout) == (0, f"{stand}\n"), said.stderr
        assert json.loads(mrl_pg(*words, "--json").stdout) == json.loads(
            json.dumps(asdict(stand))
        )
        return stand.next_step

    conn.execute("create table docs (id int primary key, embedding vector(32))")
    load = "mrl-pg load FILE docs embedding_v2 --update --only-missing"
    assert next_step() == f"{load} --add-column"
    conn.execute("drop table docs")
    prepare(conn, filled=290)
    stand = DOCS.remodel_status(conn, "embedding_v2")
    assert (stand.filled, stand.missing, stand.in_use) == (290, 10, "embedding")
    assert stand.indexes == (AFTER.name,)
    assert next_step() == load
    conn.execute("delete from docs where id > 290")
    assert next_step() == "mrl-pg switch docs embedding --to embedding_v2"
    AFTER.drop(conn)
    assert next_step() == "mrl-pg create docs embedding_v2 --dims NUMBER"
    AFTER.create(conn, rebuild=True)
    DOCS.switch(conn, "embedding_v2")
    drop = "mrl-pg drop docs embedding --dims 16 --kind halfvec, when"
    assert next_step().startswith(drop)
    BEFORE.drop(conn)
    assert next_step() == "nothing; the old column can be dropped"
    with pytest.raises(InvalidSetting, match="both the old and the new"):
        DOCS.remodel_status(conn, "embedding")
    with pytest.raises(ColumnNotFound):
        MatryoshkaColumn("docs", "nothing").remodel_status(conn, "embedding")


def test_who_does_not_see_every_row_counts_none(conn: Conn, database: str) -> None:
    prepare(conn)
    conn.execute("alter table docs enable row level security")
    with connect(role(conn, database, "remodel_reader")) as reader:
        conn.execute("grant select on docs to remodel_reader")
        with pytest.raises(TableError, match="row-level security hides rows"):
            DOCS.remodel_status(reader, "embedding_v2")
        assert found(reader, rows=True) == {}


def test_a_switch_needs_an_index_that_can_be_used(conn: Conn) -> None:
    prepare(conn)
    AFTER.drop(conn)
    with pytest.raises(IndexNotFound, match="no short column"):
        DOCS.switch(conn, "embedding_v2")
    AFTER.create(conn)
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass",
        [AFTER.name],
    )
    with pytest.raises(IndexNotFound, match="not valid"):
        DOCS.switch(conn, "embedding_v2")
    assert_answers(conn, BEFORE)


def test_the_mark_outlives_other_indexes_and_renames(conn: Conn) -> None:
    prepare(conn)
    DOCS.switch(conn, "embedding_v2")
    # another size of the new column, and the first one dropped
    other = MatryoshkaIndex("docs", "embedding_v2", dims=40)
    other.create(conn)
    AFTER.drop(conn)
    assert_answers(conn, other)
    BEFORE.drop(conn)
    assert_answers(conn, other)
    conn.execute("alter table docs drop embedding")
    conn.execute("alter table docs rename embedding_v2 to embedding")
    for _ in range(2):
        used = conn.execute("select mrl.in_use_column('docs', 'embedding')").fetchone()
        assert used == ("embedding",)
        found = DOCS.search(conn, {"embedding": NEW[7]}, k=5, candidates=200)
        assert found.keys == nearest(NEW, NEW[7], 5)
        for (statement,) in conn.execute("select mrl.repair_sql('docs')").fetchall():
            conn.execute(statement)


def test_a_third_model_and_the_way_back_to_the_first(conn: Conn) -> None:
    prepare(conn)
    conn.execute("alter table docs add third vector(48)")
    conn.execute("update docs set third = embedding_v2")
    MatryoshkaIndex("docs", "third", dims=24).create(conn)
    used = "select mrl.in_use_column('docs', 'embedding'), " + (
        "mrl.in_use_column('docs', 'embedding_v2'), mrl.in_use_column('docs', 'third')"
    )
    DOCS.switch(conn, "embedding_v2")
    with pytest.raises(TableError, match="not in use, but embedding_v2 is"):
        DOCS.switch(conn, "third")
    MatryoshkaColumn("docs", "embedding_v2").switch(conn, "third")
    assert conn.execute(used).fetchone() == ("third",) * 3
    MatryoshkaColumn("docs", "third").switch(conn, "embedding")
    assert conn.execute(used).fetchone() == ("embedding",) * 3


def test_async_switches_too(conn: Conn, database: str) -> None:
    prepare(conn)

    async def both() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as other:
            assert (await DOCS.switch_async(other, "embedding_v2")).complete
            stand = await DOCS.remodel_status_async(other, "embedding_v2")
            assert stand.switched
            found = await DOCS.search_async(other, queries(7), k=5, candidates=200)
            many: dict[str, Any] = {"embedding": [], "embedding_v2": []}
            assert await DOCS.search_many_async(other, many) == []
            (same,) = await DOCS.search_many_async(
                other,
                {name: [query] for name, query in queries(7).items()},
                k=5,
                candidates=200,
            )
            assert same.keys == found.keys
            return found.keys

    assert asyncio.run(both()) == nearest(NEW, NEW[7], 5)


def test_what_is_refused(conn: Conn, database: str) -> None:
    prepare(conn)
    with pytest.raises(InvalidSetting, match="both the old and the new"):
        DOCS.switch(conn, "embedding")
    with pytest.raises(ColumnNotFound, match="nothing"):
        DOCS.switch(conn, "nothing")
    with pytest.raises(InvalidSetting, match="allow_missing=2"):
        DOCS.switch(conn, "embedding_v2", allow_missing=2)  # type: ignore[arg-type]
    DOCS.switch(conn, "embedding_v2")
    for given in ({"embedding": OLD[7]}, {}, {3: OLD[7]}):
        with pytest.raises(InvalidVector, match="column 'embedding_v2', which is in"):
            DOCS.search(conn, given)  # type: ignore[arg-type]
    with pytest.raises(InvalidVector, match="column 'embedding_v2', which is in"):
        DOCS.search_many(conn, {"embedding": OLD[:2]})
    with pytest.raises(InvalidVector, match="'embedding' has 2, 'embedding_v2' has 1"):
        DOCS.search_many(conn, {"embedding": OLD[:2], "embedding_v2": NEW[:1]})
    with pytest.raises(InvalidVector, match="are not several vectors"):
        DOCS.search_many(conn, {"embedding": 5, "embedding_v2": 5})  # type: ignore[dict-item]
    with connect(role(conn, database, "remodel_stranger")) as stranger:
        conn.execute("grant select on docs to remodel_stranger")
        back = MatryoshkaColumn("docs", "embedding_v2")
        with pytest.raises(errors.InsufficientPrivilege, match="does not own"):
            back.switch(stranger, "embedding")
        force_index(stranger)
        assert_answers(stranger, AFTER)


def test_the_shell_switches_one_or_the_other(database: str) -> None:
    switch = ("switch", "docs", "embedding", "--dsn", database)
    both = mrl_pg(*switch, "--dims", "8", "--to", "embedding_v2")
    neither = mrl_pg(*switch)
    assert (both.returncode, neither.returncode) == (2, 2)
    for refused in (both, neither):
        assert "switch to what? give either --dims" in refused.stderr
