"""Files of every format in a table, read back; and what is refused, unchanged."""

import asyncio
import csv
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as arrow
import pytest
from numpy.typing import NDArray
from psycopg import AsyncConnection, Connection, sql
from psycopg.rows import dict_row
from pyarrow import parquet
from support.command import mrl_pg

from mrl_pg.errors import (
    InvalidFile,
    InvalidSetting,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.load import (
    Block,
    LoadReport,
    load,
    load_async,
    load_blocks,
    load_blocks_async,
)

Conn = Connection[Any]
ROWS, DIMS = 25, 6
TITLES = [f"title {i}, “é” \n\t\\" for i in range(ROWS)]
META = [{"n": i, "tags": ["a", None]} for i in range(ROWS)]


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((ROWS, DIMS), np.float32)


def stored(
    conn: Conn, table: str = "docs", column: str = "embedding"
) -> NDArray[np.float32]:
    query = sql.SQL("select {}::real[]::float8[] from {} order by ctid").format(
        sql.Identifier(column), sql.Identifier(*table.split("."))
    )
    return np.array([row[0] for row in conn.execute(query)], dtype=np.float32)


def column_types(conn: Conn, table: str = "docs") -> dict[str, str]:
    rows = conn.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 order by attnum",
        [table],
    )
    return dict(rows.fetchall())


def tables(conn: Conn) -> list[str]:
    rows = conn.execute(
        "select relname from pg_class where relkind = 'r' "
        "and relnamespace = 'public'::regnamespace order by 1"
    )
    return [row[0] for row in rows]


def select(conn: Conn, columns: str, table: str = "docs") -> list[tuple[Any, ...]]:
    return conn.execute(f"select {columns} from {table} order by id").fetchall()


# --- every format ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(
    conn: Conn, tmp_path: Path, vectors: NDArray[np.float32], dtype: str, order: Any
) -> None:
    path = tmp_path / "v.npy"
    np.save(path, vectors.astype(dtype, order=order))
    seen: list[tuple[int, int | None]] = []
    report = load(
        conn,
        path,
        "docs",
        block_rows=7,
        progress=lambda p: seen.append((p.done, p.total)),
    )
    assert (stored(conn) == vectors.astype(dtype)).all()
    assert [row[0] for row in select(conn, "id")] == list(range(1, ROWS + 1))
    assert column_types(conn) == {"id": "bigint", "embedding": f"vector({DIMS})"}
    assert seen == [(7, ROWS), (14, ROWS), (21, ROWS), (ROWS, ROWS)]
    assert (report.rows, report.dims, report.created) == (ROWS, DIMS, True)
    assert report.null_vectors == 0
    assert report.bytes > ROWS * DIMS * 4


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(
    conn: Conn, tmp_path: Path, vectors: NDArray[np.float32], order: Any, save: Any
) -> None:
    path = tmp_path / "v.npz"
    ids = np.arange(ROWS) * 3
    save(
        path,
        x=vectors.astype("f4", order=order),
        id=ids,
        title=np.array(TITLES),
        score=np.linspace(0, 1, ROWS),
        good=ids % 2 == 0,
    )
    load(conn, path, "docs", block_rows=8)
    assert column_types(conn) == {
        "id": "bigint",
        "embedding": f"vector({DIMS})",
        "title": "text",
        "score": "double precision",
        "good": "boolean",
    }
    expected = zip(ids, TITLES, np.linspace(0, 1, ROWS), ids % 2 == 0, strict=True)
    assert select(conn, "id, title, score, good") == [
        (int(i), t, float(s), bool(g)) for i, t, s, g in expected
    ]
    assert (stored(conn) == vectors).all()


