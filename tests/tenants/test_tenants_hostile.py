"""Tenants as nobody should have them: odd keys, jobs that meet or break off."""

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pgvector.sqlalchemy import VECTOR
from psycopg import errors, sql
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, create_engine, select
from support.databases import Conn, connect, role
from support.plans import explain, first_pass, force_index, indexes
from support.scratch import sqlalchemy_url
from support.sql_calls import ids, one, text
from support.tables import make_table
from support.tenants import LARGE, carry_out, set_tenants, tenants_table
from support.vectors import distances, matryoshka
from support.verbs import intercepted, text_of

from mrl_pg import MatryoshkaColumn
from mrl_pg.build.tenants import run_tenants
from mrl_pg.errors import BuildRunning, IndexMismatch, MrlError, TableError
from mrl_pg.exchange import Exchange, Request, Send, run
from mrl_pg.sqlalchemy import search

VECTORS = matryoshka(400)
QUERY = VECTORS[0] * 0.6 + VECTORS[300] * 0.4
COLUMN = MatryoshkaColumn("docs", "embedding")

ODD = {
    "quotes": "it's \"quoted\" \\ and \\' more",
    "placeholders": "100%s %(mrl_query)s $1 $17 :name",
    "slots": "{k} {names} {{filter}} }{",
    "words": "Zürich 東京 \U0001f4a1 e\u0301",
    "lines": "one\ntwo\t-- three /* four",
    "dollars": "$$ $mrl_pg$ $sql$",
    "empty": "",
    "spaces": "  padded  ",
    "null": "NULL",
    "long": "".join(random.Random(1).choices("abcdefghij", k=1900)),
}


def stock(conn: Conn, key: str, **options: Any) -> list[int]:
    """`docs`, whose first half is of the tenant with this key; returns its rows."""
    make_table(conn, VECTORS, analyze=False)
    conn.execute("alter table docs add tenant_id text")
    conn.execute("update docs set tenant_id = case when id <= 200 then %s end", [key])
    # a tenant too small for an index
    conn.execute("update docs set tenant_id = %s where id > 380", [key + "?"])
    conn.execute("create index on docs (tenant_id)")
    set_tenants(conn, **{"threshold": 100, "dims": 32, "kind": "halfvec", **options})
    return [*range(1, 201)]


def nearest(rows: list[int], k: int = 10) -> list[int]:
    far = distances(VECTORS[np.array(rows) - 1], QUERY, "cosine")
    return [rows[place] for place in np.argsort(far, kind="stable")[:k]]


@pytest.mark.parametrize("name", ODD)
def test_odd_keys(conn: Conn, database: str, name: str) -> None:
    key = ODD[name]
    rows = stock(conn, key)
    report = COLUMN.run_tenants(conn, measure=True, calibrate=True)
    (state,) = report.indexes
    assert (state.tenant, state.state) == (key, "valid")
    assert state.recall is not None
    assert not state.wants_calibration
    assert COLUMN.run_tenants(conn).steps == ()
    conn.execute("vacuum analyze docs")
    force_index(conn)
    asked: dict[str, Any] = {"tenant": key, "candidates": 200}
    plan = COLUMN.plan(conn, QUERY, **asked)
    assert first_pass(explain(conn, plan)) == [state.index_name]
    truth = nearest(rows)
    assert list(COLUMN.search(conn, QUERY, **asked).keys) == truth
    assert ids(conn, QUERY, **asked) == truth
    small: dict[str, Any] = {"tenant": key + "?"}
    few = nearest([*range(381, 401)])
    assert list(COLUMN.search(conn, QUERY, **small).keys) == few
    assert ids(conn, QUERY, **small) == few
    # beside a filter with parameters of its own
    filter: dict[str, Any] = {
        "filter": "n < %s and title <> %s",
        "params": [50, "%s"],
    }
    some = [row for row in rows if row % 100 < 50]
    assert list(COLUMN.search(conn, QUERY, **asked, **filter).keys) == nearest(some)
    in_sql: dict[str, Any] = {
        "filter": "n < $1::int and title <> $2",
        "args": ["50", "$1"],
    }
    assert ids(conn, QUERY, **asked, **in_sql) == nearest(some)
    statement = one(
        conn,
        "select mrl.search_sql('docs', 'embedding', tenant => %s, candidates => 200)",
        key,
    )
    printed = conn.execute(
        f"prepare kept as {statement}; execute kept ('{text(QUERY)}')".encode()
    )
    while printed.nextset():
        pass
    assert [row[0] for row in printed.fetchall()] == truth
    found = COLUMN.search(conn, QUERY, tenant=key, recall=0.9)
    assert found.promise is not None
    # measured, where exact search was as fast
    assert found.promise.standing in ("rows", "measured")
    _by_sqlalchemy(database, key, truth)
    assert COLUMN.drop_tenants(conn).indexes == ()


