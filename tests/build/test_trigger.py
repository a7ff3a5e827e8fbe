"""Short columns that a trigger keeps right."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors
from support.databases import connect, database_fixture, role
from support.plans import explain, force_index, indexes
from support.servers import psql, run
from support.vectors import matryoshka

from mrl_pg import IndexMismatch, MatryoshkaIndex
from mrl_pg.exchange.progress import Progress

Conn = psycopg.Connection[Any]

INDEX = MatryoshkaIndex("docs", "embedding", dims=16, keep="trigger")
ROWS = matryoshka(400, dims=32)
SHORT = "l2_normalize(subvector(embedding, 1, 16))::halfvec(16)"
NEW = str(matryoshka(1, dims=32, seed=9)[0].tolist())


def load(conn: Conn, table: str = "docs") -> None:
    with conn.cursor().copy(f"copy {table} (id, embedding) from stdin".encode()) as to:
        for key, row in enumerate(ROWS.tolist()):
            to.write_row([key, str(row)])


def prepare(conn: Conn) -> None:
    conn.execute("create table docs (id int primary key, n int, embedding vector(32))")
    load(conn)
    conn.execute("analyze docs")


database = database_fixture(prepare, used_by="docs")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table with rows."""
    return conn


def wrong(conn: Conn, short: str = INDEX.short) -> int:
    """Rows whose short value is not that of the full vector."""
    ((count,),) = conn.execute(
        f"select count(*) from docs where row({short})::record "
        f"*<> row({SHORT})::record".encode()
    )
    return int(count)


def made(conn: Conn) -> list[str]:
    """Our objects that are there: columns, triggers, functions, indexes."""
    rows = conn.execute(
        "select attname::text from pg_attribute where attrelid = 'docs'::regclass "
        "and attname like 'embedding\\_%' union all "
        "select tgname from pg_trigger where tgrelid = 'docs'::regclass union all "
        "select proname from pg_proc where proname like 'docs\\_%' union all "
        "select relname from pg_class where relname like 'docs\\_%hnsw'"
    )
    return [name for (name,) in rows]


def assert_exact(conn: Conn, index: MatryoshkaIndex = INDEX, seed: int = 7) -> None:
    """A search finds by the index what exact search finds, in Python and in SQL."""
    force_index(conn)
    query = matryoshka(1, dims=32, seed=seed)[0]
    exact = index.search(conn, query, k=5, exact=True).keys
    assert index.search(conn, query, k=5, candidates=800).keys == exact
    plan = index.plan(conn, query, k=5, candidates=800)
    assert set(indexes(explain(conn, plan))) == scanned(conn, index)
    by_sql = conn.execute(
        "select id from mrl.search(null::docs, 'embedding', %s::vector, k => 5, "
        "candidates => 800, index_name => %s)",
        [str(query.tolist()), index.name],
    )
    assert [key for (key,) in by_sql] == exact


def scanned(conn: Conn, index: MatryoshkaIndex) -> set[str]:
    """The index, or its parts on partitions."""
    rows = conn.execute(
        "select relid::regclass::text from pg_partition_tree(%s::regclass) "
        "where isleaf union select %s where not exists "
        "(select from pg_partition_tree(%s::regclass))",
        [index.name] * 3,
    )
    return {name for (name,) in rows}


# ------------------------------------------------------------------ create and drop


@pytest.mark.parametrize("concurrently", [True, False])
def test_it_is_made_and_dropped(docs: Conn, concurrently: bool) -> None:
    seen: list[Progress] = []
    before = pages(docs)
    report = INDEX.create(docs, concurrently=concurrently, progress=seen.append)
    assert (report.kept_as, report.why) == ("trigger", "as you asked")
    if concurrently:
        assert seen[0].stage == f"filling {INDEX.short}"
        assert (seen[0].done, seen[0].total) == (0, before)
    assert wrong(docs) == 0
    assert_exact(docs)
    assert not INDEX.create(docs).changed
    assert not replace(INDEX, keep=None).create(docs).changed
    assert docs.execute("select kept_as from mrl.indexes").fetchall() == [("trigger",)]
    assert INDEX.drop(docs).changed
    assert made(docs) == []
    assert not INDEX.drop(docs).changed