def json_lines(path: Path, vectors: NDArray[np.float32]) -> None:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        for i, vector in enumerate(vectors):
            row = {"id": f"k{i}", "embedding": vector.tolist(), "title": TITLES[i]}
            row |= {"meta": META[i], "score": i if i % 2 else i / 4, "good": i > 3}
            if i == 4:
                row |= {"embedding": None, "title": None}
                del row["score"]
            file.write(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" * (1 + i % 2))


@pytest.mark.parametrize("name", ["d.jsonl", "D.JSONL.gz"])
def test_jsonl(
    conn: Conn, tmp_path: Path, vectors: NDArray[np.float32], name: str
) -> None:
    json_lines(tmp_path / name, vectors)
    report = load(conn, tmp_path / name, "docs", block_rows=10)
    assert column_types(conn) == {
        "id": "text",
        "embedding": f"vector({DIMS})",
        "title": "text",
        "meta": "jsonb",
        "score": "double precision",
        "good": "boolean",
    }
    found = conn.execute(
        "select id, title, meta, score, good, embedding::real[]::float8[] "
        "from docs order by ctid"
    ).fetchall()
    for i, row in enumerate(found):
        null = i == 4
        assert row[:3] == (f"k{i}", None if null else TITLES[i], META[i])
        assert row[3:5] == (None if null else (i if i % 2 else i / 4), i > 3)
        assert row[5] == (None if null else vectors[i].tolist())
    assert (report.rows, report.null_vectors) == (ROWS, 1)
    assert "1 without a vector" in str(report)


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz"])
def test_csv(
    conn: Conn, tmp_path: Path, vectors: NDArray[np.float32], name: str
) -> None:
    opened: Any = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "wt", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "code", "price", "title", "embedding", "void"])
        for i, vector in enumerate(vectors):
            text = "[" + ",".join(map(repr, vector.tolist())) + "]"
            price = "" if i == 2 else f"{i}.5"
            writer.writerow([i, f"00{i}", price, TITLES[i], text, ""])
    load(conn, tmp_path / name, "docs", block_rows=10)
    assert column_types(conn) == {
        "id": "bigint",
        "code": "text",
        "price": "double precision",
        "title": "text",
        "embedding": f"vector({DIMS})",
        "void": "text",
    }
    assert select(conn, "id, code, price, title, void") == [
        (i, f"00{i}", None if i == 2 else i + 0.5, TITLES[i], None) for i in range(ROWS)
    ]
    assert (stored(conn) == vectors).all()


@pytest.mark.parametrize(
    "type", [arrow.list_(arrow.float32()), arrow.list_(arrow.float64(), DIMS)]
)
def test_parquet(
    conn: Conn, tmp_path: Path, vectors: NDArray[np.float32], type: Any
) -> None:
    rows: list[Any] = vectors.tolist()
    # before 26 pyarrow cannot read back a NULL among lists of one fixed size
    nulls = int(arrow.types.is_list(type) or int(arrow.__version__.split(".")[0]) >= 26)
    if nulls:
        rows[13] = None
    day, moment = date(2024, 2, 29), datetime(1999, 1, 1, 5, tzinfo=timezone.utc)
    table = arrow.table(
        {
            "id": arrow.array(range(ROWS), arrow.int32()),
            "embedding": arrow.array(rows, type),
            "title": [None, *TITLES[1:]],
            "tags": [[i, i + 1] for i in range(ROWS)],
            "meta": META,
            "day": [day] * ROWS,
            "moment": arrow.array([moment] * ROWS, arrow.timestamp("us", "UTC")),
            "count": [None, *range(1, ROWS)],
        }
    )
    parquet.write_table(table, tmp_path / "d.parquet", row_group_size=9)
    report = load(conn, tmp_path / "d.parquet", "docs", block_rows=5)
    conn.execute("set time zone 'UTC'")
    types = column_types(conn)
    assert (types["tags"], types["meta"]) == ("bigint[]", "jsonb")
    assert select(conn, "id, title, tags, meta, day, moment, count") == [
        (i, TITLES[i] if i else None, [i, i + 1], META[i], day, moment, i or None)
        for i in range(ROWS)
    ]
    found = select(conn, "embedding::real[]::float8[]")
    assert [row[0] for row in found] == rows
    assert report.null_vectors == nulls


def test_parquet_without_pyarrow_names_the_extra(
    conn: Conn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidFile, match="not a valid Parquet file"):
        load(conn, tmp_path / "d.parquet", "docs")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidFile, match=r"pip install 'mrl_pg\[parquet\]'"):
        load(conn, tmp_path / "d.parquet", "docs")


# --- from memory, halves, storage, twins -------------------------------------


def test_a_matrix_with_columns_from_memory(
    conn: Conn, vectors: NDArray[np.float32]
) -> None:
    report = load_blocks(
        conn,
        vectors,
        "docs",
        columns={"title": TITLES, "n": np.arange(ROWS, dtype=np.int16)},
        key="n",
        block_rows=4,
    )
    rows = conn.execute(
        "select n, title, embedding::real[]::float8[] from docs order by ctid"
    )
    assert rows.fetchall() == [(i, TITLES[i], vectors[i].tolist()) for i in range(ROWS)]
    assert column_types(conn)["n"] == "bigint"
    assert str(report).startswith("Loaded 25 rows of 6 dimensions into docs (new) in ")


