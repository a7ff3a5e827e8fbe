"""Vectors of a file in rows that are there, found by key; and what is refused."""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as arrow
import pytest
from pyarrow import parquet
from support.command import mrl_pg
from support.databases import Conn, connect
from support.plans import explain, force_index, indexes
from support.vectors import matryoshka, nearest
from support.verbs import intercepted, text_of

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidFile,
    InvalidSetting,
    MrlError,
    NoPrimaryKey,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.exchange import Call, Exchange, Request, run
from mrl_pg.exchange.progress import Progress
from mrl_pg.load import update, update_async, update_blocks, update_blocks_async
from mrl_pg.load.update_input import UpdateTarget, from_memory

ROWS = 40
NEW = matryoshka(ROWS, dims=8, seed=5).astype(np.float32)
IDS = np.arange(1, ROWS + 1)


def make_docs(conn: Conn, column: str = ", v2 vector(8)") -> None:
    conn.execute(
        "create table docs (id int primary key, title text, embedding vector(4)"
        f"{column});"
        "insert into docs select i, 'title ' || i, '[1,2,3,4]' "
        f"from generate_series(1, {ROWS}) as i"
    )


def stored(conn: Conn, column: str = "v2", order: str = "id") -> Any:
    query = f"select {column}::real[]::float8[] from docs order by {order}"
    return np.array([row[0] for row in conn.execute(query)], dtype=np.float32)


def places(conn: Conn) -> list[Any]:
    """Where the rows are: another place is another version of the row."""
    return conn.execute("select id, ctid::text from docs order by id").fetchall()


def as_npz(path: Path) -> None:
    np.savez(path, id=IDS, v2=NEW)


def as_npy(path: Path) -> None:
    records = np.zeros(ROWS, [("id", "i4"), ("v2", "f4", (8,))])
    records["id"], records["v2"] = IDS, NEW
    np.save(path, records)


def as_jsonl(path: Path) -> None:
    rows = zip(IDS.tolist(), NEW.tolist(), strict=True)
    lines = [json.dumps({"id": i, "v2": v, "other": [i]}) for i, v in rows]
    path.write_text("\n".join(lines))


def as_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["nothing", "id", "v2"])
        writer.writerows(["x", i, v.tolist()] for i, v in zip(IDS, NEW, strict=True))


def as_parquet(path: Path) -> None:
    parquet.write_table(arrow.table({"id": IDS, "v2": NEW.tolist()}), path)


FILES: dict[str, Callable[[Path], None]] = {
    ".npz": as_npz,
    ".npy": as_npy,
    ".jsonl": as_jsonl,
    ".csv": as_csv,
    ".parquet": as_parquet,
}


@pytest.mark.parametrize("suffix", FILES)
def test_a_file_of_any_format(conn: Conn, tmp_path: Path, suffix: str) -> None:
    make_docs(conn)
    path = tmp_path / f"vectors{suffix}"
    FILES[suffix](path)
    report = update(conn, path, "docs", column="v2")
    assert (report.rows, report.updated, report.complete) == (ROWS, ROWS, True)
    assert np.array_equal(stored(conn), NEW)
    assert conn.execute("select count(*) from docs where title is null").fetchone() == (
        (0,)
    )


def test_a_second_run_writes_nothing(conn: Conn) -> None:
    make_docs(conn)
    columns = {"id": IDS[:30]}
    assert update_blocks(conn, NEW[:30], "docs", columns=columns, column="v2").updated
    before = places(conn)
    report = update_blocks(conn, NEW, "docs", columns={"id": IDS}, column="v2")
    assert (report.updated, report.unchanged) == (10, 30)
    assert "30 held the same vector already" in str(report)
    assert places(conn)[:30] == before[:30]