def pages(conn: Conn) -> int:
    ((count,),) = conn.execute(
        "select pg_relation_size('docs') / current_setting('block_size')::int"
    )
    return int(count)


@pytest.mark.parametrize("kind", ["bit", "vector"])
def test_every_kind_and_two_sizes_at_once(docs: Conn, kind: Any) -> None:
    small = replace(INDEX, dims=8, short="", name="")
    other = replace(INDEX, kind=kind, dims=32, short="", name="")
    small.create(docs)
    other.create(docs)
    assert_exact(docs, other)
    other.drop(docs)
    assert_exact(docs, small)
    second = replace(small, name="docs_second_hnsw", distance="l2")
    second.create(docs)
    small.drop(docs)
    # the second index still needs the column
    docs.execute("insert into docs values (1000, 0, %s)", [NEW])
    assert_exact(docs, second, seed=9)
    second.drop(docs)
    assert made(docs) == []


def test_sql_alone_makes_and_drops_it(docs: Conn) -> None:
    call = "'docs', 'embedding', 16, keep => 'trigger'"
    steps = docs.execute(f"select mrl.create_index_sql({call})".encode()).fetchall()
    for (statement,) in steps:
        docs.execute(statement)
    assert (
        f"call mrl.fill_short_column('public.docs', 'embedding', '{INDEX.short}')"
        in ([statement for (statement,) in steps])
    )
    assert wrong(docs) == 0
    assert_exact(docs)
    docs.execute("select mrl.drop_index('docs', 'embedding')")
    assert made(docs) == []
    with docs.transaction():
        docs.execute(f"select mrl.create_index({call})".encode())
    assert_exact(docs)


def test_a_table_above_16_mb_is_not_rewritten(conn: Conn) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=4)
    conn.execute("create table docs (id int primary key, t text, embedding vector(8))")
    conn.execute("alter table docs alter t set storage plain")
    conn.execute(
        "insert into docs select i, repeat('x', 7000), "
        "array(select random() from generate_series(1, 8) where i > 0)::vector(8) "
        "from generate_series(1, 2100) as i"
    )
    with conn.transaction(force_rollback=True):
        # the lock is there for all of it, and a rewrite is shorter
        assert index.create(conn).kept_as == "generated"
    report = index.create(conn)
    assert report.kept_as == "trigger"
    assert "would rewrite the 17 MB of the table" in str(report.why)
    assert not index.create(conn).changed
    with pytest.raises(IndexMismatch, match="is kept as trigger, not as generated"):
        replace(index, keep="generated").create(conn)


def test_what_has_the_names_already_is_left_alone(docs: Conn) -> None:
    before = "create function docs_embedding_16_halfvec_keep() returns trigger "
    docs.execute(f"{before} language plpgsql as 'begin return new; end'".encode())
    with pytest.raises(errors.DuplicateFunction, match="embedding_16_halfvec_keep"):
        INDEX.create(docs)
    docs.execute(
        "create trigger zz_mrl_embedding_16_halfvec before insert on docs "
        "for each row execute function docs_embedding_16_halfvec_keep()"
    )
    with pytest.raises(errors.DuplicateObject, match="zz_mrl_embedding_16_halfvec"):
        INDEX.create(docs)
    docs.execute(f"alter table docs add {INDEX.short} halfvec(16)".encode())
    # a column without our trigger is not ours
    with pytest.raises(IndexMismatch, match=r"it is not generated"):
        INDEX.create(docs)
    assert len(made(docs)) == 3


def test_a_dropped_table_is_made_again(docs: Conn) -> None:
    INDEX.create(docs)
    docs.execute("drop table docs")
    docs.execute("create table docs (id int primary key, n int, embedding vector(32))")
    load(docs)
    INDEX.create(docs)
    assert_exact(docs)
    INDEX.drop(docs)
    assert made(docs) == []


def test_children_are_not_seen_by_a_trigger(docs: Conn) -> None:
    docs.execute("create table child () inherits (docs)")
    with pytest.raises(errors.WrongObjectType, match="child tables"):
        INDEX.create(docs)
    assert made(docs) == []


