"""Another size or kind beside the index in use: built, measured, switched, dropped."""

import asyncio
import json
from typing import Any

import psycopg
import pytest
from psycopg import errors
from support.command import mrl_pg
from support.databases import Conn, connect, database_fixture, role
from support.in_use import DOCS, QUERY, ROWS, assert_searched, make_docs
from support.plans import force_index
from support.verbs import intercepted
from typer.testing import CliRunner

from mrl_pg import (
    IndexNotFound,
    InvalidSetting,
    MatryoshkaIndex,
    NotInstalled,
)
from mrl_pg.cli import resize as shell
from mrl_pg.cli.app import app
from mrl_pg.exchange import Exchange, Find, Request, run
from mrl_pg.search.find import find
from mrl_pg.search.options import SearchOptions

OLD = MatryoshkaIndex("docs", "embedding", dims=16, m=8, ef_construction=40)
NEW = MatryoshkaIndex("docs", "embedding", dims=32, m=8, ef_construction=40)


database = database_fixture(lambda conn: make_docs(conn, OLD), used_by="docs")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    force_index(conn)
    return conn


def assert_in_use(conn: Conn, index: MatryoshkaIndex) -> None:
    """Searches of the column run by this index, and find the nearest rows."""
    assert DOCS.index(conn) == index
    assert_searched(conn, DOCS, index)


def there(conn: Conn) -> list[int]:
    rows = conn.execute("select dims from mrl.indexes where usable order by dims")
    return [dims for (dims,) in rows]


def test_step_by_step(docs: Conn) -> None:
    report = OLD.resize(docs, dims=32, k=5, sample=20)
    assert (report.old.layout, report.new.layout) == (OLD, NEW)
    assert (report.switched, report.dropped, report.real_queries) == (
        False,
        None,
        False,
    )
    assert_in_use(docs, OLD)
    for one in (report.old, report.new):
        assert one.calibration is not None
        assert (one.calibration.k, one.calibration.queries) == (5, 20)
        size = docs.execute("select pg_relation_size(%s::regclass)", [one.layout.name])
        assert size.fetchone() == (one.index_bytes,)
        assert f"{one.layout}: " in str(report)
    assert "nothing was switched: `mrl-pg switch docs embedding --dims" in str(report)
    calibrated = docs.execute("select distinct index_name from mrl.calibrations")
    assert {name for (name,) in calibrated} == {OLD.name, NEW.name}
    NEW.switch(docs)
    assert_in_use(docs, NEW)
    OLD.switch(docs)
    assert_in_use(docs, OLD)
    # again, because that is safe
    report = OLD.resize(docs, dims=32, calibrate=False, switch=True, drop_old=True)
    assert not report.build.changed
    assert report.new.calibration is None
    assert report.dropped is not None
    assert report.dropped.changed
    assert "the old one was dropped" in str(report)
    assert_in_use(docs, NEW)
    assert there(docs) == [32]


def test_another_kind_measured_with_real_queries(docs: Conn, database: str) -> None:
    docs.execute("select mrl.sample_queries('docs', 'embedding', 1, 50)")
    for row in ROWS[:5]:
        assert OLD.keep_query(docs, row)
    # a query may take the place of another, which is drawn
    kept = docs.execute("select cardinality(mrl.kept_queries('docs', 'embedding'))")
    ((stored,),) = kept.fetchall()

    async def act() -> None:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            index = await DOCS.index_async(conn)
            report = await index.resize_async(conn, kind="bit", k=3, switch=True)
            assert report.real_queries
            assert report.new.calibration is not None
            assert report.new.calibration.queries == stored > 0
            await index.switch_async(conn)

    asyncio.run(act())
    assert_in_use(docs, OLD)
    assert there(docs) == [16, 16]


def test_what_is_refused(docs: Conn, database: str) -> None:
    with pytest.raises(InvalidSetting, match="16 dimensions of halfvec already"):
        OLD.resize(docs)
    with pytest.raises(InvalidSetting, match="drop_old=True without switch=True"):
        OLD.resize(docs, dims=32, drop_old=True)
    with pytest.raises(InvalidSetting, match="drop_old"):
        OLD.resize(docs, dims=32, drop_old=5)  # type: ignore[arg-type]
    with pytest.raises(IndexNotFound):
        NEW.resize(docs, dims=8)
    with pytest.raises(IndexNotFound):
        NEW.switch(docs)
    assert there(docs) == [16]
    # it is there, but only the registry makes it one to be switched to
    NEW.create(docs)
    docs.execute("select mrl.unregister('docs', %s)", [NEW.name])
    with pytest.raises(IndexNotFound, match="mrl-pg status"):
        NEW.switch(docs)
    with connect(role(docs, database, "resize_stranger")) as stranger:
        docs.execute("grant select on docs to resize_stranger")
        with pytest.raises(errors.InsufficientPrivilege):
            OLD.switch(stranger)
        with pytest.raises(errors.InsufficientPrivilege):
            OLD.resize(stranger, dims=8, switch=True)
    assert_in_use(docs, OLD)
    docs.execute("drop schema mrl cascade")
    with pytest.raises(NotInstalled):
        OLD.switch(docs)


