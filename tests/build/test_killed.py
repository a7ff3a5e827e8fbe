"""Verbs that break off at each step in turn, and are then run again."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from psycopg import OperationalError
from support.databases import SETTINGS, Conn, connect, connection_fixture
from support.folders import temporary_folder
from support.plans import explain, force_index, indexes
from support.servers import wait
from support.tables import make_table
from support.vectors import matryoshka
from support.verbs import held_up, intercepted, text_of
from support.versions import one_version

import mrl_pg
from mrl_pg import IndexMismatch, IndexNotFound, MatryoshkaIndex, server
from mrl_pg.build import create, drop
from mrl_pg.exchange import Exchange, Request, Send, run
from mrl_pg.kinds import Keep
from mrl_pg.server import postmaster

ROWS = matryoshka(60, dims=32)
QUERY = matryoshka(1, dims=32, seed=7)[0]

Verb: TypeAlias = Callable[[Conn, MatryoshkaIndex], Exchange[Any]]

STEPS = (
    *("select -- 1836215405", "select pg_catalog.pg_advisory_unlock", "lock table"),
    *("create ", "drop ", "alter ", "select mrl._", "select mrl.register"),
    *("select mrl.unregister", "EndTransaction"),
)
"""How the requests begin that do something; others read, or change settings."""


def prepare(conn: Conn) -> None:
    make_table(conn, ROWS)
    conn.execute("create index docs_full on docs using hnsw (embedding vector_ip_ops)")
    force_index(conn)


docs = connection_fixture(prepare)


def index(keep: Keep) -> MatryoshkaIndex:
    return MatryoshkaIndex("docs", "embedding", dims=16, keep=keep)


def creates(conn: Conn, layout: MatryoshkaIndex) -> Exchange[Any]:
    return create.create(conn, layout, rebuild=True)


def drops(conn: Conn, layout: MatryoshkaIndex) -> Exchange[Any]:
    return drop.drop(conn, layout)


# ------------------------------------------------------------------ how it breaks off


def gone(watcher: Conn, pid: int) -> None:
    """Wait for the end of a server process."""
    asked = "select from pg_stat_activity where pid = %s"
    wait("a backend's end", lambda: not watcher.execute(asked, [pid]).fetchall())


def hang_up(conn: Conn) -> None:
    """The client goes without a word, as if it was killed."""
    with socket.socket(fileno=os.dup(conn.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


CANCELLED = Send("do $$ begin raise query_canceled; end $$")
"""A statement that is answered as one that was cancelled."""


def broken_off(
    conn: Conn, watcher: Conn, verb: Exchange[Any], at: int, how: str
) -> Exchange[Any]:
    """The same verb until its step `at`, which is not carried out."""
    step = 0

    def handle(request: Request) -> Exchange[object]:
        nonlocal step
        if not " ".join(text_of(request).split()).startswith(STEPS):
            return (yield request)
        step += 1
        if step != at + 1:
            return (yield request)
        if how == "cancel" and isinstance(request, Send):
            return (yield CANCELLED)
        pid = conn.info.backend_pid
        if how == "client":
            hang_up(conn)
        else:
            # a commit cannot be cancelled
            watcher.execute("select pg_terminate_backend(%s)", [pid])
        gone(watcher, pid)
        return (yield request)

    return intercepted(verb, handle)


def breaks_off(
    docs: Conn, verb: Verb, layout: MatryoshkaIndex, at: int, how: str
) -> bool:
    """Whether a verb has a step `at`; then it broke off there."""
    with connect(docs.info.dsn) as conn:
        try:
            run(conn, broken_off(conn, docs, verb(conn, layout), at, how))
        except OperationalError:
            return True
    return False


# ------------------------------------------------------------------ what is left


def made(conn: Conn) -> set[str]:
    """Our objects that are there: columns, triggers, functions, indexes."""
    rows = conn.execute(
        "select attname::text from pg_attribute where attrelid = 'docs'::regclass "
        "and attname like 'embedding\\_%' union all "
        "select tgname from pg_trigger where tgrelid = 'docs'::regclass union all "
        "select proname from pg_proc where proname like 'docs\\_%' union all "
        "select relname from pg_class where relname like 'docs\\_%hnsw'"
    )
    return {name for (name,) in rows}


def rows(conn: Conn) -> Any:
    """All rows, as one value."""
    text = "select md5(string_agg(row(id, n, title, embedding)::text, '' order by id))"
    return conn.execute(f"{text} from docs".encode()).fetchall()


def assert_answers(conn: Conn, layout: MatryoshkaIndex) -> None:
    """A search goes by the index and finds what exact search finds."""
    exact = layout.search(conn, QUERY, k=5, exact=True).keys
    assert layout.search(conn, QUERY, k=5, candidates=200).keys == exact
    plan = layout.plan(conn, QUERY, k=5, candidates=200)
    assert indexes(explain(conn, plan)) == [layout.name]


def assert_nothing_half_made_is_used(conn: Conn, layout: MatryoshkaIndex) -> None:
    """A search answers rightly or refuses; status names whatever is left."""
    states = mrl_pg.status(conn, "docs")
    assert states or not made(conn)
    complete = conn.execute(
        "select from pg_index where indexrelid = to_regclass(%s) and indisvalid",
        [layout.name],
    ).fetchall()
    if complete:
        assert_answers(conn, layout)
        return
    assert all(state.findings for state in states)
    # a session that searched before answers without the index, if it is only invalid
    with (
        connect(conn.info.dsn) as fresh,
        pytest.raises((IndexNotFound, IndexMismatch)),
    ):
        layout.search(fresh, QUERY, k=5)


def assert_whole(conn: Conn, layout: MatryoshkaIndex) -> None:
    """The index is complete, and every short value right."""
    (state,) = mrl_pg.status(conn, "docs", rows=True)
    assert state.ok and state.usable and state.registered, state
    assert_answers(conn, layout)


# ------------------------------------------------------------------ each step in turn

FEWEST: dict[Keep, tuple[int, int]] = {
    "expression": (5, 3),
    "trigger": (12, 3),
    "generated": (5, 3),
}
"""How many steps a create and a drop have at least."""

LOST = ("client", "terminate")


@pytest.mark.parametrize("lost", [False, True], ids=["cancelled", "lost"])
@pytest.mark.parametrize("keep", FEWEST)
def test_what_broke_off_at_any_step_is_finished(
    docs: Conn, keep: Keep, lost: bool
) -> None:
    """A lost connection is that of a killed client, and in turn of a killed backend."""
    layout, before = index(keep), rows(docs)
    steps, at, going = {creates: 0, drops: 0}, 0, True
    while going:
        going = False
        # a verb that has no step `at` any more is carried out
        for verb in steps:
            how = LOST[at % 2] if lost else "cancel"
            if breaks_off(docs, verb, layout, at, how):
                going = True
                steps[verb] += 1
                assert_nothing_half_made_is_used(docs, layout)
                run(docs, verb(docs, layout))
            if verb is creates:
                assert_whole(docs, layout)
            else:
                assert made(docs) == set()
                assert mrl_pg.status(docs, "docs") == ()
            assert rows(docs) == before
        at += 1
    few_creates, few_drops = FEWEST[keep]
    assert steps[creates] >= few_creates
    assert steps[drops] >= few_drops


WAITS = {"for a writer": 1, "for an old snapshot": 2}


@pytest.mark.parametrize("how", ["cancel", "client", "terminate"])
@pytest.mark.parametrize("waits", WAITS)
def test_a_concurrent_statement_that_was_hit_while_it_waits_is_finished(
    docs: Conn, waits: str, how: str
) -> None:
    layout, before = index("expression"), rows(docs)
    hit_while_waiting(docs, creates, layout, WAITS[waits], how)
    assert_nothing_half_made_is_used(docs, layout)
    run(docs, creates(docs, layout))
    assert_whole(docs, layout)
    if waits == "for a writer":
        # a drop waits for nobody else
        hit_while_waiting(docs, drops, layout, 1, how)
        assert_nothing_half_made_is_used(docs, layout)
    run(docs, drops(docs, layout))
    assert made(docs) == set()
    assert mrl_pg.status(docs, "docs") == ()
    assert rows(docs) == before


def hit_while_waiting(
    docs: Conn, verb: Verb, layout: MatryoshkaIndex, at: int, how: str
) -> None:
    """Break off a verb while its concurrent statement waits for the `at`-th time."""
    with connect(docs.info.dsn) as conn:
        pid = conn.info.backend_pid

        def hit() -> None:
            if how == "client":
                hang_up(conn)
            else:
                with connect(docs.info.dsn) as other:
                    other.execute(f"select pg_{how}_backend({pid})".encode())

        with pytest.raises(OperationalError):
            run(conn, hit_at(conn, verb(conn, layout), "index concurrently", at, hit))
    # without its client, a server process goes on until its statement has ended
    gone(docs, pid)


def hit_at(
    conn: Conn, verb: Exchange[Any], part: str, at: int, hit: Callable[[], object]
) -> Exchange[Any]:
    """The same verb; `hit` is called the `at`-th time that it comes to a statement.

    If the statement is concurrent, then the `at`-th time that it waits for others.
    """
    times = 0

    def count() -> None:
        nonlocal times
        times += 1
        if times == at:
            hit()

    def handle(request: Request) -> Exchange[object]:
        if part not in text_of(request):
            return (yield request)
        if "index concurrently" not in part:
            count()
            return (yield request)
        with held_up(conn.info.dsn, conn.info.backend_pid, count):
            return (yield request)

    try:
        return (yield from intercepted(verb, handle))
    finally:
        assert times >= at


# ------------------------------------------------------------------ the whole server


LASTING = {**SETTINGS, "synchronous_commit": "on"}


@one_version
def test_a_crash_of_the_server_loses_nothing() -> None:
    hits: list[tuple[Keep, str, int]] = [
        ("expression", "index concurrently", 2),
        ("trigger", "mrl._fill_next", 2),
    ]
    with (
        temporary_folder() as folder,
        server.embedded(folder / "data", settings=LASTING) as running,
    ):
        with connect(running.url()) as conn:
            mrl_pg.install(conn)
            prepare(conn)
            before = rows(conn)
        for keep, part, at in hits:
            layout = index(keep)
            crash(running.url(), running.directory, layout, part, at)
            # the same address
            server.start(running.directory)
            with connect(running.url()) as conn:
                force_index(conn)
                assert_nothing_half_made_is_used(conn, layout)
                run(conn, creates(conn, layout))
                assert_whole(conn, layout)
                assert rows(conn) == before
                run(conn, drops(conn, layout))


def crash(url: str, folder: Path, layout: MatryoshkaIndex, part: str, at: int) -> None:
    """Kill the postmaster when a create comes to a statement for the `at`-th time."""

    def kill() -> None:
        process = postmaster.running(folder)
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        wait("the server's end", lambda: postmaster.running(folder) is None)

    with connect(url) as conn, pytest.raises(OperationalError):
        run(conn, hit_at(conn, creates(conn, layout), part, at, kill))