def _by_sqlalchemy(database: str, key: str, truth: list[int]) -> None:
    table = Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", VECTOR(64)),
        Column("tenant_id", Text),
    )
    engine = create_engine(sqlalchemy_url(database))
    with engine.connect() as connection:
        statement = search(
            select(table.c.id),
            table.c.embedding,
            QUERY,
            candidates=200,
            tenant=key,
            on=connection,
        )
        assert list(connection.scalars(statement)) == truth
    engine.dispose()


def test_a_key_too_long_for_the_registry_is_searched_exactly(conn: Conn) -> None:
    key = "".join(random.Random(2).choices("abcdefghij", k=2300))
    rows = stock(conn, key)
    assert COLUMN.run_tenants(conn).steps == ()
    found = COLUMN.search(conn, QUERY, tenant=key)
    assert (list(found.keys), found.scan) == (nearest(rows), "exact")


def test_a_key_that_looks_like_null_is_not_the_missing_key(conn: Conn) -> None:
    stock(conn, "NULL")
    assert COLUMN.run_tenants(conn).indexes[0].rows == 200
    # 180 rows have no key at all
    assert one(conn, "select count(*) from docs where tenant_id is null") == 180


def test_two_jobs_at_once(conn: Conn, database: str) -> None:
    rows = stock(conn, "a")
    start = threading.Barrier(3)
    outcomes: list[str] = []

    def work() -> None:
        with connect(database) as own:
            start.wait()
            try:
                COLUMN.run_tenants(own)
            except BuildRunning:
                outcomes.append("refused")
            else:
                outcomes.append("done")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in outcomes
    assert [state.state for state in COLUMN.tenants(conn)] == ["valid"]
    assert COLUMN.run_tenants(conn).steps == ()
    assert list(COLUMN.search(conn, QUERY, tenant="a", candidates=200).keys) == nearest(
        rows
    )


class Killed(Exception):
    """The job ends here."""


def test_a_job_that_ends_between_two_steps_is_finished_by_the_next(conn: Conn) -> None:
    rows = stock(conn, "a", most=2)
    truth = nearest(rows)
    asked: dict[str, Any] = {"tenant": "a", "candidates": 200}

    def breaks_off(place: int) -> bool:
        """Whether the run ended before its request of this number."""
        count = 0

        def handle(request: Request) -> Exchange[object]:
            nonlocal count
            if isinstance(request, Send) and _changes(text_of(request)):
                count += 1
                if count == place:
                    raise Killed
            return (yield request)

        try:
            run(conn, intercepted(run_tenants(conn, COLUMN), handle))
        except Killed:
            return True
        return False

    def all_ways() -> int:
        place = 0
        while breaks_off(place := place + 1):
            assert list(COLUMN.search(conn, QUERY, **asked).keys) == truth
            COLUMN.run_tenants(conn, dry_run=True)
        assert list(COLUMN.search(conn, QUERY, **asked).keys) == truth
        assert COLUMN.run_tenants(conn).steps == ()
        return place

    # registered, built
    assert all_ways() >= 2
    assert [state.state for state in COLUMN.tenants(conn)] == ["valid"]
    # dropped, forgotten
    set_tenants(conn, threshold=300, dims=32, kind="halfvec")
    conn.execute("update docs set tenant_id = null where id <= 180")
    truth = nearest([*range(181, 201)])
    assert all_ways() >= 2
    assert COLUMN.tenants(conn) == ()


