"""The commands on a database: results on stdout, chatter on stderr, exit codes."""

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg.conninfo import make_conninfo
from support.command import mrl_pg
from support.databases import Conn, connect
from support.tables import make_table
from support.vectors import matryoshka, nearest
from typer.main import get_command
from typer.testing import CliRunner

from mrl_pg import connect as connecting
from mrl_pg.arguments import split_table
from mrl_pg.cli import app as command_line
from mrl_pg.cli.app import app
from mrl_pg.cli.options import connection
from mrl_pg.cli.rows import show
from mrl_pg.cli.search import read_queries, read_query
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange import run
from mrl_pg.installation import VERSION, read_version


@pytest.fixture
def docs(conn: Conn) -> np.ndarray:
    vectors = matryoshka(1000)
    make_table(conn, vectors)
    return vectors


@pytest.mark.parametrize("read", [read_query, read_queries])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("zip.npy", b"PK\x03\x04junk"),
        ("cut.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'"),
        ("empty.npy", b""),
        ("pickle.npy", b"\x80\x04N."),
        ("empty.json", b""),
        ("deep.json", b"[" * 100_000),
        ("latin.json", b"[1, \xe9]"),
    ],
)
def test_a_file_that_holds_no_query(
    read: Callable[[Path, str], Any], name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidFile, match=rf"^{name}"):
        read(tmp_path / name, "embedding")