def test_blocks_of_ones_own(conn: Conn, vectors: NDArray[np.float32]) -> None:
    def blocks() -> Iterator[Block]:
        yield Block(("embedding", "t"), (vectors[:5], TITLES[:5]))
        yield Block(("t", "embedding"), (TITLES[5:9], vectors[5:9]), first=5)
        yield Block(("embedding",), (list(vectors[9:]),), first=9)

    load_blocks(conn, blocks(), "docs")
    assert (stored(conn) == vectors).all()
    found = [row[0] for row in select(conn, "t")]
    assert found == TITLES[:9] + [None] * (ROWS - 9)


def test_halfvec(conn: Conn, vectors: NDArray[np.float32]) -> None:
    load_blocks(conn, vectors, "docs", kind="halfvec")
    assert column_types(conn)["embedding"] == f"halfvec({DIMS})"
    found = conn.execute(
        "select embedding::vector::real[]::float8[] from docs order by id"
    )
    halves = vectors.astype(np.float16).astype(np.float32)
    assert [row[0] for row in found] == halves.tolist()
    with pytest.raises(InvalidFile, match=r"row 0: .* beyond the largest halfvec"):
        load_blocks(conn, vectors * 1e6, "docs")


@pytest.mark.parametrize(
    ("storage", "letter"),
    [("plain", "p"), ("external", "e"), ("extended", "x"), ("main", "m")],
)
def test_storage(
    conn: Conn, vectors: NDArray[np.float32], storage: Any, letter: str
) -> None:
    load_blocks(conn, vectors, "docs", storage=storage)
    found = conn.execute(
        "select attstorage::text from pg_attribute "
        "where attrelid = 'docs'::regclass and attname = 'embedding'"
    ).fetchone()
    assert found == (letter,)
    with pytest.raises(InvalidSetting, match="is for a new table"):
        load_blocks(conn, vectors, "docs", storage=storage)


def test_plain_storage_has_to_fit_a_page(conn: Conn) -> None:
    wide = np.ones((2, 3072), dtype=np.float32)
    with pytest.raises(InvalidSetting, match="12296 bytes, and 8100 fit"):
        load_blocks(conn, wide, "docs", storage="plain")
    load_blocks(conn, wide, "docs", storage="plain", kind="halfvec")
    assert tables(conn) == ["docs"]