def _changes(statement: str) -> bool:
    return any(
        word in statement
        for word in ("index concurrently", "_know_tenant", "_forget_tenant")
    )


def test_a_build_that_the_server_ends_leaves_nothing_wrong(
    conn: Conn, database: str
) -> None:
    rows = stock(conn, "a")
    with connect(database) as holder, connect(database) as victim:
        # an old transaction, for which a concurrent build waits at its end
        holder.execute("begin isolation level repeatable read; select 1")
        pid = victim.info.backend_pid
        ended: list[BaseException] = []

        def work() -> None:
            try:
                COLUMN.run_tenants(victim)
            except Exception as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        waiting = (
            "select exists (select from pg_stat_progress_create_index"
            " where pid = %s and phase like %s)"
        )
        for _ in range(600):
            if one(conn, waiting, pid, "waiting for old snapshots%"):
                break
            conn.execute("select pg_sleep(0.05)")
        conn.execute("select pg_terminate_backend(%s, 5000)", [pid])
        thread.join()
        holder.execute("rollback")
    assert ended
    (state,) = COLUMN.tenants(conn)
    assert state.state == "invalid"
    assert list(COLUMN.search(conn, QUERY, tenant="a").keys) == nearest(rows)
    steps = COLUMN.run_tenants(conn).steps
    assert [step.statement.split()[0] for step in steps] == ["drop", "create"]
    assert [state.state for state in COLUMN.tenants(conn)] == ["valid"]


GONE: dict[str, tuple[str, type[MrlError]]] = {
    "key": ("alter table docs drop tenant_id", TableError),
    "full": ("alter table docs drop embedding", TableError),
    "table": ("drop table docs", TableError),
}


@pytest.mark.parametrize("what", GONE)
def test_what_goes_while_the_job_is_on_its_way(conn: Conn, what: str) -> None:
    statement, kind = GONE[what]
    stock(conn, "a")
    done: list[str] = []

    def handle(request: Request) -> Exchange[object]:
        if isinstance(request, Send) and "_know_tenant" in text_of(request):
            yield Send(statement)
            done.append(statement)
        return (yield request)

    with pytest.raises(kind):
        run(conn, intercepted(run_tenants(conn, COLUMN), handle))
    assert done == [statement]


def test_what_goes_between_two_runs(conn: Conn) -> None:
    stock(conn, "a")
    COLUMN.run_tenants(conn)
    conn.execute("alter table docs drop tenant_id")
    with pytest.raises(TableError, match=r"call mrl\.set_tenants again"):
        COLUMN.run_tenants(conn)
    with pytest.raises(TableError, match=r"call mrl\.set_tenants again"):
        COLUMN.search(conn, QUERY, tenant="a")
    # what is left can be taken back
    COLUMN.drop_tenants(conn)
    assert one(conn, "select count(*) from mrl.tenants") == 0


def test_after_the_full_column_was_dropped_it_can_be_forgotten(conn: Conn) -> None:
    stock(conn, "a")
    carry_out(conn)
    conn.execute("alter table docs drop embedding")
    conn.execute("select mrl.set_tenants('docs', 'embedding', null)")
    assert one(conn, "select count(*) from mrl.tenants") == 0
    assert one(conn, "select count(*) from mrl.tenant_indexes") == 0


def test_a_key_of_another_type_gets_its_index_again(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn, threshold=100, dims=32, kind="halfvec")
    carry_out(conn)
    truth = nearest([*range(1, 201)])
    asked: dict[str, Any] = {"tenant": LARGE, "candidates": 200}
    conn.execute("alter table docs alter tenant_id type bigint")
    conn.execute("vacuum analyze docs")
    force_index(conn)
    # not by an index that the planner cannot use, but by that of the key
    found = COLUMN.search(conn, QUERY, **asked)
    assert (found.scan, list(found.keys)) == ("exact", truth)
    plan = COLUMN.plan(conn, QUERY, **asked)
    assert "docs_tenant_id_idx" in indexes(explain(conn, plan))
    assert ids(conn, QUERY, tenant="1", candidates=200) == truth
    what = [step.statement.split()[0] for step in COLUMN.run_tenants(conn).steps]
    assert what == ["drop", "select", "create"]
    plan = COLUMN.plan(conn, QUERY, **asked)
    (state,) = COLUMN.tenants(conn)
    assert first_pass(explain(conn, plan)) == [state.index_name]
    assert list(COLUMN.search(conn, QUERY, **asked).keys) == truth
    assert COLUMN.run_tenants(conn).steps == ()