def test_only_the_owner_may(docs: Conn, database: str) -> None:
    other = role(docs, database, "trigger_other")
    docs.execute("grant all on docs to trigger_other")
    docs.execute("grant create on schema public to trigger_other")
    INDEX.create(docs)
    with connect(other) as theirs:
        for statement in (
            f"call mrl.fill_short_column('docs', 'embedding', '{INDEX.short}')",
            f"select mrl._add_kept_column('docs', 'embedding', '{INDEX.short}', 16, "
            "'halfvec')",
        ):
            with pytest.raises(errors.InsufficientPrivilege, match="does not own"):
                theirs.execute(statement.encode())
        # whoever may write has the trigger run
        theirs.execute("insert into docs values (1000, 0, %s)", [NEW])
    assert wrong(docs) == 0
    docs.execute("drop owned by trigger_other")


def test_the_function_belongs_to_the_owner_of_the_table(
    docs: Conn, database: str
) -> None:
    role(docs, database, "trigger_owner")
    docs.execute("alter table docs owner to trigger_owner")
    INDEX.create(docs)
    assert docs.execute(
        "select proowner::regrole::text from pg_proc where proname like 'docs%keep'"
    ).fetchall() == [("trigger_owner",)]
    docs.execute("drop owned by trigger_owner")


# ------------------------------------------------------------------ writes

WRITES = (
    f"insert into docs values (1000, 0, '{NEW}')",
    "insert into docs values (1000, 0, null)",
    "insert into docs (id) values (1000)",
    f"update docs set embedding = '{NEW}' where id < 9",
    "update docs set embedding = null where id < 9",
    f"update docs set {INDEX.short} = null",
    f"update docs set {INDEX.short} = (select {INDEX.short} from docs where id = 1)",
    "update docs set n = id",
    f"insert into docs values (1, 0, '{NEW}') on conflict (id) do update set n = 7, "
    "embedding = excluded.embedding",
    f"insert into docs values (1, 0, '{NEW}') on conflict (id) do update set n = 7",
    f"insert into docs (id, embedding, {INDEX.short}) select 1000, '{NEW}', "
    f"{INDEX.short} from docs where id = 3",
    f"merge into docs using (select 1 as id) as other on docs.id = other.id "
    f"when matched then update set embedding = '{NEW}'",
)


def test_every_write_keeps_it_right(docs: Conn) -> None:
    INDEX.create(docs)
    for write in WRITES:
        with docs.transaction(force_rollback=True):
            assert docs.execute(write.encode()).rowcount
            assert wrong(docs) == 0, write
            assert_exact(docs, seed=9)
    docs.execute("truncate docs")
    load(docs)
    assert wrong(docs) == 0
    # as in a restore, and where changes are replicated
    docs.execute("set session_replication_role = replica")
    docs.execute("insert into docs values (1000, 0, %s)", [NEW])
    assert wrong(docs) == 0


def test_it_comes_after_other_triggers(docs: Conn) -> None:
    docs.execute(
        "create function turn() returns trigger language plpgsql as $$ begin "
        "new.embedding := subvector(new.embedding, 17, 16) || "
        "subvector(new.embedding, 1, 16); new.n := 5; return new; end $$"
    )
    docs.execute(
        "create trigger zz before insert or update on docs for each row "
        "execute function turn()"
    )
    INDEX.create(docs)
    assert wrong(docs) == 0
    docs.execute("insert into docs values (1000, 0, %s)", [NEW])
    docs.execute("update docs set n = 1 where id = 3")
    assert wrong(docs) == 0
    assert_exact(docs)


@pytest.mark.parametrize("concurrently", [True, False])
def test_filling_runs_other_triggers_as_a_client_does(
    docs: Conn, concurrently: bool
) -> None:
    docs.execute("create table log (id int)")
    docs.execute(
        "create function note() returns trigger language plpgsql as $$ begin "
        # found on the search path of the client alone
        "insert into log values (new.id); return new; end $$"
    )
    docs.execute(
        "create trigger a before update on docs for each row execute function note()"
    )
    docs.execute(
        "create trigger b before update on docs for each row "
        "execute function suppress_redundant_updates_trigger()"
    )
    INDEX.create(docs, concurrently=concurrently)
    assert wrong(docs) == 0
    logged = docs.execute("select count(distinct id) from log").fetchall()
    assert logged == [(len(ROWS),)]
    docs.execute("select mrl.drop_index('docs', 'embedding')")
    docs.execute("select mrl.create_index('docs', 'embedding', 16, keep => 'trigger')")
    assert wrong(docs) == 0