def test_async_twins(
    database: str, conn: Conn, tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    bad = vectors.copy()
    bad[3, 0] = np.inf

    async def both() -> tuple[LoadReport, LoadReport]:
        async with await AsyncConnection.connect(database, autocommit=True) as other:
            first = await load_async(other, tmp_path / "v.npy", "docs", block_rows=3)
            second = await load_blocks_async(other, vectors, "docs", block_rows=4)
            with pytest.raises(InvalidFile, match="row 3: inf"):
                await load_blocks_async(other, bad, "docs", block_rows=2)
            return first, second

    first, second = asyncio.run(both())
    assert (first.created, second.created) == (True, False)
    assert (stored(conn) == np.concatenate([vectors, vectors])).all()


def test_a_connection_with_its_own_rows_and_transaction(
    database: str, conn: Conn, vectors: NDArray[np.float32]
) -> None:
    with psycopg.connect(database, row_factory=dict_row) as other:
        other.execute("create table mine (n int)")
        load_blocks(other, vectors, "docs")
        with pytest.raises(InvalidFile):
            load_blocks(other, vectors[:, :2], "docs")
        assert tables(conn) == []
    assert tables(conn) == ["docs", "mine"]
    assert (stored(conn) == vectors).all()


def test_latin1_client(conn: Conn, vectors: NDArray[np.float32]) -> None:
    conn.execute("set client_encoding = latin1")
    load_blocks(conn, vectors[:1], "docs", columns={"t": ["é"]})
    with pytest.raises(InvalidFile, match="cannot be sent in the encoding"):
        load_blocks(conn, vectors[:1], "docs", columns={"t": ["€"]})
    conn.execute("set client_encoding = utf8")
    assert select(conn, "t") == [("é",)]


# --- appending ---------------------------------------------------------------

EVERY_COLUMN = {
    "b": ("bool", "yes", True),
    "i2": ("int2", "-7", -7),
    "i4": ("int4", "7", 7),
    "i8": ("int8", "9007199254740993", 9007199254740993),
    "f4": ("float4", "0.5", 0.5),
    "f8": ("float8", "1e300", 1e300),
    "t": ("text", "a,b", "a,b"),
    "vc": ("varchar(3)", "abc", "abc"),
    "j": ("json", '{"a": [1]}', {"a": [1]}),
    "jb": ("jsonb", "[null]", [None]),
    "d": ("date", "1969-07-20", date(1969, 7, 20)),
    "ts": ("timestamptz", "2024-01-01T00:00:00Z", datetime(2024, 1, 1)),
}


def test_append_takes_types_from_the_table(conn: Conn, tmp_path: Path) -> None:
    conn.execute("set time zone 'UTC'")
    definitions = ", ".join(f"{n} {t[0]}" for n, t in EVERY_COLUMN.items())
    conn.execute(
        f"create table docs (id uuid primary key, {definitions}, "
        "embedding vector(2), h halfvec(3), "
        "prefix vector(1) generated always as (subvector(embedding, 1, 1)) stored, "
        "extra int default 42)"
    )
    names = [*EVERY_COLUMN, "id", "embedding", "h", "prefix"]
    key = "00112233-4455-6677-8899-aabbccddee00"
    values = [t[1] for t in EVERY_COLUMN.values()]
    with (tmp_path / "d.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerow([*values, key, "[1,2]", "[ 1, .5, 1e-1 ]", "[9]"])
        empty = [""] * len(values)
        writer.writerow([*empty, key.replace("0", "1"), "", "", ""])
    report = load(conn, tmp_path / "d.csv", "docs")
    assert report.skipped == ("prefix",)
    assert "left to the server, because generated: prefix" in str(report)
    first, second = select(
        conn,
        f"{', '.join(EVERY_COLUMN)}, embedding::text, h::text, prefix::text, extra",
    )
    expected = [t[2] for t in EVERY_COLUMN.values()]
    expected[-1] = datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert first == (*expected, "[1,2]", "[1,0.5,0.099975586]", "[1]", 42)
    assert second == (*[None] * (len(values) + 3), 42)


def test_append_refuses_what_does_not_fit(
    conn: Conn, vectors: NDArray[np.float32]
) -> None:
    load_blocks(conn, vectors, "docs", columns={"id": np.arange(ROWS)})
    with pytest.raises(InvalidFile, match=r"no column 'a', 'b' .* has: id, embedding"):
        load_blocks(conn, vectors, "docs", columns={"a": TITLES, "b": TITLES})
    with pytest.raises(InvalidFile, match=r"row 0: the vector has 2 numbers where 6"):
        load_blocks(conn, vectors[:, :2], "docs")
    with pytest.raises(InvalidFile, match=r"Key \(id\)=\(24\) already exists"):
        load_blocks(conn, vectors[:1], "docs", columns={"id": [24]})
    with pytest.raises(InvalidFile, match='null value in column "id"'):
        load_blocks(conn, vectors, "docs")
    conn.execute("alter table docs add column box box, add column short varchar(2)")
    with pytest.raises(InvalidFile, match=r"row 1: invalid .* type box: .\(1,1\)"):
        load_blocks(
            conn, vectors[:2], "docs", columns={"id": [50, 51], "box": [None, "(1,1)"]}
        )
    with pytest.raises(InvalidFile, match=r"row 1, column short: value too long for"):
        load_blocks(
            conn, vectors[:2], "docs", columns={"id": [50, 51], "short": ["ab", "abc"]}
        )
    with pytest.raises(NotAVectorColumn, match=r"'public.docs.short' is character"):
        load_blocks(conn, vectors, "docs", column="short")
    assert (stored(conn) == vectors).all()


def test_duplicate_keys_in_the_file(conn: Conn, vectors: NDArray[np.float32]) -> None:
    keys = ["a"] * ROWS
    with pytest.raises(InvalidFile, match=r"Key \(id\)=\(a\) .*its own key"):
        load_blocks(conn, vectors, "docs", columns={"id": keys})
    assert tables(conn) == []


def test_only_tables(conn: Conn, vectors: NDArray[np.float32]) -> None:
    conn.execute("create view docs as select 1 as embedding")
    with pytest.raises(TableNotFound, match="is a view"):
        load_blocks(conn, vectors, "docs")


def test_a_vector_column_without_dimensions(
    conn: Conn, vectors: NDArray[np.float32]
) -> None:
    conn.execute("create table docs (embedding vector)")
    assert load_blocks(conn, vectors, "docs").dims == DIMS
    assert (stored(conn) == vectors).all()


# --- names -------------------------------------------------------------------


@pytest.mark.parametrize("name", ['Odd "Name"; drop', "Docs", "select", "a%sb{x}"])
def test_any_name_in_any_schema(
    conn: Conn, vectors: NDArray[np.float32], name: str
) -> None:
    conn.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))
    for created in (True, False):
        report = load_blocks(
            conn,
            vectors,
            name,
            schema=name,
            column=name,
            key=f"{name} key",
            columns={f"{name} text": TITLES},
        )
        assert report.created == created
    query = sql.SQL("select {}::real[]::float8[], {} from {} order by {}").format(
        *(sql.Identifier(n) for n in (name, f"{name} text")),
        sql.Identifier(name, name),
        sql.Identifier(f"{name} key"),
    )
    expected = [(v.tolist(), t) for v, t in zip(vectors, TITLES, strict=True)]
    assert conn.execute(query).fetchall() == expected * 2
    assert tables(conn) == []


