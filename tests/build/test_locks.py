"""The locks of each step are those that docs/live.md names, read from pg_locks."""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, TypeAlias

import psycopg
import pytest
from support.databases import Conn, connect
from support.pages import ROOT
from support.tables import make_table
from support.vectors import matryoshka
from support.verbs import MODES, intercepted, looked_at, strongest, text_of

from mrl_pg import MatryoshkaIndex
from mrl_pg.build import create, drop, keep_as, repair
from mrl_pg.build.switch_column import switch_column
from mrl_pg.exchange import Exchange, Request, Send, run
from mrl_pg.kinds import Keep
from mrl_pg.layout import ColumnLayout
from mrl_pg.load.update_input import UpdateTarget, from_memory

ROWS = matryoshka(60, dims=32)

Verb: TypeAlias = Callable[[Conn, MatryoshkaIndex], Exchange[Any]]

ROW = re.compile(r"^\| (?P<step>[^|]+) \| [^|`]*`(?P<mode>[A-Z ]+)`", re.MULTILINE)

PAGE = (ROOT / "docs/live.md").read_text(encoding="utf-8")

MODERATE = "SHARE UPDATE EXCLUSIVE"

LOCKS = {
    found["step"]: found["mode"]
    for found in ROW.finditer(PAGE.split("\n## Locks\n")[1].split("\n## ")[0])
}
"""What the page says: the lock of each step."""


def creates(conn: Conn, index: MatryoshkaIndex) -> Exchange[Any]:
    return create.create(conn, index, rebuild=True)


def drops(conn: Conn, index: MatryoshkaIndex) -> Exchange[Any]:
    return drop.drop(conn, index)


def repairs(conn: Conn, index: MatryoshkaIndex) -> Exchange[Any]:
    return repair._repair(conn, "docs", "", True, False)


DROPPED = "drop an expression index, outside a transaction"

STEPS: dict[tuple[Keep, Verb, bool], dict[str, str]] = {
    ("expression", creates, False): {
        "create index concurrently": "expression index, concurrently",
        "select mrl._check_graph": "check the graph of a new index on a sample",
    },
    ("expression", creates, True): {
        "create index": "expression index in a transaction",
    },
    ("expression", drops, False): {"drop index concurrently": DROPPED},
    ("expression", drops, True): {"drop index": "drop an index in a transaction"},
    ("trigger", creates, False): {
        "select mrl._add_kept_column": "column with a trigger: add both",
        "select mrl._fill_next": "… fill it in batches",
        "create index concurrently": "… build its index, concurrently",
        "select mrl._check_values": "… check every value",
    },
    ("trigger", creates, True): {
        "select mrl._add_kept_column": "… all of it in a transaction",
    },
    ("trigger", drops, False): {"drop index": "drop a column with its index"},
    ("generated", creates, False): {"alter table": "generated column"},
    ("generated", drops, False): {"drop index": "drop a column with its index"},
}
"""How statements begin, and their step, by way, verb and whether in a transaction."""


@pytest.fixture
def docs(conn: Conn) -> Conn:
    make_table(conn, ROWS)
    conn.execute("create index on docs using hnsw (embedding vector_cosine_ops)")
    return conn


@pytest.fixture
def other(database: str) -> Iterator[Conn]:
    with connect(database) as second:
        yield second


def held(
    conn: Conn, other: Conn, verb: Exchange[Any], relation: str = "docs"
) -> list[tuple[str, str | None]]:
    """The statements of a verb in order, each with the strongest lock on a table."""
    pid = conn.info.backend_pid
    found: list[tuple[str, str | None]] = []

    def look(text: str) -> None:
        found.append((" ".join(text.split()), strongest(other, pid, relation)))

    run(conn, looked_at(verb, other.info.dsn, pid, look))
    return found


def above(mode: str | None) -> bool:
    """Whether a lock keeps others from writing or reading."""
    return mode is not None and MODES.index(mode) > MODES.index(MODERATE)


def assert_as_on_the_page(
    found: list[tuple[str, str | None]], steps: dict[str, str], *, lasting: bool = False
) -> None:
    """Each step has its lock; during a moment's strong lock, nothing else is sent."""
    before: str | None = None
    for text, mode in found:
        step = next((steps[start] for start in steps if text.startswith(start)), None)
        if step is not None:
            assert mode == LOCKS[step], text
        # a strong lock comes with a step that is on the page
        assert step or not above(mode) or (lasting and above(before)), text
        before = mode
    for start in steps:
        assert any(text.startswith(start) for text, _ in found), start


