"""What `status` finds after changes by hand, and how `repair` mends it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from support import command
from support.databases import connect
from support.plans import explain, force_index, indexes
from support.tables import make_table
from support.vectors import matryoshka

import mrl_pg
from mrl_pg import (
    IndexMismatch,
    IndexNotFound,
    InvalidSetting,
    MatryoshkaIndex,
    TableNotFound,
)
from mrl_pg.catalog import slots
from mrl_pg.kinds import Keep

Conn = psycopg.Connection[Any]

ROWS = matryoshka(300, dims=32)
QUERY = matryoshka(1, dims=32, seed=7)[0]
NEAREST = [int(key) + 1 for key in np.argsort(-(ROWS @ QUERY), kind="stable")[:5]]
SHORT = "embedding_16_halfvec"
NAME = f"docs_{SHORT}_cosine_hnsw"
KEEPS: tuple[Keep, ...] = ("generated", "expression")


def index(keep: Keep | None, **names: Any) -> MatryoshkaIndex:
    table, column = names.pop("table", "docs"), names.pop("column", "embedding")
    return MatryoshkaIndex(table, column, dims=16, keep=keep, **names)


@pytest.fixture
def docs(conn: Conn) -> Iterator[Conn]:
    make_table(conn, ROWS)
    force_index(conn)
    yield conn


def found(conn: Conn, **options: Any) -> dict[str, bool]:
    """Codes of the findings, and whether `repair` mends each."""
    return {
        finding.code: finding.mends
        for state in mrl_pg.status(conn, **options)
        for finding in state.findings
    }


def assert_searched(
    conn: Conn, layout: MatryoshkaIndex, key: str = "docs", *, name: str = ""
) -> None:
    """Python and SQL answer as exact search does, and by the index."""
    result = layout.search(conn, QUERY, k=5, candidates=300)
    assert result.keys == NEAREST
    plan = layout.plan(conn, QUERY, k=5, candidates=300)
    assert (name or layout.name) in indexes(explain(conn, plan))
    by_sql = conn.execute(
        f"select id from mrl.search(null::{key}, %s, %s::vector, k => 5, "
        "candidates => 300)".encode(),
        [layout.column, str(QUERY.tolist())],
    )
    assert [id for (id,) in by_sql] == NEAREST


def test_nothing_is_wrong(docs: Conn) -> None:
    assert mrl_pg.status(docs) == ()
    for keep in KEEPS:
        index(keep, name=f"by_{keep}", short=f"short_{keep}").create(docs)
    docs.execute("analyze docs")
    states = mrl_pg.status(docs, "docs", schema="public", rows=True)
    assert [(state.name, state.kept_as) for state in states] == [
        ("by_generated", "generated"),
        ("by_expression", "expression"),
    ]
    for state in states:
        assert state.ok
        assert state.usable
        assert state.registered
        assert state.index_bytes is not None
        assert state.index_bytes > 8192
        assert state.rows == len(ROWS)
        assert "nothing is wrong" in str(state)
    report = mrl_pg.repair(docs)
    assert not report.changed
    assert str(report) == "nothing to do"


def test_what_cannot_be_asked(docs: Conn) -> None:
    with pytest.raises(TableNotFound, match="other"):
        mrl_pg.status(docs, "other")
    with docs.transaction(), pytest.raises(InvalidSetting, match="autocommit=True"):
        mrl_pg.repair(docs)


RENAMES = {
    "renamed_full_column": "alter table docs rename embedding to vec",
    "renamed_short_column": f"alter table docs rename {SHORT} to brief",
    "renamed_index": f"alter index {NAME} rename to quick",
}


@pytest.mark.parametrize("keep", KEEPS)
def test_renames_are_written_down(docs: Conn, keep: Keep) -> None:
    index(keep).create(docs)
    docs.execute(
        "insert into mrl._calibrations (entry, index_name, k, filter, candidates,"
        " ef_search, share, recall, low, median_ms, p95_ms, queries, rows, m,"
        " ef_construction) select entry, index_name, 5, '', 300, 300, 1, 1, 1, 1, 1, 9,"
        " 300, 16, 64 from mrl._registry"
    )
    renames = dict(RENAMES)
    if keep == "expression":
        del renames["renamed_short_column"]
    for statement in renames.values():
        docs.execute(statement.encode())
    assert found(docs) == dict.fromkeys(renames, True)
    # by what the index is, whatever its name
    renamed = index(keep, column="vec")
    assert_searched(docs, renamed, name="quick")
    ((detail,),) = docs.execute(
        "select detail from mrl.status('docs') where finding = 'renamed_index'"
    )
    assert detail == f"index {NAME} is called quick now"
    report = mrl_pg.repair(docs)
    assert [label for label, _ in report.done] == [
        "wrote the new names into the registry"
    ]
    assert report.left == ()
    assert docs.execute("select index_name from mrl.calibrations").fetchall() == [
        ("quick",)
    ]
    short = {"short": "brief"} if keep == "generated" else {}
    assert_searched(docs, index(keep, column="vec", name="quick", **short))


def test_a_connection_notices_each_rename(docs: Conn) -> None:
    index("generated").create(docs)
    layout = index(None)
    assert layout.search(docs, QUERY, k=5, candidates=300).keys == NEAREST
    for number in range(3):
        for what in ("index", "table"):
            old = {"index": NAME, "table": SHORT}[what] if number == 0 else f"n{number}"
            change = f"alter index {old} rename to n{number + 1}"
            if what == "table":
                change = f"alter table docs rename {old} to n{number + 1}"
            docs.execute(change.encode())
            assert layout.search(docs, QUERY, k=5, candidates=300).keys == NEAREST
    docs.execute("drop index n3")
    with pytest.raises(IndexNotFound):
        layout.search(docs, QUERY, k=5)


@pytest.mark.parametrize("keep", KEEPS)
def test_a_table_that_moved_is_in_order(docs: Conn, keep: Keep) -> None:
    index(keep).create(docs)
    docs.execute("create schema other")
    docs.execute("alter table docs rename to papers")
    docs.execute("alter table papers set schema other")
    (state,) = mrl_pg.status(docs)
    assert state.ok
    assert (state.schema, state.table) == ("other", "papers")
    moved = index(keep, table="papers", schema="other")
    assert_searched(docs, moved, "other.papers", name=NAME)
    assert moved.recall(docs, sample=5, candidates=300).recall == 1
    moved.calibrate(docs, k=5, sample=20)
    result = moved.search(docs, QUERY, k=5, recall=0.9)
    assert result.promise is not None
    assert result.promise.standing != "uncalibrated"
    docs.execute(f"alter index other.{NAME} rename to quick".encode())
    with pytest.raises(IndexNotFound, match="mrl-pg repair"):
        moved.calibrate(docs, k=5, sample=20)
    mrl_pg.repair(docs)
    moved.calibrate(docs, k=5, sample=20)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("renamed", [False, True])
def test_an_index_that_is_gone_is_built_again(
    docs: Conn, keep: Keep, renamed: bool
) -> None:
    layout = index(keep)
    layout.create(docs)
    docs.execute(f"drop index {NAME}".encode())
    if renamed and keep == "generated":
        docs.execute("alter table docs rename embedding to vec")
        layout = index(keep, column="vec", short=SHORT, name=NAME)
    assert found(docs) == {"missing_index": True}
    report = mrl_pg.repair(docs)
    assert [label for label, _ in report.done] == [f"built index {NAME}"]
    assert "concurrently" in report.statements[0]
    assert report.left == ()
    assert_searched(docs, layout)


@pytest.mark.parametrize("keep", KEEPS)
def test_an_invalid_index_is_built_again(docs: Conn, keep: Keep) -> None:
    index(keep).create(docs)
    invalidate(docs)
    assert found(docs) == {"invalid_index": True}
    report = mrl_pg.repair(docs, "docs")
    assert [label for label, _ in report.done] == [
        "dropped the invalid index of that name",
        f"built index {NAME}",
    ]
    assert report.left == ()
    assert_searched(docs, index(keep))


def invalidate(conn: Conn, name: str = NAME) -> None:
    """As an interrupted concurrent build leaves an index."""
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass", [name]
    )


def test_a_short_column_that_is_gone_is_made_again(docs: Conn) -> None:
    index("generated").create(docs)
    docs.execute(f"alter table docs drop column {SHORT}".encode())
    assert found(docs) == {"missing_short_column": True}
    assert mrl_pg.repair(docs).left == ()
    assert_searched(docs, index(None))


def test_a_full_column_that_is_gone_leaves_the_registry(docs: Conn) -> None:
    index("expression").create(docs)
    docs.execute("alter table docs drop column embedding cascade")
    assert found(docs) == {"missing_full_column": True}
    assert mrl_pg.repair(docs).left == ()
    assert mrl_pg.status(docs) == ()


@pytest.mark.parametrize("keep", KEEPS)
def test_a_lost_row_of_the_registry_is_written_again(docs: Conn, keep: Keep) -> None:
    MatryoshkaIndex("docs", "embedding", dims=16, kind="bit", keep=keep).create(docs)
    index(keep).create(docs, rebuild=True)
    docs.execute("delete from mrl._registry")
    assert found(docs) == {"not_registered": True}
    assert mrl_pg.repair(docs).left == ()
    rows = docs.execute(
        "select kind, kept_as, distance from mrl.indexes order by kind"
    ).fetchall()
    assert rows == [("bit", keep, "cosine"), ("halfvec", keep, "cosine")]
    assert_searched(docs, index(keep))


def test_what_a_broken_build_left(docs: Conn) -> None:
    index("generated").create(docs)
    docs.execute("delete from mrl._registry")
    invalidate(docs)
    assert found(docs) == {"leftover_index": True}
    report = mrl_pg.repair(docs)
    assert [label for label, _ in report.done] == [f"dropped the invalid index {NAME}"]
    # the column is not dropped without asking
    assert found(docs) == {"leftover_column": False}
    assert "create the index again" in report.left[0].findings[0].remedy
    assert index("generated").create(docs).changed
    assert found(docs) == {}
    assert_searched(docs, index("generated"))


def test_objects_of_others_stay(docs: Conn) -> None:
    index("generated").create(docs)
    docs.execute(f"drop index {NAME}".encode())
    docs.execute(f"create index {NAME} on docs (n)".encode())
    # an invalid index of the same form, but not of our name
    docs.execute(
        f"create index mine on docs using hnsw ({SHORT} halfvec_l2_ops)".encode()
    )
    invalidate(docs, "mine")
    assert found(docs) == {"other_index": False, "leftover_index": False}
    report = mrl_pg.repair(docs)
    assert not report.changed
    assert "drop or rename it, then run repair" in str(report)
    docs.execute(f"alter index {NAME} rename to by_n".encode())
    assert found(docs) == {"missing_index": True, "leftover_index": False}
    assert mrl_pg.repair(docs).changed
    assert_searched(docs, index("generated"))
    docs.execute(f"alter table docs drop column {SHORT} cascade".encode())
    docs.execute(f"alter table docs add column {SHORT} text".encode())
    assert found(docs) == {"other_short_column": False}
    assert not mrl_pg.repair(docs).changed


@pytest.mark.parametrize("keep", KEEPS)
def test_a_partition_without_its_part(conn: Conn, keep: Keep) -> None:
    conn.execute(
        "create table docs (id bigint primary key, embedding vector(32)) "
        "partition by range (id);"
        "create table docs_1 partition of docs for values from (0) to (100);"
        "create table docs_2 partition of docs for values from (100) to (1000) "
        "partition by range (id);"
        "create table docs_2_1 partition of docs_2 for values from (100) to (1000)"
    )
    with conn.cursor().copy("copy docs (id, embedding) from stdin") as copy:
        for key, row in enumerate(ROWS.tolist(), 1):
            copy.write_row([key, str(row)])
    force_index(conn)
    layout = index(keep)
    layout.create(conn)
    ((definition,),) = conn.execute("select pg_get_indexdef(%s::regclass)", [NAME])
    conn.execute(f"drop index {NAME}".encode())
    # as a build that was interrupted between two partitions leaves it
    conn.execute(definition.encode())
    assert found(conn) == {"partition_without_index": True}
    report = mrl_pg.repair(conn)
    assert report.left == (), str(report)
    assert [label for label, _ in report.done] == [
        f"built index docs_1_{NAME}",
        f"attached index docs_1_{NAME}",
        f"built index docs_2_{NAME}",
        f"attached index docs_2_{NAME}",
        f"built index docs_2_1_{NAME}",
        f"attached index docs_2_1_{NAME}",
    ]
    assert_searched(conn, layout, name=f"docs_1_{NAME}")
    # a build that stopped before its last step can go on
    conn.execute("delete from mrl._registry")
    conn.execute(f"drop index {NAME}".encode())
    conn.execute(definition.encode())
    assert found(conn) == {"leftover_index": False}
    assert not mrl_pg.repair(conn).changed
    assert layout.create(conn).changed
    assert found(conn) == {}
    # a part that somebody attached under a name of his own is not built again
    for concurrently in (True, False):
        conn.execute(f"drop index {NAME}".encode())
        conn.execute(definition.encode())
        conn.execute(
            definition.replace(f"{NAME} ON ONLY public.docs", "mine ON public.docs_1")
        )
        conn.execute(f"alter index {NAME} attach partition mine".encode())
        built = layout.create(conn, concurrently=concurrently)
        assert not any("docs_1_" in label for label, _ in built.done), built
        assert found(conn) == {}
        assert_searched(conn, layout, name="mine")


def test_a_build_of_another_session_is_not_broken(docs: Conn, database: str) -> None:
    index("generated").create(docs)
    invalidate(docs)
    with connect(database) as other:
        other.execute(
            "select pg_advisory_lock(1836215405, 'docs'::regclass::oid::int4)"
        )
        assert found(docs) == {"being_built": False}
        docs.execute("delete from mrl._registry")
        assert found(docs) == {}


def test_sql_lists_the_statements(docs: Conn) -> None:
    index("expression").create(docs)
    invalidate(docs)
    for _ in range(2):
        statements = docs.execute("select mrl.repair_sql('docs')").fetchall()
        for (statement,) in statements:
            docs.execute(statement.encode())
    assert found(docs) == {}
    assert_searched(docs, index("expression"))


def test_the_async_version(docs: Conn, database: str) -> None:
    index("expression").create(docs)
    docs.execute(f"alter index {NAME} rename to quick".encode())

    async def both() -> None:
        conn = await psycopg.AsyncConnection.connect(database, autocommit=True)
        async with conn:
            (state,) = await mrl_pg.status_async(conn, "docs")
            assert [finding.code for finding in state.findings] == ["renamed_index"]
            assert (await mrl_pg.repair_async(conn, "docs")).left == ()

    asyncio.run(both())
    assert found(docs) == {}


def test_the_shell(docs: Conn, database: str) -> None:
    index("expression").create(docs)
    fine = command.mrl_pg("status", "docs", "--dsn", database)
    assert fine.returncode == 0, fine.stderr
    assert "ok" in fine.stdout
    # names are never cut
    assert "…" not in fine.stdout
    docs.execute(f"alter index {NAME} rename to quick".encode())
    broken = command.mrl_pg("status", "--json", "--dsn", database)
    assert broken.returncode == 4
    (state,) = json.loads(broken.stdout)
    assert state["findings"][0]["code"] == "renamed_index"
    assert "is called quick now" in (command.mrl_pg("status", "--dsn", database).stdout)
    planned = command.mrl_pg("repair", "--dry-run", "--dsn", database)
    assert planned.returncode == 4
    assert planned.stdout == f"select mrl._follow('public.docs', '{NAME}');\n"
    mended = command.mrl_pg("repair", "public.docs", "--dsn", database)
    assert mended.returncode == 0, mended.stderr
    assert "wrote the new names into the registry" in mended.stdout
    again = command.mrl_pg("repair", "--json", "--dsn", database)
    assert json.loads(again.stdout)["left"] == []


# ------------------------------------------------------------------ kept by a trigger

BROKEN = {
    "missing_trigger": f"drop trigger zz_mrl_{SHORT} on docs",
    "disabled_trigger": f"alter table docs disable trigger zz_mrl_{SHORT}",
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_trigger_is_put_in_order(docs: Conn, code: str) -> None:
    index("trigger").create(docs)
    assert found(docs, rows=True) == {}
    docs.execute(BROKEN[code].encode())
    docs.execute("delete from docs where id = 1")
    docs.execute(
        "insert into docs (id, embedding) values (1, %s)", [str(ROWS[0].tolist())]
    )
    docs.execute(f"update docs set {SHORT} = {SHORT} + {SHORT} where id = 3".encode())
    assert found(docs) == {code: True}
    report = mrl_pg.repair(docs, "docs")
    assert report.left == ()
    assert found(docs, rows=True) == {}
    assert_searched(docs, index("trigger"))
    docs.execute("update docs set embedding = embedding where id = 3")
    assert index("trigger").drop(docs).changed
    left = "select tgname from pg_trigger where tgrelid = 'docs'::regclass"
    assert docs.execute(left.encode()).fetchall() == []


@pytest.mark.parametrize("code", BROKEN)
def test_a_trigger_and_an_index_are_missing_at_once(docs: Conn, code: str) -> None:
    """The index cannot be built before the trigger keeps its column right."""
    index("trigger").create(docs)
    docs.execute(f"{BROKEN[code]}; drop index {index('trigger').name}".encode())
    docs.execute(f"update docs set {SHORT} = null where id = 3".encode())
    assert found(docs) == {"missing_index": True, code: True}
    with pytest.raises(IndexMismatch, match="run `mrl-pg repair`"):
        index("trigger").create(docs)
    report = mrl_pg.repair(docs, "docs")
    assert (report.left, report.refused) == ((), ())
    assert found(docs, rows=True) == {}
    assert_searched(docs, index("trigger"))


def test_wrong_rows_are_computed_again(docs: Conn) -> None:
    index("trigger").create(docs)
    docs.execute("set session_replication_role = replica")
    docs.execute(f"alter table docs enable trigger zz_mrl_{SHORT}".encode())
    docs.execute(f"update docs set {SHORT} = null where id < 4".encode())
    docs.execute("reset session_replication_role")
    assert found(docs) == {}
    assert found(docs, rows=True) == {"wrong_rows": True}
    assert not mrl_pg.repair(docs).changed
    report = mrl_pg.repair(docs, rows=True)
    assert report.left == (), report
    assert found(docs, rows=True) == {}
    assert_searched(docs, index("trigger"))


KEPT_RENAMES = {
    "full": (["embedding to vec"], {"column": "vec", "short": SHORT}),
    "short": ([f"{SHORT} to brief"], {"short": "brief"}),
    "both": (
        [f'{SHORT} to "a %1$I b"', 'embedding to "c""{d\'"'],
        {"short": "a %1$I b", "column": "c\"{d'"},
    ),
}


@pytest.mark.parametrize("which", KEPT_RENAMES)
def test_a_rename_under_a_trigger_fails_no_write(docs: Conn, which: str) -> None:
    renames, names = KEPT_RENAMES[which]
    index("trigger").create(docs)
    docs.execute("update docs set embedding = embedding where id < 9")
    for text in renames:
        docs.execute(f"alter table docs rename {text}".encode())
    layout = index("trigger", name=NAME, **names)
    column = psycopg.sql.Identifier(layout.column).as_string(docs)
    docs.execute("delete from docs where id < 4")
    for id, row in enumerate(ROWS[:3], 1):
        docs.execute(
            f"insert into docs (id, {column}) values (%s, %s)".encode(),
            [id, str(row.tolist())],
        )
    docs.execute(f"update docs set {column} = {column} where id in (5, 7)".encode())
    # searches go on before anything is repaired, and status knows why writes are slow
    assert_searched(docs, layout)
    before = found(docs, rows=True)
    assert before.pop("outdated_trigger")
    assert set(before) <= {"renamed_full_column", "renamed_short_column"}
    assert before and all(before.values())
    report = mrl_pg.repair(docs)
    assert report.left == (), report
    assert not any("computed" in label for label, _ in report.done)
    docs.execute(f"update docs set {column} = {column}".encode())
    assert found(docs, rows=True) == {}
    assert_searched(docs, layout)
    assert layout.drop(docs).changed
    left = "select tgname from pg_trigger where tgrelid = 'docs'::regclass"
    assert docs.execute(left.encode()).fetchall() == []


def test_another_column_with_the_old_name_is_not_searched(docs: Conn) -> None:
    index("trigger").create(docs)
    docs.execute(
        "alter table docs rename embedding to old; "
        "alter table docs add embedding vector(32)"
    )
    docs.execute("update docs set embedding = array_fill(1, '{32}')::vector")
    assert found(docs) == {"renamed_full_column": True, "misdirected_trigger": True}
    layout = index("trigger", column="old", short=SHORT, name=NAME)
    with pytest.raises(mrl_pg.MrlError):
        layout.search(docs, QUERY, k=5, candidates=300)
    with pytest.raises(psycopg.Error, match=r"not the halfvec|no short column"):
        docs.execute(
            "select mrl.search(null::docs, 'old', %s::vector)", [str(QUERY.tolist())]
        )
    report = mrl_pg.repair(docs)
    assert report.left == (), report
    assert found(docs, rows=True) == {}
    assert_searched(docs, layout)


def test_a_column_that_a_trigger_reads_is_not_dropped_by_chance(docs: Conn) -> None:
    index("trigger").create(docs)
    for column in ("embedding", SHORT):
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            docs.execute(f"alter table docs drop {column}".encode())
    docs.execute("drop table docs")


def test_the_schema_of_a_killed_tune_is_dropped(docs: Conn) -> None:
    made = slots.statement(
        "scratch_schema", schema=psycopg.sql.Identifier("mrl_tune_00000001000000ff")
    )
    docs.execute(made)
    # killed before its first table
    assert found(docs) == {"leftover_schema": True}
    docs.execute("create table mrl_tune_00000001000000ff.rows as table docs")
    layout = index("generated", table="rows", schema="mrl_tune_00000001000000ff")
    docs.execute("select pg_advisory_lock(x'00000001000000ff'::bigint)")
    key = "alter table mrl_tune_00000001000000ff.rows add primary key (id)"
    docs.execute(key.encode())
    layout.create(docs)
    docs.execute("delete from mrl._registry")
    # in use
    assert found(docs) == {}
    docs.execute("select pg_advisory_unlock_all()")
    assert found(docs) == {"leftover_schema": True}
    assert found(docs, table="docs") == {}
    report = mrl_pg.repair(docs)
    assert report.left == (), report
    assert found(docs) == {}
    left = "select from pg_namespace where nspname like 'mrl_tune%'"
    assert docs.execute(left.encode()).fetchall() == []