def test_only_missing_keeps_what_the_application_wrote(
    conn: Conn, database: str, tmp_path: Path
) -> None:
    make_docs(conn)
    newer = -NEW[:10]
    columns = {"id": IDS[:10]}
    update_blocks(conn, newer, "docs", columns=columns, column="v2")
    as_csv(path := tmp_path / "vectors.csv")
    words = ["load", str(path), "docs", "v2", "--dsn", database, "--only-missing"]
    assert mrl_pg(*words).returncode == 2
    done = mrl_pg(*words, "--update")
    assert done.returncode == 0, done.stderr
    assert ", 10 held a vector already; 40 in the file" in done.stdout
    assert np.array_equal(stored(conn), [*newer, *NEW[10:]])


@pytest.mark.parametrize("keep", ["generated", "trigger", "expression"])
def test_short_values_follow(conn: Conn, keep: Any) -> None:
    """A composite key in a partitioned table; its index is made while v2 is NULL."""
    conn.execute(
        'create table docs (a text collate "C", b uuid, v2 vector(8), n numeric, '
        "primary key (b, a)) partition by list (a);"
        "create table docs_x partition of docs for values in ('x');"
        "create table docs_y partition of docs for values in ('y''%')"
    )
    keys = [("x" if i % 2 else "y'%", f"00000000-0000-0000-0000-{i:012}") for i in IDS]
    conn.cursor().executemany("insert into docs (a, b) values (%s, %s)", keys)
    index = MatryoshkaIndex("docs", "v2", dims=4, kind="halfvec", keep=keep)
    index.create(conn)
    columns = {"b": [b for _, b in keys], "a": [a for a, _ in keys]}
    report = update_blocks(
        conn,
        NEW[:35],
        "docs",
        columns={k: v[:35] for k, v in columns.items()},
        column="v2",
        key=["a", "b"],
    )
    assert (report.updated, report.complete) == (35, True)
    assert np.array_equal(stored(conn, order="b limit 35"), NEW[:35])
    force_index(conn)
    found = index.search(conn, NEW[0], k=5, candidates=40)
    assert [int(str(key[0])[-12:]) for key in found.keys] == nearest(
        NEW[:35], NEW[0], 5
    )
    plan = index.plan(conn, NEW[0], k=5, candidates=40)
    assert len(indexes(explain(conn, plan))) == 2
    wrong = conn.execute("select finding from mrl.status() where finding is not null")
    assert wrong.fetchall() == []


def test_missing_and_refused_rows_are_named(conn: Conn) -> None:
    make_docs(conn)
    conn.execute(
        "delete from docs where id in (3, 4); "
        "alter table docs add check (vector_dims(v2) > 0 and id <> 7 or v2 is null)"
    )
    vectors: list[Any] = [*NEW.tolist()]
    vectors[9] = None
    report = update_blocks(conn, vectors, "docs", columns={"id": IDS}, column="v2")
    assert (report.updated, report.null_vectors, report.complete) == (36, 1, False)
    assert (report.missing.count, report.refused.count) == (2, 1)
    assert report.missing.named == ("row 2: id 3", "row 3: id 4")
    assert report.refused.named[0].startswith("row 6: id 7: new row for relation")
    assert "2 of the file's rows updated nothing" in str(report)


def test_a_bad_row_at_the_end_changes_nothing(conn: Conn, tmp_path: Path) -> None:
    make_docs(conn, "")
    as_jsonl(path := tmp_path / "vectors.jsonl")
    for last, said in (
        ({"id": 41, "v2": [1, 2]}, "row 41: "),
        ({"id": None, "v2": NEW[0].tolist()}, "row 41: key 'id' has no value"),
        ({"v2": NEW[0].tolist()}, "row 41: key 'id' has no value"),
        ({"id": "7", "v2": NEW[0].tolist()}, "rows 7 and 41"),
        ({"id": 7, "v2": NEW[0].tolist()}, "rows 7 and 41"),
        ({"id": 7.5, "v2": NEW[0].tolist()}, "7.5 is not an integer"),
    ):
        whole = path.read_text() + "\n" + json.dumps(last)
        (bad := tmp_path / "bad.jsonl").write_text(whole)
        with pytest.raises(InvalidFile) as caught:
            update(conn, bad, "docs", column="v2", add_column=True, block_rows=7)
        assert said in str(caught.value)
        columns = conn.execute("select * from docs limit 0").description or []
        assert [column.name for column in columns] == ["id", "title", "embedding"]