def test_the_search_path_decides(conn: Conn, vectors: NDArray[np.float32]) -> None:
    conn.execute("create schema a")
    conn.execute("set search_path = a, public")
    load_blocks(conn, vectors, "docs")
    conn.execute("set search_path = public, a")
    assert not load_blocks(conn, vectors, "docs").created
    assert len(stored(conn, "a.docs")) == 2 * ROWS
    assert load_blocks(conn, vectors, "docs", schema="public").created
    with pytest.raises(InvalidSetting, match='schema "b" does not exist: create it'):
        load_blocks(conn, vectors, "docs", schema="b")


@pytest.mark.parametrize("name", ["", "x" * 64, "é" * 32, "a\0b"])
def test_names_the_server_would_cut(
    conn: Conn, vectors: NDArray[np.float32], name: str
) -> None:
    for table, schema in ((name, None), ("docs", name)):
        with pytest.raises(InvalidSetting, match="bytes: PostgreSQL takes 1 to 63"):
            load_blocks(conn, vectors, table, schema=schema)
    with pytest.raises(InvalidFile, match="rename it"):
        load_blocks(conn, vectors, "docs", columns={name: TITLES})
    assert tables(conn) == []


# --- bad files: named, and nothing changed -----------------------------------

GOOD = '{"embedding": [1, 2], "n": 1}'
BAD_LINES: list[tuple[str | bytes, str]] = [
    ('{"embedding": [1, 2, 3]}', "row 4: the vector has 3 numbers where 2"),
    ('{"embedding": [1, NaN]}', "row 4: nan at position 1"),
    ('{"embedding": [1e39, 1]}', "row 4: 1e+39 at position 0 is beyond the largest"),
    ('{"embedding": [1, 2], "n": "x"}', "row 4: 'x' is not an integer"),
    ('{"embedding": [1, 2]', "row 4: not JSON: Expecting ',' delimiter at column"),
    ("[1, 2]", "row 4: not a JSON object but a list"),
    ('{"embedding": [1, 2], "t": "\\u0000"}', "row 4: the text holds a NUL"),
    ('{"embedding": [1, 2], "t": "\\ud83d"}', "row 4: character '\\ud83d' cannot"),
    (b'{"embedding": [1, 2], "t": "\xe9"}', "row 4: byte 0xe9 is not UTF-8"),
]


def refused(conn: Conn, path: Path, **options: Any) -> str:
    with pytest.raises(InvalidFile) as caught:
        load(conn, path, "docs", **options)
    assert tables(conn) == []
    return str(caught.value)


@pytest.mark.parametrize("block_rows", [1, 100])
def test_bad_json_lines(conn: Conn, tmp_path: Path, block_rows: int) -> None:
    first = b'{"embedding": [1, 2], "n": 1, "t": "a"}'
    for line, why in BAD_LINES:
        raw = line if isinstance(line, bytes) else line.encode()
        if block_rows == 100 and b'"x"' in raw:
            continue  # within the first block these say what the column is
        lines = [first, b"", GOOD.encode(), raw, GOOD.encode()]
        (tmp_path / "d.jsonl").write_bytes(b"\n".join(lines))
        said = refused(conn, tmp_path / "d.jsonl", block_rows=block_rows)
        assert why in said
        assert said.startswith("d.jsonl: 1 row cannot be loaded (rows are numbered by")


