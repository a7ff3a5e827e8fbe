"""The demo itself, as a newcomer runs it, on fewer rows."""

import json
import os
import select
import signal
import sys
from contextlib import suppress

import pytest
from support.command import become, mrl_pg
from support.databases import connect

from mrl_pg.demo import contest
from mrl_pg.demo.corpus import EXAMPLES, glosses


@pytest.fixture(scope="module", autouse=True)
def read_before_forks() -> None:
    glosses()


def test_it_answers_the_examples_and_measures_every_index(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each is asked 30 times
    monkeypatch.setattr(contest, "QUERIES", 60)
    done = mrl_pg("demo", "--rows", "600", "--json", "--dsn", database)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for (text, word), answers in zip(EXAMPLES, told["answers"], strict=True):
        assert answers["text"] == text
        for interface in ("two_passes", "exact"):
            words = ", ".join(answer["words"] for answer in answers[interface])
            assert word in words, (text, interface)
    names = [built["name"] for built in told["contest"]]
    assert names == [
        "vector(512) alone",
        "halfvec(512) alone",
        "vector(128) + full",
        "halfvec(128) + full",
        "bit(512) + full",
    ]
    sizes = {built["name"]: built["index_bytes"] for built in told["contest"]}
    assert sizes["halfvec(128) + full"] < sizes["halfvec(512) alone"] / 2
    for built in told["contest"]:
        recalls = [measured["recall"] for _, measured in built["measured"]]
        assert recalls[-1]["mean"] >= 0.9, built["name"]
        assert all(r["low"] <= r["mean"] <= r["high"] for r in recalls)
        assert built["build_seconds"] > 0
    with connect(database) as conn:
        (count,) = conn.execute("select count(*) from mrl_demo.glosses").fetchall()[0]
        listed = conn.execute(
            "select kind, usable from mrl.indexes order by 1"
        ).fetchall()
    assert count == 600
    assert listed == [("bit", True), ("halfvec", True), ("vector", True)]


def test_a_query_is_answered_three_ways_and_again_the_next_day(database: str) -> None:
    """The second run makes everything afresh."""
    for _ in range(2):
        done = mrl_pg(
            *("demo", "--rows", "500", "--no-compare", "--dsn", database),
            *("--query", "fear of spiders", "--query", "inability to sleep"),
        )
        assert done.returncode == 0, done.stderr
        for words in ("short pass alone", "two passes", "exact search"):
            assert done.stdout.count(words) == 2
        assert "arachnophobia" in done.stdout
        assert "insomnia" in done.stdout


def test_words_the_model_does_not_know_are_an_input_error(database: str) -> None:
    done = mrl_pg(
        *("demo", "--rows", "200", "--no-compare", "--dsn", database),
        *("--query", "xqzzt"),
    )
    assert done.returncode == 2
    assert "xqzzt" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("end", [b"\x04", b"\x03", b"\n"], ids=["^D", "^C", "empty"])
def test_the_prompt_ends_without_an_error(database: str, end: bytes) -> None:
    """Ctrl-D and Ctrl-C used to end it with `Aborted.` and exit code 1."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        small = ["demo", "--rows", "200", "--no-compare", "--dsn", database]
        if end != b"\x03":
            become(["mrl-pg", *small])
        # a test run in the background was started with Ctrl-C ignored, for good
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-m", "mrl_pg", *small])
    shown = b""
    typed = [b"unable to sleep [/b]\n", end]
    with suppress(OSError):  # Linux: the other side has gone
        while True:
            # Python can be between its look for signals and its read: press it again
            if not select.select([terminal], [], [], 5)[0] and not typed:
                os.write(terminal, end)
                continue
            if not (part := os.read(terminal, 4096)):
                break
            shown += part
            if typed and shown.endswith(b"> "):
                os.write(terminal, typed.pop(0))
                shown += b"|"
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    assert b"insomnia" in shown
    assert b"Aborted" not in shown
    assert not typed