def test_a_renamed_index_is_switched_to(docs: Conn) -> None:
    NEW.create(docs)
    docs.execute(f"alter index {NEW.name} rename to nearest".encode())
    NEW.switch(docs)
    assert DOCS.search(docs, QUERY, k=5).index_name == "nearest"


def test_a_search_outlasts_several_changes_of_its_table(docs: Conn) -> None:
    """A switch before each of two tries: the table changes while the search runs."""
    NEW.create(docs)
    changes = [NEW, OLD, NEW]
    DOCS.search(docs, QUERY, k=5)

    def handle(request: Request) -> Exchange[object]:
        if isinstance(request, Find) and changes:
            with connect(docs.info.dsn) as other:
                changes.pop().switch(other)
        return (yield request)

    search = find(docs, DOCS, QUERY, SearchOptions(k=5))
    result = run(docs, intercepted(search, handle))
    assert changes == []
    assert result.index_name == NEW.name
    assert result.keys == NEW.search(docs, QUERY, k=5, exact=True).keys


def command(database: str, *arguments: str, code: int = 0) -> Any:
    done = mrl_pg(*arguments, "--dsn", database, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def test_in_the_shell(docs: Conn, database: str) -> None:
    place = ("docs", "embedding")
    few = ("--sample", "20", "--k", "5")
    told = command(database, "resize", *place, "--dims", "32", *few)
    assert (told["switched"], told["dropped"]) == (False, False)
    assert (told["old"]["index"], told["new"]["index"]) == (OLD.name, NEW.name)
    assert told["new"]["k"] == 5
    assert set(told["new"]["targets"]) == {"0.9", "0.95", "0.99"}
    assert_in_use(docs, OLD)
    again = ("resize", *place, "--dims", "32", "--no-calibrate")
    assert "without --switch" in command(database, *again, "--drop-old", code=2)
    assert command(database, *again, "--switch")["switched"]
    assert_in_use(docs, NEW)
    # as after a run that was killed when it had switched
    told = command(database, *again, "--switch")
    assert (told["index"], told["switched"], told["built"]) == (NEW.name, True, False)
    left = command(database, *again, "--switch", "--drop-old", code=2)
    assert (
        f"mrl-pg drop docs embedding --dims 16 --kind halfvec --name {OLD.name}" in left
    )
    other = command(database, *again, "--switch", "--keep", "trigger", code=2)
    assert "`mrl-pg keep-as` changes that" in other
    told = command(database, "switch", *place, "--dims", "16")
    assert told["index"] == OLD.name
    assert_in_use(docs, OLD)
    assert command(database, *again, "--switch", "--drop-old")["dropped"]
    assert_in_use(docs, NEW)
    refused = command(database, "switch", *place, "--dims", "16", code=4)
    assert "has no short column" in refused
    nothing = command(database, "resize", *place, code=2)
    assert "32 dimensions of halfvec already" in nothing


@pytest.mark.parametrize(("answer", "used"), [("n", OLD), ("y", NEW)])
def test_on_a_terminal_it_asks(
    docs: Conn,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    used: MatryoshkaIndex,
) -> None:
    monkeypatch.setattr(shell, "_may_ask", lambda as_json: True)
    words = ["resize", "docs", "embedding", "--dims", "32", "--no-calibrate"]
    words += ["--drop-old", "--dsn", database]
    done = CliRunner().invoke(app, words, input=answer)
    assert done.exit_code == 0, done.output
    assert "switch to the new index?" in done.output
    assert_in_use(docs, used)
    assert there(docs) == ([16, 32] if used == OLD else [32])


def test_a_search_in_the_shell_says_what_answered(docs: Conn, database: str) -> None:
    asked = ["search", "docs", "embedding", "--dims", "32", "--query", "-"]
    asked += ["--dsn", database]
    query = json.dumps(ROWS[3].tolist())
    done = mrl_pg(*asked, "--json", text=query)
    told = json.loads(done.stdout)
    assert (told["index"], told["fallback"]) == (OLD.name, True)
    assert told["hits"][0]["key"] == 4
    assert f"so index {OLD.name} answered" in done.stderr
    NEW.create(docs)
    done = mrl_pg(*asked, "--json", text=query)
    told = json.loads(done.stdout)
    assert (told["index"], told["fallback"]) == (NEW.name, False)
    assert "answered" not in done.stderr