def test_rows_that_others_hold_are_tried_again(conn: Conn, database: str) -> None:
    make_docs(conn)
    stages = []
    with connect(database) as other:
        other.execute("begin; select from docs where id in (2, 30) for update")

        def progress(now: Progress) -> None:
            stages.append(now.stage)
            if "other transactions hold" in now.stage and len(stages) > 1:
                # the rest is written and committed by now
                filled = other.execute("select count(v2) from docs").fetchone()
                assert filled == (ROWS - 2,)
                other.execute("delete from docs where id = 30; commit")

        report = update_blocks(
            conn, NEW, "docs", columns={"id": IDS}, column="v2", progress=progress
        )
    assert (report.updated, report.held.count) == (ROWS - 1, 0)
    assert report.missing.named == ("row 29: id 30",)


def test_it_waits_for_a_standby_that_lags(conn: Conn) -> None:
    """`tests/server/test_replica.py` asks a real one, for a fill."""
    make_docs(conn)
    lags = iter([65 << 20, 64 << 20])
    stages: list[str] = []
    target = UpdateTarget("docs", None, "v2", None, "id", False, False, "vector")

    def handle(request: Request) -> Exchange[object]:
        if isinstance(request, Call) and stages and "standby" in stages[-1]:
            # instead of a pause
            assert conn.execute("select count(v2) from docs").fetchone() == (0,)
            return None
        answer: Any = yield request
        if "as lag_bytes" in text_of(request):
            return [{"lag_bytes": next(lags, None)}]
        return answer

    verb = from_memory(
        conn, NEW, target, {"id": IDS}, None, lambda now: stages.append(now.stage)
    )
    assert run(conn, intercepted(verb, handle)).updated == ROWS
    assert [stage for stage in stages if "standby" in stage] == [
        "updating rows (waiting for a standby that lags)"
    ]


def test_a_row_that_a_trigger_keeps_is_reported(conn: Conn) -> None:
    make_docs(conn)
    conn.execute(
        "create function no() returns trigger language plpgsql as "
        "$$ begin return null; end $$; create trigger no before update on docs "
        "for each row when (old.id = 5) execute function no()"
    )
    report = update_blocks(conn, NEW, "docs", columns={"id": IDS}, column="v2")
    assert (report.updated, report.kept.named) == (ROWS - 1, ("row 4: id 5",))
    assert not report.complete


SLOW = (
    "create function slow() returns trigger language plpgsql as "
    "$$ begin perform pg_sleep(0.06); return new; end $$; create trigger slow "
    "before update on docs for each row when (old.id <= 20) execute function slow()"
)


@pytest.mark.parametrize("join", ["nestloop", "hashjoin", "mergejoin"])
def test_a_transaction_ends_after_the_row_at_which_its_time_is_over(
    conn: Conn, join: str
) -> None:
    """Rows 1 to 20 take longer than a transaction may, each of them."""
    make_docs(conn)
    conn.execute(SLOW)
    for other in {"nestloop", "hashjoin", "mergejoin"} - {join}:
        conn.execute(f"set enable_{other} = off".encode())
    # many quick rows first, so that the first slow row is in a batch of many
    order = IDS[::-1]
    report = update_blocks(
        conn, NEW[::-1], "docs", columns={"id": order}, column="v2", only_missing=True
    )
    assert (report.rows, report.updated, report.complete) == (ROWS, ROWS, True)
    assert np.array_equal(stored(conn), NEW)
    together = conn.execute(
        "select count(*) filter (where id <= 20) from docs group by xmin"
    )
    assert max(slow for (slow,) in together) == 1
    assert report.held.count == report.kept.count == 0