@pytest.mark.parametrize(
    ("keep", "verb", "inside"),
    STEPS,
    ids=[f"{k}-{v.__name__}{'-inside' * i}" for k, v, i in STEPS],
)
def test_each_step_has_the_lock_that_the_page_names(
    docs: Conn, other: Conn, keep: Keep, verb: Verb, inside: bool
) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16, keep=keep)
    if verb is not creates:
        index.create(docs, rebuild=True)
    with docs.transaction() if inside else nullcontext():
        found = held(docs, other, verb(docs, index))
    lasting = inside or (keep, verb) == ("generated", creates)
    assert_as_on_the_page(found, STEPS[keep, verb, inside], lasting=lasting)


def test_mrl_create_index_has_the_same_locks(docs: Conn, other: Conn) -> None:
    call = "select mrl.create_index('docs', 'embedding', 16, keep => %s)"
    for keep in ("expression", "trigger"):
        with docs.transaction(force_rollback=True):
            docs.execute(call.encode(), [keep])
            (step,) = STEPS[keep, creates, True].values()
            assert strongest(other, docs.info.backend_pid) == LOCKS[step]


def test_a_lock_in_a_transaction_lasts_until_it_ends(docs: Conn, other: Conn) -> None:
    assert "each of these locks lasts until you commit or roll back" in PAGE
    index = MatryoshkaIndex("docs", "embedding", dims=16, keep="expression")
    steps = {
        "expression index in a transaction": index.create,
        "drop an index in a transaction": index.drop,
    }
    pid = docs.info.backend_pid
    for step, verb in steps.items():
        with docs.transaction():
            verb(docs)
            docs.execute("select 1")
            assert strongest(other, pid) == LOCKS[step]
        assert strongest(other, pid) is None


INDEX = MatryoshkaIndex("docs", "embedding", dims=16, keep="expression")
PART_INDEX = f"docs_low_{INDEX.name}"
PARTED = {
    "docs": (
        f"create index {INDEX.name} on only",
        "partitioned table: its own index, without the parts",
    ),
    PART_INDEX: ("alter index", "… attach the index of a partition"),
}


@pytest.fixture
def parts(conn: Conn) -> Conn:
    conn.execute(
        "create table docs (id int primary key, n int, embedding vector(32)) "
        "partition by range (id)"
    )
    conn.execute("create table docs_low partition of docs for values from (0) to (9)")
    return conn


@pytest.mark.parametrize("relation", PARTED, ids=["table", "index"])
def test_a_partitioned_table_is_indexed_in_moments(
    parts: Conn, other: Conn, relation: str
) -> None:
    found = held(parts, other, creates(parts, INDEX), relation)
    assert_as_on_the_page(found, dict([PARTED[relation]]))


EXCHANGED = "`keep-as`: exchange the names"


def test_an_index_is_kept_in_another_way_without_a_lock_on_the_table(
    docs: Conn, other: Conn
) -> None:
    INDEX.create(docs)
    verb = keep_as.keep_as(docs, INDEX, "trigger")
    found = held(docs, other, verb, INDEX.name)
    assert_as_on_the_page(found, {"select mrl._swap_kept": EXCHANGED})


BROKEN = {
    "drop trigger {} on docs": "select mrl._make_keeper",
    "alter table docs disable trigger {}": "alter table",
}
MENDED = "repair: make or enable a trigger"
COMPUTED = "… compute wrong values, in batches"


def with_broken_trigger(conn: Conn, broken: str) -> MatryoshkaIndex:
    index = MatryoshkaIndex("docs", "embedding", dims=16, keep="trigger")
    index.create(conn)
    conn.execute(broken.format(index.trigger).encode())
    conn.execute(
        "update docs set embedding = (select embedding from docs where id = 9) "
        "where id < 9"
    )
    return index


@pytest.mark.parametrize("broken", BROKEN, ids=["missing", "disabled"])
def test_a_trigger_is_repaired_in_a_moment(
    docs: Conn, other: Conn, broken: str
) -> None:
    index = with_broken_trigger(docs, broken)
    found = held(docs, other, repairs(docs, index))
    assert_as_on_the_page(found, {BROKEN[broken]: MENDED, "call": COMPUTED})


COUNTED = (
    "switch to the column of another model: count the rows without a new vector, "
    "before and after"
)