@pytest.mark.parametrize("concurrently", [True, False])
def test_partitions(conn: Conn, concurrently: bool) -> None:
    conn.execute(
        "create table docs (id int primary key, embedding vector(32)) "
        "partition by range (id)"
    )
    conn.execute("create table low partition of docs for values from (0) to (300)")
    conn.execute("create table high partition of docs for values from (300) to (900)")
    load(conn)
    INDEX.create(conn, concurrently=concurrently)
    assert wrong(conn) == 0
    conn.execute("create table more partition of docs for values from (900) to (2000)")
    conn.execute("insert into docs values (1000, %s)", [NEW])
    conn.execute("update docs set id = 1001 where id = 1")
    conn.execute("set session_replication_role = replica")
    conn.execute("insert into docs values (1002, %s)", [NEW])
    assert wrong(conn) == 0
    assert_exact(conn)
    assert INDEX.drop(conn).changed
    assert made(conn) == []


def test_a_dump_restores_it(
    docs: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    INDEX.create(docs)
    file = str(tmp_path / "dump.sql")
    run(pg_version, "pg_dump", "-d", database, "-f", file)
    psql(pg_version, bare_database, "-f", file)
    with connect(bare_database) as restored:
        assert not INDEX.create(restored).changed
        restored.execute("insert into docs values (1000, 0, %s)", [NEW])
        assert wrong(restored) == 0
        assert_exact(restored, seed=9)
        INDEX.drop(restored)
        assert made(restored) == []


# ------------------------------------------------------------------ what goes wrong


def test_a_search_does_not_use_what_no_trigger_keeps(docs: Conn) -> None:
    INDEX.create(docs)
    INDEX.search(docs, ROWS[0])
    trigger = f"trigger {INDEX.trigger}"
    docs.execute(f"alter table docs disable {trigger}".encode())
    with connect(docs.info.dsn) as fresh, pytest.raises(IndexMismatch):
        INDEX.search(fresh, ROWS[0])
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match="is not the halfvec"
    ) as raised:
        docs.execute("select mrl.search(null::docs, 'embedding', %s)", [NEW])
    assert f"enabled trigger {INDEX.trigger}" in str(raised.value.diag.message_detail)
    docs.execute(f"alter table docs enable always {trigger}".encode())
    INDEX.search(docs, ROWS[0])
    docs.execute(f"drop {trigger} on docs".encode())
    # noticed by a session that has searched before
    with pytest.raises(IndexMismatch):
        INDEX.search(docs, ROWS[0])


def test_wrong_values_are_not_registered(docs: Conn) -> None:
    steps = docs.execute(
        "select statement from mrl._create_steps('docs', 'embedding', 16, 'halfvec', "
        "'cosine', 16, 64, null, null, true, 'trigger', false)"
    ).fetchall()
    for (statement,) in steps[:3]:
        docs.execute(statement)
    trigger = f"trigger {INDEX.trigger}"
    docs.execute(f"alter table docs disable {trigger}".encode())
    docs.execute(f"update docs set {INDEX.short} = null where id in (7, 8)".encode())
    docs.execute(f"alter table docs enable always {trigger}".encode())
    with pytest.raises(errors.CheckViolation, match="wrong value in 2 rows") as raised:
        docs.execute(steps[3][0])
    assert '{"id": 7}' in str(raised.value.diag.message_detail)
    assert not docs.execute("select from mrl.registry").fetchall()
    INDEX.create(docs)
    assert wrong(docs) == 0


@pytest.mark.parametrize("after", range(6))
def test_interrupted_after_each_step_it_is_finished(docs: Conn, after: int) -> None:
    steps = docs.execute(
        "select statement from mrl._create_steps('docs', 'embedding', 16, 'halfvec', "
        "'cosine', 16, 64, null, null, true, 'trigger', false)"
    ).fetchall()
    assert len(steps) == 6
    for (statement,) in steps[:after]:
        docs.execute(statement)
    docs.execute("insert into docs values (1000, 0, %s)", [NEW])
    # a build without a wish goes on with what is there
    report = (INDEX if after == 0 else replace(INDEX, keep=None)).create(docs)
    assert report.kept_as == "trigger"
    assert wrong(docs) == 0
    assert_exact(docs)


