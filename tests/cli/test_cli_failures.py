"""A server that gives up, or is not there: what `mrl-pg` says, and its exit code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.command import mrl_pg
from support.databases import Server, connect, role
from support.tables import make_table
from support.vectors import matryoshka
from typer.main import get_command

from mrl_pg import MatryoshkaIndex
from mrl_pg.build import online
from mrl_pg.cli.app import app
from mrl_pg.errors.failures import FAILURES

DESCRIBED = ("docs", "embedding", "--dims", "32")

FAIL = """
create function fail(state text, said text) returns boolean language plpgsql as $$
begin
    if state = '57P01' then
        perform pg_terminate_backend(pg_backend_pid());
        return true;
    end if;
    raise exception using errcode = state, message = said;
end
$$
"""


@dataclass(frozen=True, slots=True)
class Docs:
    """A database with rows and without an index, and a file with a query."""

    url: str
    query: Path


@pytest.fixture(scope="module")
def docs(
    pg_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Docs]:
    query = tmp_path_factory.mktemp("failures") / "query.npy"
    vectors = matryoshka(20)
    np.save(query, vectors[0])
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, vectors)
        conn.execute(FAIL)
        yield Docs(url, query)


def search_where(docs: Docs, where: str, dsn: str = "") -> CompletedProcess[str]:
    """An exact search, whose filter does what is to fail."""
    return mrl_pg(
        *("search", *DESCRIBED, "--query", docs.query, "--exact", "--json"),
        *("--filter", where, "--dsn", dsn or docs.url),
    )


def said(done: CompletedProcess[str], code: int, *words: str) -> str:
    """The one line of an error, after a look at what must be so of each."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    return line


SHARED = (
    'could not resize shared memory segment "/PostgreSQL.1804289383" to 8388608 bytes: '
    "No space left on device"
)


@pytest.mark.parametrize(
    ("state", "message", "code", "words"),
    [
        ("53100", "No space left on device", 9, "make room"),
        ("53100", SHARED, 9, "--shm-size"),
        ("53100", SHARED, 9, "--workers 0"),
        ("53200", "out of memory", 9, "--maintenance-work-mem"),
        ("53400", "temporary file size exceeds", 9, "temp_file_limit"),
        ("53000", "no more", 9, "out of resources"),
        ("40001", "could not serialize access", 10, "run the command again"),
        ("40P01", "deadlock detected", 10, "deadlock"),
        ("25P04", "transaction timeout", 8, "transaction_timeout"),
        ("57P01", "", 6, "the server went away"),
        ("57P03", "starting up", 6, "try again in a moment"),
        ("22012", "division by zero", 1, "division by zero"),
    ],
)
def test_what_the_server_says_while_it_works(
    docs: Docs, state: str, message: str, code: int, words: str
) -> None:
    """All of these used to exit with 6 or 1, and none said what to do."""
    done = search_where(docs, f"fail('{state}', '{message}')")
    said(done, code, message, words)


def test_the_flags_in_next_steps_are_real() -> None:
    create = get_command(app).commands["create"]  # type: ignore[attr-defined]
    # the last is docker's
    known = {flag for option in create.params for flag in option.opts} | {"--shm-size"}
    named = re.findall(r"--[a-z-]+", " ".join(f.step for f in FAILURES.values()))
    assert set(named) <= known


def test_a_statement_timeout(docs: Docs) -> None:
    dsn = make_conninfo(docs.url, options="-c statement_timeout=50")
    done = search_where(docs, "pg_sleep(60) is not null", dsn)
    said(done, 8, "statement timeout", "PGOPTIONS='-c statement_timeout=0'")


def test_a_lock_timeout_names_who_holds_the_lock(
    docs: Docs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 80 tries take a minute and a half
    monkeypatch.setattr(online, "FIRST_TRIES", 2)
    monkeypatch.setattr(online, "LOCK_TRIES", 1)
    dsn = make_conninfo(docs.url, options="-c lock_timeout=50")
    with connect(docs.url) as other, other.transaction():
        other.execute("lock table docs in share mode")
        done = mrl_pg("create", *DESCRIBED, "--dsn", dsn)
        holder = f"process {other.info.backend_pid} of role postgres holds locks since"
    said(done, 8, "lock timeout", "lock_timeout=0")
    assert holder in done.stderr
    assert "idle in transaction" in done.stderr


def test_a_transaction_that_is_read_only(docs: Docs) -> None:
    dsn = make_conninfo(docs.url, options="-c default_transaction_read_only=on")
    said(mrl_pg("create", *DESCRIBED, "--dsn", dsn), 11, "read-only", "primary")


def test_rights_that_are_missing(docs: Docs) -> None:
    with connect(docs.url) as conn:
        stranger = role(conn, docs.url, "failures_stranger")
    done = search_where(docs, "true", stranger)
    said(done, 11, "permission denied for table docs", "owner")


def test_a_role_without_connections(docs: Docs) -> None:
    with connect(docs.url) as conn:
        full = role(conn, docs.url, "failures_full")
        conn.execute("alter role failures_full connection limit 0")
    said(mrl_pg("indexes", "--dsn", full), 9, "too many connections", "pooler")


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ({"user": "nobody_of_that_name"}, 11, "does not exist"),
        ({"dbname": "nothing"}, 2, 'database "nothing" does not exist'),
        ({"host": "/nowhere"}, 6, "is it running?"),
        ({"host": "127.0.0.1,127.0.0.1", "port": "1"}, 6, "is it running?"),
        ({"host": "name.invalid"}, 6, "cannot reach the server"),
    ],
)
def test_a_connection_that_does_not_come_about(
    docs: Docs, wrong: dict[str, str], code: int, words: str
) -> None:
    dsn = make_conninfo(docs.url, **{"password": "s3cret", **wrong})
    line = said(mrl_pg("indexes", "--dsn", dsn), code, words)
    assert "s3cret" not in line


def test_every_exit_code_is_in_the_help_and_on_the_errors_page() -> None:
    page = (Path(__file__).parents[2] / "docs/errors.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (\d+) \| ", page, re.MULTILINE)
    codes = {failure.exit_code for failure in FAILURES.values()}
    assert {int(code) for code in table} == {0, 1, *range(2, 12), 130}
    assert codes <= {int(code) for code in table}
    helped = re.findall(r"(\d+) [a-z]", app.info.epilog or "")
    assert helped == table


def test_python_gets_the_errors_of_the_driver(docs: Docs) -> None:
    dsn = make_conninfo(docs.url, options="-c default_transaction_read_only=on")
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with connect(dsn) as conn, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        index.create(conn)
