"""`mrl-pg tune`: words and JSON on stdout, exit codes, what --help teaches."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.command import mrl_pg
from support.databases import Conn
from support.tables import make_table
from support.vectors import Vectors, matryoshka

QUICK = ("--recall", "0.9", "--sample", "40", "--sizes", "16,32")


@pytest.fixture
def docs(conn: Conn) -> Vectors:
    vectors = matryoshka(800)
    make_table(conn, vectors)
    return vectors


def test_tune_recommends_and_leaves_nothing(
    database: str, docs: Vectors, conn: Conn, tmp_path: Path
) -> None:
    np.save(tmp_path / "q.npy", matryoshka(30, seed=2))
    done = mrl_pg(
        *("tune", "docs", "embedding", *QUICK, "--tries", "1", "--no-rival"),
        *("--queries", str(tmp_path / "q.npy"), "--dsn", database, "--json"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["read"]["rows"], answer["read"]["queries"]) == (800, 30)
    # the page is passed on: where the file lies is nobody's business
    assert answer["read"]["origin"] == "q.npy"
    assert len(answer["built"]) == 1
    assert answer["recommendation"]["measured"]
    assert {option["kind"] for option in answer["options"]} == {"halfvec", "bit"}
    left = conn.execute("select from pg_namespace where nspname like 'mrl_tune%'")
    assert left.fetchall() == []
    words = mrl_pg("tune", "docs", "embedding", *QUICK, "--plan", "--dsn", database)
    assert words.returncode == 0, words.stderr
    assert re.search("^(Recommended|The best short index): ", words.stdout, re.M)
    # what is printed last is what people run
    printed = [x for x in words.stdout.splitlines() if x.startswith("mrl-pg ")]
    np.save(tmp_path / "query.npy", docs[3])
    for line in printed:
        given = line.replace("query.npy", str(tmp_path / "query.npy")).split()[1:]
        done = mrl_pg(*given, "--dsn", database)
        assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in printed] == ["create", "calibrate", "search"]
    assert "--recall 0.9 " in printed[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere", "embedding"), 3, "nowhere"),
        (("docs", "title"), 3, "type text"),
        (("docs", "embedding", "--recall", "99"), 2, "recall=99"),
        (("docs", "embedding", "--sizes", "16,x"), 2, "whole numbers"),
        (("docs", "embedding", "--kinds", "int8"), 2, "int8"),
        (("docs", "embedding", "--queries-sql", "selekt"), 2, "cannot run"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    database: str, docs: Vectors, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = mrl_pg("tune", *arguments, "--plan", "--dsn", database)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches() -> None:
    text = " ".join(mrl_pg("tune", "--help").stdout.split())
    assert "Example: mrl-pg tune docs embedding --k 10 --recall 0.99" in text
    assert "with rows as queries the target is stricter" in text
    assert "--minutes" in text
    assert "never written to" in text
    assert "--queries-sql" in text
    assert "--no-storage" in text