class Held:
    """A fill in another thread, while a row is held; `free` lets it end."""

    def __init__(self, database: str, work: Callable[[Conn], object]) -> None:
        self.old = psycopg.connect(database)
        self.old.execute("select from docs where id = 5 for update")
        self.conn = psycopg.connect(database, autocommit=True)
        self.raised: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=[work])
        self.thread.start()

    def _run(self, work: Callable[[Conn], object]) -> None:
        try:
            work(self.conn)
        except BaseException as error:
            self.raised = error

    def free(self) -> BaseException | None:
        self.old.rollback()
        self.thread.join()
        self.old.close()
        self.conn.close()
        return self.raised


def until(conn: Conn, condition: str) -> None:
    while not conn.execute(f"select ({condition})".encode()).fetchall()[0][0]:
        time.sleep(0.01)


FILLED = (
    f"(select count(*) = {len(ROWS) - 1} from docs where {INDEX.short} is not null)"
)


@pytest.fixture
def half(docs: Conn) -> Conn:
    """A table with the column and its trigger, and no short value yet."""
    docs.execute(
        f"select mrl._add_kept_column('docs', 'embedding', '{INDEX.short}', 16, "
        "'halfvec')".encode()
    )
    return docs


def by_sql(conn: Conn) -> object:
    return conn.execute(
        f"call mrl.fill_short_column('docs', 'embedding', '{INDEX.short}')".encode()
    )


@pytest.mark.parametrize("work", [by_sql, INDEX.create], ids=["sql", "python"])
def test_it_comes_back_for_rows_that_others_hold(
    half: Conn, database: str, work: Callable[[Conn], object]
) -> None:
    held = Held(database, work)
    until(half, FILLED)
    # it holds no row while it waits
    half.execute("set lock_timeout = '1s'")
    half.execute("update docs set n = 1 where id in (4, 6)")
    half.execute("insert into docs values (1000, 0, %s)", [NEW])
    assert held.thread.is_alive()
    assert held.free() is None
    assert wrong(half) == 0


def test_a_transaction_ends_after_the_row_at_which_its_time_is_over(docs: Conn) -> None:
    """Rows 30 to 37 take longer than a transaction may, each of them."""
    docs.execute(
        "create function slow() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(0.06); return new; end $$; create trigger slow "
        "before update on docs for each row when (old.id between 30 and 37) "
        "execute function slow()"
    )
    INDEX.create(docs)
    together = docs.execute(
        "select count(*) filter (where id between 30 and 37) from docs group by xmin"
    )
    assert max(slow for (slow,) in together) == 1
    assert wrong(docs) == 0


def test_a_fill_that_is_killed_goes_on(half: Conn, database: str) -> None:
    held = Held(database, INDEX.create)
    until(half, FILLED)
    half.execute("select pg_terminate_backend(%s)", [held.conn.info.backend_pid])
    assert isinstance(held.free(), errors.OperationalError)
    with pytest.raises(errors.UndefinedObject):
        half.execute("select mrl.search(null::docs, 'embedding', %s)", [NEW])
    INDEX.create(half)
    assert wrong(half) == 0
    assert_exact(half)


def test_writes_while_it_is_made(docs: Conn, database: str) -> None:
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(database, autocommit=True) as own:
            random = np.random.default_rng(3)
            for key in range(10_000, 20_000):
                if stop.is_set():
                    return
                row = random.standard_normal(32)
                own.execute(
                    "insert into docs values (%s, 1, %s)", [key, str(row.tolist())]
                )
                own.execute(
                    "update docs set embedding = embedding + %s::vector where id = %s",
                    [str(row.tolist()), int(random.integers(len(ROWS)))],
                )
                own.execute("delete from docs where id = %s", [key - 5])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        INDEX.create(docs)
    finally:
        stop.set()
        writer.join()
    assert wrong(docs) == 0
    assert_exact(docs)