BAD_CSV: list[tuple[str | bytes, str]] = [
    ("1,[1;2],a", "row 3: '[1;2]' is not a vector like [1,2,3]"),
    ('1,"[1,2,3]",a', "row 3: the vector has 3 numbers where 2"),
    ('1,"[1,inf]",a', "row 3: inf at position 1"),
    ('x,"[1,2]",a', "row 3: 'x' is not an integer"),
    ('1,"[1,2]"', "row 3: 2 fields where the header has 3"),
    (b'1,"[1,2]",\xe9', "row 3: byte 0xe9 is not UTF-8"),
    ('1,"[1,2]","a', "line 4 is not CSV"),
]


def test_bad_csv(conn: Conn, tmp_path: Path) -> None:
    for line, why in BAD_CSV:
        raw = line if isinstance(line, bytes) else line.encode()
        lines = [b"n,embedding,t", b'1,"[1,2]",a', raw, b'2,"[1,2]",a', b""]
        (tmp_path / "d.csv").write_bytes(b"\n".join(lines))
        assert why in refused(conn, tmp_path / "d.csv", block_rows=1)


def test_bad_rows_late_in_a_file_undo_the_early_ones(
    conn: Conn, tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    load_blocks(conn, vectors, "docs")
    bad = np.tile(vectors, (40, 1))
    bad[990:, 2] = np.nan
    np.save(tmp_path / "v.npy", bad)
    sent: list[int] = []
    with pytest.raises(InvalidFile, match="row 990: nan at position 2") as caught:
        load(
            conn,
            tmp_path / "v.npy",
            "docs",
            block_rows=50,
            progress=lambda progress: sent.append(progress.done),
        )
    assert sent[-1] == 950
    assert "v.npy: 10 rows cannot be loaded (rows are counted from 0)" in str(
        caught.value
    )
    assert (stored(conn) == vectors).all()
    assert load_blocks(conn, vectors, "docs").rows == ROWS


def _npz(**arrays: Any) -> Any:
    return lambda path: np.savez(path, **arrays)


MATRIX = np.ones((3, 2), dtype=np.float32)
_file = BytesIO()
np.save(_file, MATRIX)
CUT = _file.getvalue()[:-3]
BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "1d.npy": (lambda p: np.save(p, MATRIX[0]), r"shape \(2,\)"),
    "int.npy": (lambda p: np.save(p, MATRIX.astype(int)), "matrix of floats"),
    "empty.npy": (lambda p: p.write_bytes(b""), "not a NumPy array"),
    "cut.npy": (
        lambda p: p.write_bytes(CUT),
        "its header says 24 bytes, but 21 follow",
    ),
    "objects.npy": (
        lambda p: np.save(p, np.array([[{}]]), allow_pickle=True),
        "Python objects, which are never unpickled",
    ),
    "norows.npy": (lambda p: np.save(p, MATRIX[:0]), "rows|empty"),
    "two.npz": (_npz(a=MATRIX, b=MATRIX), "2 matrices"),
    "none.npz": (_npz(a=MATRIX[0]), "0 matrices"),
    "length.npz": (_npz(a=MATRIX, b=[1, 2]), "'b' has 2 values"),
    "object.npz": (_npz(a=MATRIX, b=np.array([{}, 1, 2])), "never unpickled"),
    "axes.npz": (_npz(a=MATRIX, b=np.ones((3, 2, 1)), c=MATRIX), "2 matrices"),
    "not.npz": (lambda p: p.write_bytes(b"x"), "not a valid .npz file"),
    "empty.jsonl": (lambda p: p.write_bytes(b"\n\n"), "holds no rows"),
    "none.jsonl": (lambda p: p.write_bytes(b'{"a": 1}'), "'embedding'.*there are: a"),
    "nulls.jsonl": (
        lambda p: p.write_bytes(b'{"embedding": null}'),
        "has no vector in",
    ),
    "zero.jsonl": (lambda p: p.write_bytes(b'{"embedding": []}'), "vectors of 0"),
    "mixed.jsonl": (
        lambda p: p.write_bytes(
            b'{"embedding": [1], "a": 1}\n{"embedding": [1], "a": "x"}'
        ),
        "mixes int8, text",
    ),
    "not.jsonl.gz": (lambda p: p.write_bytes(b"x"), "not valid gzip"),
    "cut.jsonl.gz": (
        lambda p: p.write_bytes(gzip.compress(GOOD.encode() * 99)[:-9]),
        "not valid gzip",
    ),
    "twice.csv": (lambda p: p.write_bytes(b"a,a\n1,2\n"), "'a' occurs twice"),
    "header.csv": (lambda p: p.write_bytes(b"a,embedding\n"), "holds no rows"),
    "what.txt": (lambda p: p.write_bytes(b"x"), r"\.parquet"),
}