def test_the_column_is_added(conn: Conn, database: str) -> None:
    make_docs(conn, "")
    file = conn.execute("select pg_relation_filenode('docs')").fetchone()
    with psycopg.connect(database) as other:  # without autocommit
        report = update_blocks(
            other,
            NEW,
            "docs",
            columns={"id": IDS},
            column="v2",
            add_column=True,
            kind="halfvec",
        )
    assert report.added
    assert "new column" in str(report)
    assert conn.execute("select pg_relation_filenode('docs')").fetchone() == file
    assert np.array_equal(stored(conn), NEW.astype(np.float16).astype(np.float32))
    again = update_blocks(
        conn, NEW, "docs", columns={"id": IDS}, column="v2", add_column=True
    )
    assert (again.added, again.updated, again.unchanged) == (False, 0, ROWS)


def test_async_does_the_same(database: str, conn: Conn, tmp_path: Path) -> None:
    make_docs(conn)
    as_parquet(path := tmp_path / "vectors.parquet")

    async def both() -> None:
        async with await psycopg.AsyncConnection.connect(database) as other:
            report = await update_async(other, path, "docs", column="v2")
            assert report.updated == ROWS
            again = await update_blocks_async(
                other, -NEW, "docs", columns={"id": IDS}, column="v2"
            )
            assert again.updated == ROWS

    asyncio.run(both())
    assert np.array_equal(stored(conn), -NEW)


REFUSED: list[tuple[dict[str, Any], type[MrlError], str]] = [
    ({"column": "v3"}, ColumnNotFound, "add_column=True"),
    ({"column": "title"}, NotAVectorColumn, "is text"),
    ({"column": "made"}, NotAVectorColumn, "generated"),
    ({"column": "embedding"}, InvalidFile, "8 numbers"),
    ({"table": "none"}, TableNotFound, "'none'"),
    ({"table": "shown"}, TableNotFound, "view"),
    ({"table": "bare"}, NoPrimaryKey, "there are: title"),
    ({"table": "bare", "key": "id"}, InvalidSetting, "no unique index"),
    ({"table": "bare", "key": "title"}, InvalidFile, "'title'"),
    ({"key": "nothing"}, ColumnNotFound, "'nothing'"),
    ({"key": ()}, InvalidSetting, "no column"),
    ({"key": 3}, InvalidSetting, "key=3"),
    ({"key": "a\0"}, InvalidSetting, "key="),
    ({"add_column": 2}, InvalidSetting, "add_column=2"),
    ({"only_missing": 2}, InvalidSetting, "only_missing=2"),
    ({"columns": None}, InvalidSetting, "columns=None"),
    ({"columns": {"id": IDS[:3]}}, InvalidFile, "values"),
    ({"progress": 1}, InvalidSetting, "progress=1"),
]


def test_refused_before_anything_changes(conn: Conn) -> None:
    make_docs(conn)
    conn.execute(
        "alter table docs add made vector(4) generated always as (embedding) stored;"
        "create view shown as select * from docs;"
        "create table bare (id int, title text unique, v2 vector(8))"
    )
    before = places(conn)
    for options, error, said in REFUSED:
        given = {"table": "docs", "column": "v2", "columns": {"id": IDS}, **options}
        with pytest.raises(error) as caught:
            update_blocks(conn, NEW, **given)
        assert said in str(caught.value)
    with conn.transaction(), pytest.raises(InvalidSetting, match="commits each batch"):
        update_blocks(conn, NEW, "docs", columns={"id": IDS}, column="v2")
    assert places(conn) == before


def test_the_shell_says_what_is_missing(
    conn: Conn, database: str, tmp_path: Path
) -> None:
    make_docs(conn, "")
    as_csv(path := tmp_path / "vectors.csv")
    words = ["load", str(path), "docs", "v2", "--dsn", database]
    done = mrl_pg(*words, "--update")
    assert (done.returncode, "--add-column" in done.stderr) == (3, True)
    done = mrl_pg(*words, "--update", "--add-column", "--key", "id")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Updated 40 rows of public.docs.v2 (8 dimensions, ")
    conn.execute("delete from docs where id = 9")
    done = mrl_pg(*words, "--update", "--json")
    assert done.returncode == 2
    # the header is the first line
    assert json.loads(done.stdout)["missing"] == {
        "count": 1,
        "named": ["row 10: id '9'"],
    }
    for option in (["--add-column"], ["--update", "--skip", "title"]):
        done = mrl_pg(*words, *option)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