def test_a_name_that_is_taken_is_an_error_of_ours(conn: Conn) -> None:
    stock(conn, "a")
    (name, *_) = {
        step.index_name for step in COLUMN.run_tenants(conn, dry_run=True).steps
    }
    conn.execute(sql.SQL("create table {} ()").format(sql.Identifier(str(name))))
    with pytest.raises(IndexMismatch, match="rename or drop"):
        COLUMN.run_tenants(conn)
    conn.execute(sql.SQL("drop table {}").format(sql.Identifier(str(name))))
    COLUMN.run_tenants(conn)
    assert [state.state for state in COLUMN.tenants(conn)] == ["valid"]


CALLS: dict[str, Callable[[Conn], object]] = {
    "set": lambda conn: COLUMN.set_tenants(conn, "title"),
    "run": COLUMN.run_tenants,
    "drop": COLUMN.drop_tenants,
    "calibrate": lambda conn: COLUMN.calibrate_tenant(conn, "a"),
    "keep": lambda conn: COLUMN.tenant_recall(conn, "a", keep=True),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_role_without_rights_changes_nothing(
    conn: Conn, database: str, what: str
) -> None:
    stock(conn, "a")
    COLUMN.run_tenants(conn)
    before = conn.execute("select * from mrl._tenant_indexes").fetchall()
    role(conn, database, "tenant_guest")
    conn.execute("grant select on docs to tenant_guest")
    with connect(database) as guest:
        guest.execute("set role tenant_guest")
        with pytest.raises((errors.InsufficientPrivilege, TableError)):
            CALLS[what](guest)
        # but it may measure for itself, and search
        assert COLUMN.tenant_recall(guest, "a", sample=5).recall is not None
        assert COLUMN.tenants(guest) == ()
    assert conn.execute("select * from mrl._tenant_indexes").fetchall() == before
    assert one(conn, "select count(*) from mrl._tenant_calibrations") == 0


def test_a_job_from_which_a_policy_hides_rows_does_nothing(
    conn: Conn, database: str
) -> None:
    stock(conn, "a")
    COLUMN.run_tenants(conn)
    role(conn, database, "tenant_owner")
    conn.execute(
        "alter table docs owner to tenant_owner;"
        "alter table docs enable row level security;"
        "alter table docs force row level security;"
        "create policy few on docs using (id > 300)"
    )
    with connect(database) as owner:
        owner.execute("set role tenant_owner")
        # it would see no row of the tenant, and drop the index
        with pytest.raises(errors.InsufficientPrivilege, match="hides rows"):
            COLUMN.run_tenants(owner)
        assert [state.state for state in COLUMN.tenants(owner)] == ["valid"]
        conn.execute("alter table docs no force row level security")
        assert COLUMN.run_tenants(owner).steps == ()


def test_churn_between_low_and_threshold_builds_nothing(conn: Conn) -> None:
    stock(conn, "a", threshold=150, low=60)
    COLUMN.run_tenants(conn)
    draw = random.Random(3)
    for _ in range(8):
        conn.execute(
            "update docs set tenant_id = case when id <= %s then %s end"
            " where id <= 300",
            [draw.randint(60, 300), "a"],
        )
        assert COLUMN.run_tenants(conn).steps == ()
    # one tenant grows as the other shrinks
    for rows, changes in (
        (59, ["drop", "select"]),
        (149, []),
        (150, ["select", "create"]),
    ):
        conn.execute(
            "update docs set tenant_id = case when id <= %s then %s end"
            " where id <= 300",
            [rows, "a"],
        )
        steps = COLUMN.run_tenants(conn).steps
        assert [step.statement.split()[0] for step in steps] == changes