def test_bad_files(conn: Conn, tmp_path: Path) -> None:
    for name, (write, why) in BAD_FILES.items():
        write(tmp_path / name)
        assert re.search(why, refused(conn, tmp_path / name)), name


def test_no_such_file(conn: Conn, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="does not exist"):
        load(conn, tmp_path / "missing.npy", "docs")


def test_settings_are_checked_first(conn: Conn, vectors: NDArray[np.float32]) -> None:
    for option, why in [
        ({"kind": "bit"}, "kind='bit' is unknown: choose one of 'vector', 'halfvec'"),
        ({"storage": "fast"}, "storage='fast' is unknown: choose one of 'plain'"),
        ({"key": "embedding"}, "is the column of the vectors"),
        ({"block_rows": 0}, "block_rows=0 is outside 1 to"),
    ]:
        with pytest.raises(InvalidSetting, match=why):
            load_blocks(conn, vectors, "docs", **option)  # type: ignore[arg-type]


def test_columns_of_other_lengths(conn: Conn, vectors: NDArray[np.float32]) -> None:
    with pytest.raises(InvalidFile, match="'t' has 2 values, but 'embedding' has 25"):
        load_blocks(conn, vectors, "docs", columns={"t": ["a", "b"]})


# --- the command -------------------------------------------------------------


def test_command(
    database: str, conn: Conn, tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    conn.execute('create schema "My.S"')
    np.save(tmp_path / "v.npy", vectors)
    options = ("--type", "halfvec", "--storage", "plain")
    target = ('"My.S".Docs', "Vec", "--key", "k", "--dsn", database)
    done = mrl_pg("load", tmp_path / "v.npy", *target, *options)
    assert (done.returncode, done.stdout[:41]) == (
        0,
        "Loaded 25 rows of 6 dimensions into My.S.",
    ), done.stderr
    done = mrl_pg("load", tmp_path / "v.npy", *target, "--json")
    report = json.loads(done.stdout)
    assert (report["rows"], report["created"], report["dims"]) == (ROWS, False, DIMS)
    types = column_types(conn, '"My.S"."Docs"')
    assert types == {"k": "bigint", "Vec": f"halfvec({DIMS})"}
    found = conn.execute('select count(*) from "My.S"."Docs"').fetchone()
    assert found == (2 * ROWS,)


def test_command_errors(database: str, conn: Conn, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"embedding": [1]}\n{"embedding": ["a"]}\n')
    done = mrl_pg("load", path, "docs", "embedding", "--dsn", database)
    assert (done.returncode, done.stdout) == (2, "")
    assert "row 2: 'a' at position 0 is not a number" in done.stderr
    assert "Traceback" not in done.stderr
    bad = mrl_pg("load", path, "a.b.c", "embedding", "--dsn", database)
    assert bad.returncode == 2
    conn.execute("create view docs as select 1 as embedding")
    path.write_text('{"embedding": [1]}\n')
    done = mrl_pg("load", path, "docs", "embedding", "--dsn", database)
    assert done.returncode == 3
    assert tables(conn) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"title": 5}, "column 'title' is 5: give a value for each row"),
        ({"title": iter("abc")}, "column 'title' is .*: give a value for each row"),
        ({5: ["a"] * 3}, "column name 5 is not text"),
        (5, "columns=5 is not a mapping"),
        (["title"], "columns=.* is not a mapping"),
    ],
)
def test_columns_that_are_none(conn: Conn, columns: Any, message: str) -> None:
    with pytest.raises((InvalidFile, InvalidSetting), match=message):
        load_blocks(conn, np.ones((3, 8)), "docs", columns=columns)
    with pytest.raises(InvalidFile, match="column 'embedding' is array"):
        load_blocks(conn, np.array(5.0), "docs")