def test_rows_without_a_new_vector_are_counted_as_by_a_reader(
    docs: Conn, other: Conn
) -> None:
    docs.execute("alter table docs add column other vector(32)")
    docs.execute("update docs set other = embedding")
    for column in ("embedding", "other"):
        MatryoshkaIndex("docs", column, dims=16, keep="expression").create(docs)
    verb = switch_column(docs, ColumnLayout("docs", "embedding"), "other", False)
    found = held(docs, other, verb)
    starts = ["select mrl.switch_column(", "select pg_catalog.count("]
    assert_as_on_the_page(found, dict.fromkeys(starts, COUNTED))


ADDED = "`load --update --add-column`: add the column"
WRITTEN = "… `load --update`: write vectors in batches"


def test_vectors_of_another_model_are_written_as_by_a_writer(
    docs: Conn, other: Conn
) -> None:
    target = UpdateTarget("docs", None, "other", None, "id", True, False, "vector")
    keys = {"id": list(range(len(ROWS)))}
    verb = from_memory(docs, ROWS, target, keys, None, None)
    found = held(docs, other, verb)
    assert_as_on_the_page(found, {"alter table": ADDED, "with mrl_file": WRITTEN})


def test_no_lock_on_the_page_is_left_out() -> None:
    tested = {step for steps in STEPS.values() for step in steps.values()}
    tested |= {step for _, step in PARTED.values()}
    tested |= {EXCHANGED, MENDED, COMPUTED, COUNTED, ADDED, WRITTEN}
    assert tested == set(LOCKS)


# ------------------------------------------------------------------ a moment


def tried_again(
    conn: Conn, other: Conn, verb: Exchange[Any], start: str
) -> Exchange[Any]:
    """The same verb while a writer holds the table until its first try has ended.

    `start` is how the statement begins that waits for the writer.
    """
    sent: list[str] = []

    def handle(request: Request) -> Exchange[object]:
        text = " ".join(text_of(request).split())
        if text.startswith(start):
            (row,) = yield Send("select current_setting('lock_timeout') as lasts")
            # short, because others wait behind it
            assert row["lasts"] == "50ms"
            sent.append("tried")
        if "pg_sleep" not in text:
            return (yield request)
        sent.append("slept")
        # nothing is held between two tries, so that whoever came meanwhile passes
        assert strongest(other, conn.info.backend_pid) is None
        with connect(other.info.dsn) as successor:
            successor.execute("set lock_timeout = '5s'")
            assert successor.execute("update docs set n = 5 where id = 1").rowcount == 1
        writer.rollback()
        return []

    with psycopg.connect(other.info.dsn) as writer:
        writer.execute("lock table docs in row exclusive mode")
        result = yield from intercepted(verb, handle)
    assert sent == ["tried", "slept", "tried"]
    return result


MOMENTS: list[tuple[Keep, Verb, str]] = [
    ("trigger", creates, "select mrl._add_kept_column"),
    ("generated", creates, "alter table"),
    ("trigger", drops, "drop index"),
    ("generated", drops, "drop index"),
]


@pytest.mark.parametrize(
    ("keep", "verb", "start"), MOMENTS, ids=[f"{k}-{v.__name__}" for k, v, _ in MOMENTS]
)
def test_what_needs_a_moment_gives_up_and_tries_again(
    docs: Conn, other: Conn, keep: Keep, verb: Verb, start: str
) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16, keep=keep)
    if verb is drops:
        index.create(docs, rebuild=True)
    run(docs, tried_again(docs, other, verb(docs, index), start))
    there = docs.execute("select usable from mrl.indexes").fetchall()
    assert there == ([] if verb is drops else [(True,)])


@pytest.mark.parametrize("broken", BROKEN, ids=["missing", "disabled"])
def test_repair_gives_up_and_tries_again(docs: Conn, other: Conn, broken: str) -> None:
    index = with_broken_trigger(docs, broken)
    verb = repairs(docs, index)
    run(docs, tried_again(docs, other, verb, BROKEN[broken]))
    assert not docs.execute(
        "select from mrl.status(check_rows => true) where finding is not null"
    ).fetchall()


def test_a_partitioned_table_gives_up_and_tries_again(parts: Conn, other: Conn) -> None:
    parts.execute("insert into docs (id) values (1)")
    start, _ = PARTED["docs"]
    run(parts, tried_again(parts, other, creates(parts, INDEX), start))
    assert not INDEX.create(parts).changed