def test_queries_beyond_a_float(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_text(f"[[{10**400}, 1]]")
    with pytest.raises(
        InvalidFile, match="row 1: a whole number in the vector is beyond"
    ):
        read_queries(tmp_path / "big.json", "embedding")


def test_the_way_from_create_to_drop(
    database: str, docs: np.ndarray, tmp_path: Path
) -> None:
    describe = ("docs", "embedding", "--dims", "32", "--dsn", database)
    made = mrl_pg("create", *describe)
    assert made.returncode == 0, made.stderr
    assert "built index docs_embedding_32_halfvec_cosine_hnsw" in made.stdout
    assert "using --dsn" in made.stderr
    again = json.loads(mrl_pg("create", *describe, "--json").stdout)
    assert (again["changed"], again["index_bytes"] > 0) == (False, True)

    listed = json.loads(mrl_pg("indexes", "--json", "--dsn", database).stdout)
    assert [(row["short_column"], row["usable"]) for row in listed] == [
        ("embedding_32_halfvec", True)
    ]

    np.save(tmp_path / "query.npy", docs[7])
    query = ("--query", str(tmp_path / "query.npy"))
    found = json.loads(mrl_pg("search", *describe, *query, "--json").stdout)
    assert [hit["key"] for hit in found["hits"]] == nearest(docs, docs[7])
    assert found["candidates"] == found["seen"] == 160
    shown = mrl_pg("search", *describe, *query, "--columns", "title,n", "--k", "3")
    assert "title 8" in shown.stdout
    assert len(re.findall(r"title \d+", shown.stdout)) == 3

    dropped = mrl_pg("drop", *describe)
    assert "dropped column embedding_32_halfvec" in dropped.stdout
    assert "nothing to do" in mrl_pg("drop", *describe).stdout


def test_dims_and_kind_come_from_the_registry(
    database: str, docs: np.ndarray, tmp_path: Path
) -> None:
    where = ("docs", "embedding", "--dsn", database)
    np.save(tmp_path / "query.npy", docs[7])
    query = ("--query", str(tmp_path / "query.npy"), "--json")
    refused = mrl_pg("search", *where, *query)
    assert refused.returncode == 4
    assert (
        "docs.embedding has no short column yet: run `mrl-pg create`" in refused.stderr
    )
    exact = json.loads(mrl_pg("search", *where, *query, "--exact").stdout)
    assert [hit["key"] for hit in exact["hits"]] == nearest(docs, docs[7])
    for shape in (("16", "halfvec"), ("64", "bit")):
        made = mrl_pg("create", *where, "--dims", shape[0], "--kind", shape[1])
        assert made.returncode == 0, made.stderr
        waited = "readers and writers waited for the table for 0."
        nobody = "nobody had to wait for the table"
        # a second index has a column only if a trigger fills it, or none
        assert (waited if shape[0] == "16" else nobody) in made.stdout

    def index(*more: str) -> str:
        found = mrl_pg("search", *where, *query, *more)
        assert found.returncode == 0, found.stderr
        return str(json.loads(found.stdout)["index"])

    # the one in use is the oldest until another is chosen
    assert index() == index("--dims", "16") == "docs_embedding_16_halfvec_cosine_hnsw"
    bits = "docs_embedding_64_bit_cosine_hnsw"
    assert index("--dims", "64") == index("--kind", "bit") == bits
    wrong = mrl_pg("search", *where, *query, "--kind", "vector")
    assert wrong.returncode == 4
    assert "there are: 16 halfvec (cosine), 64 bit (cosine)" in wrong.stderr
    # a command that drops does not choose
    vague = mrl_pg("drop", *where)
    assert vague.returncode == 2
    assert (
        "2 short columns that fit: 16 halfvec (cosine), 64 bit (cosine)" in vague.stderr
    )
    assert mrl_pg("drop", *where, "--kind", "bit").returncode == 0
    assert mrl_pg("drop", *where).returncode == 0
    missing = mrl_pg("calibrate", "docs", "title", "--dsn", database)
    assert missing.returncode == 3
    assert "title" in missing.stderr


def test_in_a_pipe_rows_are_lines_with_tabs_and_whole_values(
    database: str, docs: np.ndarray, conn: Conn
) -> None:
    title = "a [bold]title[/bold] " + 60 * "long "
    conn.execute("update docs set title = %s || E'\\tend' where id = 1", [title])
    where = ("docs", "embedding", "--dsn", database)
    found = mrl_pg(
        *("search", *where, "--exact", "--query", "-", "--columns", "title,n"),
        *("--where", "n <= %(most)s", "--param", "most=1"),
        text=json.dumps(docs[0].tolist()),
    )
    assert found.returncode == 0, found.stderr
    heads, *lines = found.stdout.splitlines()
    assert heads.split("\t") == ["key", "distance", "title", "n"]
    first = next(line for line in lines if line.startswith("1\t"))
    assert first.split("\t")[2] == f"{title}\\tend"
    assert {line.split("\t")[3] for line in lines} <= {"0", "1"}
    mrl_pg("create", *where, "--dims", "16")
    for command in ("indexes", "status"):
        heads, line = mrl_pg(command, "--dsn", database).stdout.splitlines()
        assert len(heads.split("\t")) == len(line.split("\t")) == 8
        assert "docs_embedding_16_halfvec_cosine_hnsw" in line.split("\t")
    bad = mrl_pg("search", *where, "--query", "-", "--param", "most", text="[1]")
    assert bad.returncode == 2
    assert "--param 'most' has no name or no value" in bad.stderr


def test_on_a_terminal_rows_are_a_table_and_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    show(("key", "title"), [("42", "[red]0123456789" * 5)])
    said = capsys.readouterr().out
    assert "\t" not in said
    assert "".join(re.findall(r"[\[\]a-z0-9]+", said)).count("0123456789") == 5
    assert "…" not in said


def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def warns() -> int:
        warnings.simplefilter("default")
        warnings.warn("rows are not of length 1", stacklevel=1)
        return 0

    monkeypatch.setattr(command_line, "app", lambda prog_name: warns())
    done = mrl_pg("indexes")
    assert done.stderr == "warning: rows are not of length 1\n"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("mrl-pg search ", {"docs", "other.docs"}),
        ("mrl-pg search d", {"docs"}),
        ("mrl-pg calibrate docs ", {"embedding"}),
        ("mrl-pg drop other.docs ", {"vec"}),
        ("mrl-pg drop nowhere ", set()),
    ],
)
def test_a_shell_completes_tables_and_columns(
    database: str,
    docs: np.ndarray,
    conn: Conn,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    found: set[str],
) -> None:
    conn.execute("create schema other")
    conn.execute("create table other.docs (id int primary key, vec halfvec(8), t text)")
    conn.execute("create table plain (id int primary key, t text)")
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("_MRL_PG_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", words)
    done = mrl_pg()
    assert set(re.findall(r'"([\w.]+)"', done.stdout)) == found, done


