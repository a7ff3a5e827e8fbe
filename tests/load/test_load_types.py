"""Values of every type in new and in existing columns, read back."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pyarrow as arrow
import pytest
from pyarrow import parquet
from support.databases import Conn, connection_fixture
from support.loads import empty, refused, texts, types

from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.load import Block, load, load_blocks

VECTORS = np.ones((2, 3), dtype=np.float32)
FIXED = timezone(timedelta(hours=2))
KEY = UUID("00112233-4455-6677-8899-aabbccddeeff")
NANO = 1704110400123456789


database_of_module = connection_fixture(
    lambda conn: conn.execute("set time zone 'Europe/Berlin'")
)


@pytest.fixture
def conn(database_of_module: Conn) -> Conn:
    empty(database_of_module)
    return database_of_module


# --- new tables ------------------------------------------------------------

PARQUET: dict[str, tuple[Any, str, str]] = {
    "small": (arrow.array([1, None], arrow.int8()), "bigint", "1"),
    "unsigned": (
        arrow.array([2**64 - 1, 0], arrow.uint64()),
        "numeric",
        str(2**64 - 1),
    ),
    "flag": (arrow.array([True, None]), "boolean", "true"),
    "half": (arrow.array(np.array([0.5, 1], "f2")), "double precision", "0.5"),
    "price": (
        arrow.array([Decimal("12345678901234567890.123"), None]),
        "numeric",
        "12345678901234567890.123",
    ),
    "wide": (arrow.array([Decimal(1), None], arrow.decimal256(60)), "numeric", "1"),
    "day": (arrow.array([1, None], arrow.date32()), "date", "1970-01-02"),
    "day64": (arrow.array([86400000] * 2, arrow.date64()), "date", "1970-01-02"),
    "clock": (
        arrow.array([1, None], arrow.time32("s")),
        "time without time zone",
        "00:00:01",
    ),
    "clock_ns": (
        arrow.array([1999, None], arrow.time64("ns")),
        "time without time zone",
        "00:00:00.000001",
    ),
    "local": (
        arrow.array([1704110400, None], arrow.timestamp("s")),
        "timestamp without time zone",
        "2024-01-01 12:00:00",
    ),
    "zoned": (
        arrow.array([1704110400000, None], arrow.timestamp("ms", "America/New_York")),
        "timestamp with time zone",
        "2024-01-01 13:00:00+01",
    ),
    "nano": (
        arrow.array([NANO, None], arrow.timestamp("ns")),
        "timestamp without time zone",
        "2024-01-01 12:00:00.123456",
    ),
    "while": (arrow.array([90, None], arrow.duration("s")), "interval", "00:01:30"),
    "thumb": (arrow.array([b"\x89PNG", None]), "bytea", r"\x89504e47"),
    "sixteen": (
        arrow.array([KEY.bytes, None], arrow.binary(16)),
        "bytea",
        r"\x" + KEY.hex,
    ),
    "tags": (arrow.array([["a", 'b"\\{,}'], []]), "text[]", '{a,"b\\"\\\\{,}"}'),
    "none": (arrow.array([[], []], arrow.list_(arrow.string())), "text[]", "{}"),
    "counts": (arrow.array([[1, None], None]), "bigint[]", "{1,NULL}"),
    "days": (arrow.array([[date(2024, 1, 1)], None]), "date[]", "{2024-01-01}"),
    "grid": (arrow.array([[[1], [2]], None]), "jsonb", "[[1], [2]]"),
    "meta": (
        arrow.array(
            [{"d": date(2024, 1, 1), "t": datetime(2024, 1, 1, 12), "n": 1}] * 2
        ),
        "jsonb",
        '{"d": "2024-01-01", "n": 1, "t": "2024-01-01T12:00:00"}',
    ),
    "nested": (
        arrow.array([{"t": NANO}, None], arrow.struct({"t": arrow.timestamp("ns")})),
        "jsonb",
        '{"t": "2024-01-01T12:00:00.123456"}',
    ),
    "image": (arrow.array([{"bytes": b"\x01"}, None]), "jsonb", '{"bytes": "\\\\x01"}'),
    "map": (
        arrow.array([[("k", 1)], None], arrow.map_(arrow.string(), arrow.int32())),
        "jsonb",
        '{"k": 1}',
    ),
    "word": (arrow.array(["a", "b"]).dictionary_encode(), "text", "a"),
    "nothing": (arrow.nulls(2), "text", ""),
}


def test_new_columns_from_parquet(conn: Conn, tmp_path: Path) -> None:
    columns = {name: values for name, (values, *_) in PARQUET.items()}
    table = arrow.table({"embedding": VECTORS.tolist(), **columns})
    parquet.write_table(table, tmp_path / "d.parquet")
    report = load(conn, tmp_path / "d.parquet", "docs")
    declared = types(conn)
    assert {name: declared[name] for name in PARQUET} == {
        name: kind for name, (_, kind, _) in PARQUET.items()
    }
    found = dict(zip(PARQUET, texts(conn, *PARQUET)[0], strict=True))
    assert found == {name: text or None for name, (*_, text) in PARQUET.items()}
    assert sorted(note.split(":")[0] for note in report.notes) == [
        "clock_ns",
        "nano",
        "nested",
    ]
    assert "nano: nanoseconds were cut to microseconds" in str(report)


NUMPY: dict[str, tuple[Any, str, str | None]] = {
    "word": (np.array(["a", "b"]), "text", "a"),
    "bytes": (np.array([b"a", b"bc"]), "text", "a"),
    "hash": (np.array([2**63, 1], "u8"), "numeric", str(2**63)),
    "count": (np.array([1, 2], "u8"), "bigint", "1"),
    "day": (np.array(["2024-01-01", "NaT"], "M8[D]"), "date", "2024-01-01"),
    "nano": (
        np.array([NANO, NANO], "M8[ns]"),
        "timestamp without time zone",
        "2024-01-01 12:00:00.123456",
    ),
    "long": (np.array([3, 4], "m8[h]"), "interval", "03:00:00"),
    "price": ([Decimal("1.10"), None], "numeric", "1.10"),
    "mixed": ([1, 2**70], "numeric", "1"),
    "key": ([KEY, None], "uuid", str(KEY)),
    "at": ([datetime(2024, 1, 1, tzinfo=FIXED)] * 2, "timestamp with time zone", None),
    "scalars": (
        [np.datetime64(NANO, "ns"), None],
        "timestamp without time zone",
        "2024-01-01 12:00:00.123456",
    ),
    "times": ([[datetime(2024, 1, 1)], []], "timestamp without time zone[]", None),
}


def test_new_columns_from_memory(conn: Conn) -> None:
    given = {name: values for name, (values, *_) in NUMPY.items()}
    report = load_blocks(conn, VECTORS, "docs", columns=given)
    declared = types(conn)
    for (name, (_, kind, text)), found in zip(
        NUMPY.items(), texts(conn, *NUMPY)[0], strict=True
    ):
        assert declared[name] == kind
        assert text is None or found == text, name
    assert report.notes == ("nano: nanoseconds were cut to microseconds",)


def test_times_that_no_calendar_holds_are_no_numbers(conn: Conn) -> None:
    """An int64 of NumPy, far beyond the year 9999, became a bigint."""
    far = np.array([2**62, 0], "M8[us]")
    conn.execute("create table docs (embedding vector(3), t bigint)")
    for times in (far, list(far), np.array([NANO, NANO], "M8[ns]")):
        with pytest.raises(InvalidFile, match=r"row 0: .* is not an integer"):
            load_blocks(conn, VECTORS, "docs", columns={"t": times})
    empty(conn)
    with pytest.raises(
        InvalidFile, match="row 0: '4611686018427387904 us since 1970' is not"
    ):
        load_blocks(conn, VECTORS, "docs", columns={"t": far})


def test_whole_numbers_of_csv_keep_every_digit(conn: Conn, tmp_path: Path) -> None:
    """Ids above 2**63 became doubles."""
    path = tmp_path / "d.csv"
    path.write_text(
        "id,exact,loose,embedding\n"
        '18446744073709551615,0.1234567890123456789,0.012345678901234567,"[1,2]"\n'
    )
    load(conn, path, "docs")
    assert types(conn)["loose"] == "double precision"
    assert texts(conn, "id", "exact", "loose") == [
        ("18446744073709551615", "0.1234567890123456789", "0.012345678901234567")
    ]


# --- existing columns ------------------------------------------------------

EXISTING: dict[str, list[tuple[Any, str | None]]] = {
    "numeric(6,2)": [(Decimal("12.345"), "12.35"), (1, "1.00"), ("1.5", "1.50")],
    "numeric(20)": [(2**64 - 1, str(2**64 - 1))],
    "timestamp": [
        (datetime(2024, 1, 1, 12), "2024-01-01 12:00:00"),
        ("2024-01-01T12:00:00+02:00", "2024-01-01 10:00:00"),
        (date(2024, 1, 1), "2024-01-01 00:00:00"),
    ],
    "timestamptz": [
        (datetime(2024, 7, 1, 12), "2024-07-01 12:00:00+02"),
        ("2024-07-01T12:00:00Z", "2024-07-01 14:00:00+02"),
    ],
    "timestamp(0)": [(datetime(2024, 1, 1, 0, 0, 0, 600000), "2024-01-01 00:00:01")],
    "date": [(datetime(2024, 1, 1), "2024-01-01")],
    "time": [("12:30", "12:30:00"), (time(1, 2, 3, 4), "01:02:03.000004")],
    "timetz": [("12:30+02", "12:30:00+02")],
    "interval": [
        (timedelta(days=-1, microseconds=1), "-1 days +00:00:00.000001"),
        ("P1M", "1 mon"),
    ],
    "bytea": [(b"\x00\xff", r"\x00ff"), (r"\x0aff", r"\x0aff")],
    "uuid": [(KEY.bytes, str(KEY)), (str(KEY), str(KEY)), (KEY.hex, str(KEY))],
    "text[]": [
        (["a", None, "", "NULL", 'q"\\'], '{a,NULL,"","NULL","q\\"\\\\"}'),
        ("{a,b}", "{a,b}"),
        ('["a,b", null]', '{"a,b",NULL}'),
    ],
    "int[]": [([[1, 2], [3, 4]], "{{1,2},{3,4}}"), (np.array([5, 6]), "{5,6}")],
    "numeric[]": [([Decimal("0.10")], "{0.10}")],
    "bytea[]": [([b"\xff"], '{"\\\\xff"}')],
    "jsonb[]": [([{"a": 1}], '{"{\\"a\\": 1}"}')],
    "mood": [("happy", "happy")],
    "mood[]": [(["happy"], "{happy}")],
    "positive": [(5, "5")],
    "char(3)": [("a", "a")],
    "varchar(3)": [("abc", "abc"), (7, "7")],
    '"char"': [("a", "a")],
    "name": [("a", "a")],
    "text": [
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (KEY, str(KEY)),
        (Decimal("1.10"), "1.10"),
        (datetime(2024, 1, 1, 12), "2024-01-01 12:00:00"),
        (time(1), "01:00:00"),
        (b"\xc3\xa9", "é"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        (np.float32(0.5), "0.5"),
    ],
    "json": [({"d": Decimal("1.10"), "u": KEY}, f'{{"d": "1.10", "u": "{KEY}"}}')],
    "jsonb": [({"b": b"\x01", "a": np.arange(2)}, '{"a": [0, 1], "b": "\\\\x01"}')],
    "inet": [("::1", "::1/128")],
    "cidr": [("10.0.0.0/8", "10.0.0.0/8")],
    "macaddr": [("08:00:2b:01:02:03", "08:00:2b:01:02:03")],
    "bit(3)": [("101", "101")],
    "int4range": [("[1,5)", "[1,5)")],
    "point": [("(1,2)", "(1,2)")],
    "tsvector": [("a b", "'a' 'b'")],
    "oid": [(5, "5")],
    "real": [(0.1, "0.1"), (Decimal("0.5"), "0.5")],
    "int": [(5.0, "5"), (Decimal("5.0"), "5"), (np.int8(5), "5"), (" 5 ", "5")],
    "halfvec(2)": [([1, 2], "[1,2]"), ("[1 2]", "[1,2]")],
    "sparsevec(3)": [("{1:2}/3", "{1:2}/3")],
}


def test_existing_columns(conn: Conn) -> None:
    conn.execute(
        "create type mood as enum ('happy'); "
        "drop domain if exists positive; "
        "create domain positive as int check (value > 0)"
    )
    names = {f"c{i}": kind for i, kind in enumerate(EXISTING)}
    columns = ", ".join(f"{name} {kind}" for name, kind in names.items())
    conn.execute(f"create table docs (embedding vector(3), {columns})")
    rows = max(map(len, EXISTING.values()))
    given = {
        name: [value for value, _ in EXISTING[kind]] + [None] * rows
        for name, kind in names.items()
    }
    report = load_blocks(
        conn,
        np.ones((rows, 3), np.float32),
        "docs",
        columns={name: values[:rows] for name, values in given.items()},
    )
    found = zip(*texts(conn, *names), strict=True)
    for kind, column in zip(EXISTING, found, strict=True):
        expected = [text for _, text in EXISTING[kind]]
        assert column == (*expected, *[None] * (rows - len(expected))), kind
    zoned = list(EXISTING)
    local, utc = zoned.index("timestamptz"), zoned.index("timestamp")
    assert report.notes == (
        f"c{local}: times without a zone were taken as Europe/Berlin, the session's "
        "time zone",
        f"c{utc}: times were stored in UTC, their zones were dropped, because the "
        "column is a timestamp without time zone",
    )


REFUSED: list[tuple[str, Any, str]] = [
    ("mood", "cross", 'row 1: invalid input value for enum mood: "cross"'),
    ("positive", 0, "row 1: value for domain positive violates check constraint"),
    ("numeric(3,1)", 1000, "row 1: numeric field overflow"),
    ("numeric", "x", 'row 1: invalid input syntax for type numeric: "x"'),
    ("int[]", ["x"], 'row 1: invalid input syntax for type integer: "x"'),
    ("text[]", "[x", "row 1: '[x' is not an array like {1,2} or [1,2] (column 'x')"),
    ("inet", "x", 'row 1: invalid input syntax for type inet: "x"'),
    ("tsvector", "a:x", "row 1: syntax error in tsvector"),
    ("regclass", "none", 'row 1: relation "none" does not exist'),
    ("real[]", np.array(1), "row 1: malformed array literal"),
    ("interval", "x", 'row 1: invalid input syntax for type interval: "x"'),
    ("char(3)", "abcd", "row 1, column x: value too long for type character(3)"),
    ("time", "25:00", "row 1: '25:00' is not a time of day like 23:59:59"),
    ("timestamp", 7, "row 1: 7 is not a time like"),
    ("timestamptz", "never", "row 1: 'never' is not a time like"),
    ("date", datetime(2024, 1, 1, 1), "is not a date like 2024-12-31"),
    ("bytea", "00ff", "row 1: '00ff' is neither bytes nor text like \\x00ff"),
    ("uuid", b"123", "row 1: b'123' is not a uuid or 16 bytes"),
    ("bigint", 2**63, "the range of int8: a column of type numeric takes it"),
    ("text", b"\xff", "row 1: byte 0xff is not UTF-8 (column 'x')"),
    ("jsonb", {"a": {1}}, "is not JSON: set cannot be JSON"),
    ("int check (x > 0)", 0, "the server refused row 1: new row for relation"),
]


@pytest.mark.parametrize(("kind", "value", "why"), REFUSED)
def test_values_that_existing_columns_refuse(
    conn: Conn, kind: str, value: Any, why: str
) -> None:
    conn.execute("create type mood as enum ('happy')")
    conn.execute("drop domain if exists positive")
    conn.execute("create domain positive as int check (value > 0)")
    conn.execute(f"create table docs (embedding vector(3), x {kind})")
    with pytest.raises(InvalidFile) as caught:
        load_blocks(conn, VECTORS, "docs", columns={"x": [None, value]})
    assert why in str(caught.value)
    assert texts(conn, "x") == []
    empty(conn)
    conn.execute("drop domain positive")


def test_the_row_is_found_in_any_block(conn: Conn) -> None:
    """INSERT says no row: it is found by halving the block."""
    conn.execute("create table docs (embedding vector(3), x int[])")
    values: list[Any] = [[i] for i in range(100)]
    values[77] = ["x"]
    matrix = np.ones((100, 3), np.float32)
    for rows in (30, 100):
        with pytest.raises(InvalidFile, match=r'row 77: .* type integer: "x"'):
            load_blocks(conn, matrix, "docs", columns={"x": values}, block_rows=rows)
    assert texts(conn, "x") == []


def test_the_row_of_a_copy_is_the_row_of_the_file(conn: Conn, tmp_path: Path) -> None:
    conn.execute("create table docs (id int primary key, embedding vector(1))")
    lines = [json.dumps({"id": i % 9, "embedding": [1]}) + "\n\n" for i in range(20)]
    (tmp_path / "d.jsonl").write_text("".join(lines))
    said = refused(conn, tmp_path / "d.jsonl", block_rows=4)
    assert "the server refused row 19: duplicate key value" in said
    assert "Key (id)=(0) already exists" in said


def test_a_time_without_a_zone_may_come_late(conn: Conn) -> None:
    conn.execute("create table docs (embedding vector(3), t timestamptz)")
    times = [datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1)]
    report = load_blocks(conn, VECTORS, "docs", columns={"t": times}, block_rows=1)
    assert texts(conn, "t") == [
        ("2024-01-01 01:00:00+01",),
        ("2024-01-01 00:00:00+01",),
    ]
    assert len(report.notes) == 1


# --- columns that come, or grow, late ---------------------------------------


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(
        "".join(json.dumps({"embedding": [1, 2], **r}) + "\n" for r in rows)
    )
    return path


def test_a_key_that_comes_late_is_a_column(conn: Conn, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": 1}, {"a": 2, "b": None}]
    rows += [{"a": 3, "b": "x", "c": [1]}, {"a": 4}]
    path = lines(tmp_path / "d.jsonl", rows)
    load(conn, path, "docs", block_rows=1)
    kinds = {"id": "bigint", "embedding": "vector(2)", "a": "bigint"}
    assert types(conn) == {**kinds, "b": "text", "c": "jsonb"}
    assert texts(conn, "a", "b", "c") == [
        ("1", None, None),
        ("2", None, None),
        ("3", "x", "[1]"),
        ("4", None, None),
    ]
    assert load(conn, path, "docs", block_rows=1).rows == 4
    assert texts(conn, "a", "b", "c")[4:] == texts(conn, "a", "b", "c")[:4]


def test_a_late_key_that_the_table_lacks_is_named(conn: Conn, tmp_path: Path) -> None:
    conn.execute("create table docs (embedding vector(2), a int)")
    path = lines(tmp_path / "d.jsonl", [{"a": 1}, {"a": 2, "b": None}, {"b": 3}])
    said = refused(conn, path, block_rows=1)
    assert "row 3: column 'b' is not in the table: add it" in said
    assert "--skip b" in said
    assert load(conn, path, "docs", block_rows=1, skip=["b"]).rows == 3


def test_columns_without_a_value_are_text(conn: Conn, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": 1, "a": None}]
    rows += [{"id": 2, "a": None, "b": None}]
    load(conn, lines(tmp_path / "d.jsonl", rows), "docs", block_rows=1)
    assert (types(conn)["a"], types(conn)["b"]) == ("text", "text")


@pytest.mark.parametrize(
    ("late", "kind"), [(1.5, "double precision"), (2**63, "numeric")]
)
def test_whole_numbers_become_wider(
    conn: Conn, tmp_path: Path, late: float, kind: str
) -> None:
    rows: list[dict[str, Any]] = [{"a": 1}, {"a": late}, {"a": 3}, {"a": None}]
    load(conn, lines(tmp_path / "d.jsonl", rows), "docs", block_rows=1)
    assert types(conn)["a"] == kind
    assert texts(conn, "a") == [("1",), (str(late),), ("3",), (None,)]


def test_other_types_that_come_late_are_named(conn: Conn, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": 1}, {"a": "x"}]
    path = lines(tmp_path / "d.jsonl", rows)
    said = refused(conn, path, block_rows=1)
    assert "row 2: 'x' is not an integer" in said
    assert "int8 by its first values: create the table first" in said
    assert "mixes int8, text" in refused(conn, path)


def test_a_key_is_there_from_the_first_row(conn: Conn, tmp_path: Path) -> None:
    path = lines(tmp_path / "d.jsonl", [{}, {"id": 5}])
    said = refused(conn, path, block_rows=1)
    assert "the key 'id' first appears in row 2" in said


# --- names -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "rename it, or leave the column out with skip="),
        ("k" * 64, "has 64 bytes"),
        ("a\0", "without NUL"),
        ("a\ud800", "rename it"),
        ("ctid", "conflicts with a system column name: choose columns with columns="),
    ],
)
def test_names_that_no_column_can_have(
    conn: Conn, tmp_path: Path, name: str, why: str
) -> None:
    path = lines(tmp_path / "d.jsonl", [{"id": 1, name: 1}])
    assert why in refused(conn, path)


def test_more_columns_than_a_table_has(conn: Conn, tmp_path: Path) -> None:
    path = lines(tmp_path / "d.jsonl", [{f"k{i}": i for i in range(1700)}])
    assert "at most 1600 columns: choose columns" in refused(conn, path)
    assert load(conn, path, "docs", columns=["k1?"]).rows == 1
    assert len(types(conn)) == 12


def test_a_name_that_the_connection_cannot_send(conn: Conn, tmp_path: Path) -> None:
    path = lines(tmp_path / "d.jsonl", [{"€": 1}])
    with psycopg.connect(conn.info.dsn, client_encoding="latin1") as other:
        with pytest.raises(InvalidSetting, match=r"'€' cannot be sent .* UTF8"):
            load(other, path, "docs")


def test_only_blocks(conn: Conn) -> None:
    for given, why in [
        (None, "NoneType is neither a matrix"),
        ([VECTORS], "blocks of type ndarray: give a matrix, or Block"),
        ([], "holds no rows"),
    ]:
        with pytest.raises(InvalidFile, match=re.escape(why)):
            load_blocks(conn, given, "docs")  # type: ignore[arg-type]
    parts = [Block(("embedding",), (VECTORS,)), Block(("embedding",), (VECTORS[:0],))]
    assert load_blocks(conn, parts, "docs").rows == 2
