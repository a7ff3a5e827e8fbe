"""`mrl-pg calibrate`, `mrl-pg recall` and `mrl-pg search --recall` on a database."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.calibrations import never_exact
from support.command import mrl_pg
from support.databases import Conn, connect, database_fixture
from support.tables import make_table
from support.vectors import least_far, matryoshka

from mrl_pg import MatryoshkaIndex

# what the commands ask is asked of both servers by tests of the verbs

INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
VECTORS = matryoshka(500)


def prepare(conn: Conn) -> None:
    make_table(conn, VECTORS)
    INDEX.create(conn)
    conn.execute("analyze docs")
    never_exact(conn)


database = database_fixture(prepare, used_by="describe")


@pytest.fixture
def describe(database: str) -> tuple[str, ...]:
    """A table with an index, as arguments of a command."""
    return ("docs", "embedding", "--dims", "32", "--dsn", database)


@pytest.fixture
def queries(tmp_path: Path) -> tuple[str, ...]:
    """Thirty queries in a file."""
    np.save(tmp_path / "queries.npy", matryoshka(30, seed=5))
    return ("--queries", str(tmp_path / "queries.npy"))


def test_calibrate_shows_the_front_and_what_a_recall_takes(
    conn: Conn, describe: tuple[str, ...]
) -> None:
    done = mrl_pg(*("calibrate", *describe, "--k", "5", "-k", "20", "--sample", "200"))
    assert done.returncode == 0, done.stderr
    for words in ("k\tcandidates\t", "\n5\t", "\n20\t", "measured on 200 rows"):
        assert words in done.stdout
    for target in ("0.9", "0.95", "0.99", "0.999"):
        assert done.stdout.count(f"recall {target}: ") == 2
    kept = conn.execute("select distinct k, queries from mrl.calibrations order by 1")
    assert kept.fetchall() == [(5, 200), (20, 200)]
    promise = INDEX.search(conn, VECTORS[0], k=5, recall=0.9).promise
    assert promise is not None
    took = f"{promise.candidates} candidates, ef_search {promise.ef_search}, "
    assert f"recall 0.9: {took}" in done.stdout
    asked = ("--k", "5", "--recall", "0.8", "--quantile", "0.5")
    done = mrl_pg(*("recall", *describe, *asked, "--sample", "5"))
    assert done.returncode == 0, done.stderr
    assert "recall 0.8, quantile 0.5: " in done.stderr
    assert " % of 200 rows of the table found at least 0.8 (" in done.stderr


def test_calibrate_says_whose_queries_it_measured_with(
    describe: tuple[str, ...], queries: tuple[str, ...]
) -> None:
    rows = mrl_pg("calibrate", *describe, "--sample", "50")
    assert "real queries may find less" in rows.stderr
    assert "real ones" not in mrl_pg("calibrate", *describe, *queries).stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_calibrate_that_measures_nothing_fails(
    describe: tuple[str, ...], form: tuple[str, ...]
) -> None:
    done = mrl_pg("calibrate", *describe, "--filter", "false", *form)
    assert done.returncode == 3, done.stdout
    assert '"points": []' in done.stdout if form else "passes the filter" in done.stdout


def test_calibrate_prints_json(
    conn: Conn, describe: tuple[str, ...], queries: tuple[str, ...]
) -> None:
    where = ("--filter", "n %% 2 = 0")
    done = mrl_pg("calibrate", *describe, *queries, *where, "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["index"], told["k"]) == (INDEX.name, 10)
    assert (told["queries"], told["rows"], told["share"]) == (30, 500, 0.5)
    count = "select filter, count(*) from mrl.calibrations group by 1"
    assert conn.execute(count).fetchall() == [("n % 2 = 0", len(told["points"]))]
    assert list(told["targets"]) == ["0.9", "0.95", "0.99", "0.999"]
    assert told["targets"]["0.9"]["recall"] >= 0.9
    # of thirty queries nobody knows what 95 % find
    assert told["quantile_targets"] == {"0.95": dict.fromkeys(told["targets"])}
    # thirty queries that all find everything are not sure of that
    assert told["targets"]["0.999"] is None
    shown = mrl_pg("calibrate", *describe, *queries)
    assert (
        "recall 0.999: 30 queries are too few to be sure: measure more" in shown.stdout
    )


def test_search_says_what_its_recall_rests_on(
    conn: Conn, describe: tuple[str, ...], tmp_path: Path
) -> None:
    np.save(tmp_path / "query.npy", least_far(VECTORS, 10))
    search = ("search", *describe, "--query", str(tmp_path / "query.npy"))
    bare = mrl_pg(*search, "--recall", "0.99")
    assert bare.returncode == 0, bare.stderr
    assert (
        "recall 0.99: there is no calibration for k 10; 480 candidates are taken until"
        in bare.stderr
    )
    made = INDEX.calibrate(conn, sample=200)
    found = json.loads(mrl_pg(*search, "--recall", "0.9", "--json").stdout)
    cheapest = made.cheapest(0.9)
    assert cheapest is not None
    assert found["candidates"] == found["promise"]["candidates"] == cheapest.candidates
    assert found["promise"]["standing"] == "rows"
    assert "recall 0.9: measured" in mrl_pg(*search, "--recall", "0.9").stderr
    assert json.loads(mrl_pg(*search, "--json").stdout)["promise"] is None
    assert mrl_pg(*search, "--recall", "9").returncode == 2


def test_recall_explains_and_rings_the_alarm(
    describe: tuple[str, ...], queries: tuple[str, ...]
) -> None:
    good = mrl_pg("recall", *describe, *queries, "--floor", "0.9")
    assert good.returncode == 0, good.stderr
    for words in (
        "of the true 10 nearest were found, on average over 30 queries",
        "is the 95 % interval",
        "were missed by the graph",
        "were not among 160 candidates",
        "would be lost without the second pass",
    ):
        assert words in good.stdout
    bad = mrl_pg("recall", *describe, *queries, "--candidates", "10", "--floor", "0.9")
    assert bad.returncode == 7
    assert "below the floor of 0.9" in bad.stderr
    assert "were not among 10 candidates" in bad.stdout
    as_json = ("--candidates", "10", "--floor", "0.9", "--json")
    told = mrl_pg("recall", *describe, *queries, *as_json)
    assert told.returncode == 7
    figures = json.loads(told.stdout)
    total = figures["recall"] + figures["loss_graph"] + figures["loss_shortlist"]
    assert total == pytest.approx(1)
    assert 0 < figures["low"] < figures["recall"] < figures["high"] < 0.9
    # nothing found out keeps no floor
    nothing = mrl_pg("recall", *describe, "--filter", "false", "--floor", "0.5")
    assert nothing.returncode == 7
    assert "no query had anything to be found" in nothing.stdout


def test_recall_of_what_a_calibration_promises(
    conn: Conn, describe: tuple[str, ...]
) -> None:
    INDEX.calibrate(conn, sample=200)
    done = mrl_pg("recall", *describe, "--recall", "0.9", "--sample", "200", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["candidates"] == told["promise"]["candidates"] < 160
    assert told["recall"] >= 0.9 - 0.04


def test_history(describe: tuple[str, ...]) -> None:
    assert (
        "no figures are stored yet" in mrl_pg("recall", *describe, "--history").stdout
    )
    for where in ((), ("--filter", "title <> '[/b]'")):
        done = mrl_pg("recall", *describe, "--sample", "4", "--keep", *where)
        assert done.returncode == 0, done.stderr
    shown = mrl_pg("recall", *describe, "--history")
    assert shown.returncode == 0, shown.stderr
    assert "[/b]" in shown.stdout
    told = json.loads(mrl_pg("recall", *describe, "--history", "--json").stdout)
    assert [one["filter"] for one in told] == ["", "title <> '[/b]'"]
    assert {one["queries"] for one in told} == {4}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("calibrate", "--k", "0"), 2, "k=0"),
        (("calibrate", "--filter", "nope = 1"), 2, "nope"),
        (("calibrate", "--queries", "none.npy"), 2, "none.npy"),
        (("recall", "--floor", "1.5"), 2, "--floor 1.5"),
        (("recall", "--candidates", "3"), 2, "candidates=3"),
        (("recall", "--kind", "bit"), 4, "mrl-pg create"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    describe: tuple[str, ...], arguments: tuple[str, ...], code: int, words: str
) -> None:
    command, *rest = arguments
    done = mrl_pg(command, *describe, *rest)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_files_of_queries(describe: tuple[str, ...], tmp_path: Path) -> None:
    for name, text, said in (
        ("one.json", json.dumps(VECTORS[0].tolist()), ""),
        ("two.json", json.dumps(VECTORS[:2].tolist()), ""),
        ("ragged.json", "[[1, 2], [3]]", "row 2: the vector has 1 numbers where 2"),
        ("words.json", '["a", "b"]', "row 1: 'a' at position 0 is not a number"),
        ("short.json", "[[1, 2]]", "2"),
    ):
        (tmp_path / name).write_text(text)
        done = mrl_pg("recall", *describe, "--queries", str(tmp_path / name))
        assert done.returncode == (2 if said else 0), done.stderr
        assert said in done.stderr


def test_a_database_without_mrl(bare_database: str) -> None:
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        make_table(conn, VECTORS[:20])
    describe = ("docs", "embedding", "--dims", "32", "--dsn", bare_database)
    for command in (("calibrate",), ("recall",), ("recall", "--history")):
        done = mrl_pg(command[0], *describe, *command[1:])
        assert done.returncode == 5
        assert "mrl-pg install" in done.stderr


# asks no server, but the mark of the file names one
@pytest.mark.usefixtures("pg_version")
def test_they_teach() -> None:
    for command in ("calibrate", "recall", "queries"):
        text = mrl_pg(command, "--help").stdout
        assert f"Example: mrl-pg {command}" in text
    assert "7 recall below the floor" in " ".join(mrl_pg("--help").stdout.split())


def test_real_queries_are_kept_and_asked_with(
    conn: Conn, describe: tuple[str, ...], database: str
) -> None:
    queries = ("queries", "docs", "embedding", "--dsn", database)
    on = mrl_pg(*queries, "--share", "1", "--most", "20", "--json")
    assert on.returncode == 0, on.stderr
    told = {
        **{"share": 1.0, "most": 20, "kept": 0, "oldest": None},
        **{"distance_share": 0.0, "most_distances": 1000, "distances": 0},
    }
    assert json.loads(on.stdout) == told
    for query in matryoshka(12, seed=5):
        assert INDEX.keep_query(conn, query)
    (kept,) = conn.execute("select count(*) from mrl.kept_queries").fetchall()[0]
    shown = mrl_pg(*queries).stdout
    assert shown.startswith(f"a share of 1 is kept: {kept} queries, of 20 at most, the")
    (made,) = json.loads(
        mrl_pg("calibrate", *describe, "--real-queries", "--json").stdout
    )
    assert made["queries"] == kept
    tuned = mrl_pg("tune", *queries[1:], "--real-queries", "--plan")
    assert f"{kept} queries (real queries)" in tuned.stdout, tuned.stderr
    gone = mrl_pg(*queries, "--share", "0", "--forget", "--before", "9999-01-01")
    assert f"deleted {kept} queries" in gone.stderr
    assert gone.stdout == "off: 0 queries, of 20 at most\n"
    none = mrl_pg("queries", "docs", "title", *queries[3:])
    assert (none.returncode, none.stdout) == (3, "")
    both = mrl_pg("recall", *describe, "--real-queries", "--queries", "q.npy")
    assert both.returncode == 2
    assert "--queries or --real-queries" in both.stderr