def test_no_server_is_no_error_in_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("_MRL_PG_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "mrl-pg search ")
    done = mrl_pg()
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


def test_a_graph_has_a_name(database: str, docs: np.ndarray) -> None:
    describe = ("create", "docs", "embedding", "--dims", "32", "--dsn", database)
    for wrong, words in (
        (("--graph", "best"), "--graph 'best': choose from usual, better"),
        (("--graph", "better", "--m", "8"), "--graph better is m 32, ef_construction"),
    ):
        refused = mrl_pg(*describe, *wrong)
        assert refused.returncode == 2
        assert words in refused.stderr
    made = mrl_pg(*describe, "--graph", "better")
    assert made.returncode == 0, made.stderr
    with connect(database) as conn:
        graph = conn.execute("select m, ef_construction from mrl.indexes").fetchall()
    assert graph == [("32", "200")]


def test_search_reads_json_from_stdin_and_filters(
    database: str, docs: np.ndarray
) -> None:
    found = mrl_pg(
        *("search", "docs", "embedding", "--dims", "32", "--exact", "--query", "-"),
        *("--filter", "n %% 2 = 0", "--json", "--dsn", database),
        text=json.dumps(docs[0].tolist()),
    )
    assert found.returncode == 0, found.stderr
    hits = json.loads(found.stdout)["hits"]
    assert len(hits) == 10
    assert all(hit["key"] % 2 == 0 for hit in hits)


def test_an_embedded_server_gets_the_schema(
    bare_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody else owns the server, only `install` makes it."""
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
    target = connecting.Target(bare_database, "a server", embedded=True)
    monkeypatch.setattr(connecting, "resolve", lambda *given, **named: target)

    def version(*, installs: bool) -> str | None:
        with connection(None, None, 18, installs=installs) as conn:
            return run(conn, read_version())

    assert version(installs=False) is None
    target = replace(target, embedded=False)
    assert version(installs=True) is None
    target = replace(target, embedded=True)
    assert version(installs=True) == VERSION


def test_install_tells_what_it_found(bare_database: str) -> None:
    first = mrl_pg("install", "--dsn", bare_database)
    assert first.returncode == 5
    assert "create extension vector" in first.stderr
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
    assert mrl_pg("install", "--dsn", bare_database).stdout.startswith("installed mrl")
    again = json.loads(mrl_pg("install", "--json", "--dsn", bare_database).stdout)
    assert again["found"] == again["version"]
    assert mrl_pg("uninstall", "--dsn", bare_database).stdout.startswith("removed")
    missing = mrl_pg("indexes", "--dsn", bare_database)
    assert (missing.returncode, missing.stdout) == (5, "")
    assert "mrl-pg install" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "nowhere", "embedding", "--dims", "32"), 3, "nowhere"),
        (("create", "docs", "title", "--dims", "32"), 3, "type text"),
        (("create", "docs", "embedding", "--dims", "65"), 2, "dims=65"),
        (("create", "docs", "embedding", "--dims", "9", "--kind", "int"), 2, "'int'"),
        (("create", "docs", "embedding"), 2, "dims"),
        (
            ("search", "docs", "embedding", "--dims", "32", "--query", "none.json"),
            2,
            "none.json",
        ),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    database: str, docs: np.ndarray, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = mrl_pg(*arguments, "--dsn", database)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_search_before_create_says_what_to_run(
    database: str, docs: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "q.json").write_text(json.dumps(docs[0].tolist()))
    done = mrl_pg(
        *("search", "docs", "embedding", "--dims", "32"),
        *("--query", str(tmp_path / "q.json"), "--dsn", database),
    )
    assert done.returncode == 4
    assert "mrl-pg create" in done.stderr


def test_a_server_that_is_not_there_is_exit_code_6() -> None:
    done = mrl_pg("indexes", "--dsn", "postgresql://localhost:1/none")
    assert done.returncode == 6
    assert "cannot reach the server" in done.stderr


def test_every_command_teaches() -> None:
    commands = ("demo", "load", "install", "uninstall", "create", "drop")
    for command in (*commands, "indexes", "search"):
        text = mrl_pg(command, "--help").stdout
        assert f"Example: mrl-pg {command}" in text
        assert "--dsn" in text


def test_help_is_shown_as_it_is_written() -> None:
    """`[default: 10]` used to be read as markup, and vanished."""
    known = get_command(app).commands  # type: ignore[attr-defined]
    seen = 0
    for name, command in known.items():
        wide = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "400"})
        for option in command.params:
            if "default: " in (option.help or ""):
                assert option.help.replace("\\[", "[") in wide.stdout
                seen += 1
    assert seen > 10


def test_text_of_a_table_is_never_read_as_markup(
    database: str, docs: np.ndarray, conn: Conn, tmp_path: Path
) -> None:
    """A title with `[/b]` in it used to end in a traceback."""
    conn.execute("update docs set title = '[/b] [red]' || title")
    conn.execute('alter table docs rename column title to "[/i]"')
    conn.execute('alter table docs rename to "a.[/b]"')
    np.save(tmp_path / "query.npy", docs[7])
    describe = ('"a.[/b]"', "embedding", "--dims", "32", "--dsn", database)
    assert mrl_pg("create", *describe).returncode == 0
    shown = mrl_pg(
        *("search", *describe, "--query", str(tmp_path / "query.npy"), "-k", "2"),
        *("--columns", "[/i]"),
    )
    assert shown.returncode == 0, shown.stderr
    assert "[/b] [red]title 8" in shown.stdout
    assert "[/i]" in shown.stdout
    listed = mrl_pg("indexes", "--dsn", database)
    assert listed.returncode == 0, listed.stderr
    assert "[/b]" in listed.stdout


def test_a_column_called_distance_stays_apart_from_the_true_distance(
    database: str, docs: np.ndarray, conn: Conn, tmp_path: Path
) -> None:
    conn.execute("alter table docs rename column n to distance")
    np.save(tmp_path / "query.npy", docs[7])
    found = mrl_pg(
        *("search", "docs", "embedding", "--dims", "32", "--exact", "-k", "1"),
        *("--query", str(tmp_path / "query.npy"), "--columns", "distance, title"),
        *("--json", "--dsn", database),
    )
    (hit,) = json.loads(found.stdout)["hits"]
    assert hit["distance"] == pytest.approx(0, abs=1e-5)
    assert hit["columns"] == {"distance": 8, "title": "title 8"}


def test_a_search_that_was_cut_short_says_so(
    database: str, docs: np.ndarray, tmp_path: Path
) -> None:
    by_index = "-c enable_seqscan=off -c enable_sort=off -c enable_bitmapscan=off"
    dsn = make_conninfo(database, options=by_index)
    describe = ("docs", "embedding", "--dims", "32", "--dsn", dsn)
    assert mrl_pg("create", *describe).returncode == 0
    np.save(tmp_path / "query.npy", docs[7])
    query = ("--query", str(tmp_path / "query.npy"), "--filter", "n < 1")
    limits = ("--candidates", "10", "--ef-search", "20", "--max-scan-tuples", "1")
    shown = mrl_pg("search", *describe, *query, *limits)
    assert shown.returncode == 0, shown.stderr
    (told,) = (line for line in shown.stderr.splitlines() if "candidates" in line)
    assert "raise --max-scan-tuples" in told
    assert "--exact" in told
    found = json.loads(mrl_pg("search", *describe, *query, *limits, "--json").stdout)
    assert (found["cut_short"], found["ef_search"]) == (True, 20)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("docs", ("", "docs")),
        ("Schema.Docs", ("Schema", "Docs")),
        ('"a.b"', ("", "a.b")),
        ('s."a ""b"""', ("s", 'a "b"')),
        ('"x.y"."a.b"', ("x.y", "a.b")),
    ],
)
def test_a_table_is_named_as_in_sql(text: str, names: tuple[str, str]) -> None:
    assert split_table(text) == names


@pytest.mark.parametrize("text", ["", "a.b.c", '"a', "a.", ".a", 'a"b'])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="quote each part"):
        split_table(text)


def test_a_quoted_table_from_load_to_drop(
    bare_database: str, docs: np.ndarray, tmp_path: Path
) -> None:
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
    np.save(tmp_path / "docs.npy", docs)
    np.save(tmp_path / "query.npy", docs[0])
    assert mrl_pg("install", "--dsn", bare_database).returncode == 0
    file = str(tmp_path / "docs.npy")
    name = '"a.b"'
    describe = (name, "embedding", "--dims", "32", "--dsn", bare_database)
    for arguments in (
        ("load", file, name, "embedding", "--dsn", bare_database),
        ("create", *describe),
        ("search", *describe, "--query", str(tmp_path / "query.npy")),
        ("drop", *describe),
    ):
        done = mrl_pg(*arguments)
        assert done.returncode == 0, done.stderr
