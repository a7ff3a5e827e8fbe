"""The bytes of a block, checked by reading them back, here and on the server."""

import json
import struct
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block
from mrl_pg.load.pack import HEADER, TRAILER, Column, Packer, in_order

EVERY_TYPE = {
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "float4": st.floats(width=32, allow_nan=False),
    "float8": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "uuid": st.uuids(),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "timestamptz": st.datetimes(
        datetime(1900, 1, 1), datetime(9990, 1, 1), timezones=st.just(timezone.utc)
    ),
    "jsonb": st.dictionaries(
        st.text('abc"\\é', max_size=3), st.integers(-9, 9) | st.none(), max_size=3
    ),
}
VECTOR = st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=3, max_size=3)

COLUMNS = in_order(
    (Column("embedding", "vector", 3), *(Column(name, name) for name in EVERY_TYPE))
)


def packer(*columns: Column) -> Packer:
    return Packer("test", in_order(columns), columns[0].name)


def fields(data: bytes | memoryview) -> list[list[bytes | None]]:
    """Rows of a COPY stream without header and trailer, read field by field."""
    raw, at, rows = bytes(data), 0, []
    while at < len(raw):
        (count,) = struct.unpack_from(">h", raw, at)
        at, row = at + 2, []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", raw, at)
            at += 4
            row.append(None if size < 0 else raw[at : at + size])
            at += max(size, 0)
        rows.append(row)
    return rows


def test_a_vector_is_its_length_a_zero_and_big_endian_singles() -> None:
    packed = packer(Column("v", "vector", 2)).pack(
        Block(("v",), (np.array([[1, -2], [0.5, 3]], dtype=np.float32),))
    )
    assert fields(packed.data) == [
        [struct.pack(">hhff", 2, 0, 1, -2)],
        [struct.pack(">hhff", 2, 0, 0.5, 3)],
    ]
    assert (packed.rows, packed.null_vectors) == (2, 0)


def test_a_halfvec_is_the_same_in_two_bytes() -> None:
    packed = packer(Column("v", "halfvec", 2)).pack(
        Block(("v",), (np.array([[1, 65519]], dtype=np.float64),))
    )
    assert fields(packed.data) == [[struct.pack(">hhee", 2, 0, 1, 65504)]]


@given(
    rows=st.lists(
        st.tuples(
            st.none() | VECTOR,
            st.none() | st.integers(-(2**31), 2**31 - 1),
            st.none() | st.text("aé", max_size=5),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_pattern_of_nulls_keeps_rows_in_order(
    rows: list[tuple[list[float] | None, int | None, str | None]],
) -> None:
    vectors, numbers, texts = zip(*rows, strict=True)
    block = Block(("v", "n", "t"), (list(vectors), list(numbers), list(texts)))
    packed = packer(
        Column("v", "vector", 3), Column("t", "text"), Column("n", "int4")
    ).pack(block)
    expected = [
        [
            None if v is None else struct.pack(">hhfff", 3, 0, *v),
            None if n is None else struct.pack(">i", n),
            None if t is None else t.encode(),
        ]
        for v, n, t in rows
    ]
    assert fields(packed.data) == expected
    assert packed.null_vectors == vectors.count(None)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(
        st.tuples(st.none() | VECTOR, *(st.none() | s for s in EVERY_TYPE.values())),
        min_size=1,
        max_size=8,
    )
)
def test_the_server_reads_what_was_packed(
    conn: Connection[Any], rows: list[tuple[Any, ...]]
) -> None:
    names = ("embedding", *EVERY_TYPE)
    block = Block(names, tuple(map(list, zip(*rows, strict=True))))
    packed = Packer("test", COLUMNS, "embedding").pack(block)
    definitions = ", ".join(f"{name} {name}" for name in EVERY_TYPE)
    written = ", ".join(column.name for column in COLUMNS)
    read_back = ", ".join(n + "::float8" * (n == "float4") for n in EVERY_TYPE)
    with conn.transaction(force_rollback=True):
        conn.execute("set local time zone 'UTC'")
        conn.execute(
            f"create table packed (row int generated always as identity, "
            f"embedding vector(3), {definitions})"
        )
        with conn.cursor().copy(
            f"copy packed ({written}) from stdin with (format binary)"
        ) as copy:
            copy.write(HEADER)
            copy.write(packed.data)
            copy.write(TRAILER)
        found = conn.execute(
            # the exact value: text of a single has fewer digits
            f"select embedding::real[]::float8[], {read_back} from packed order by row"
        ).fetchall()
    assert [tuple(row) for row in found] == rows


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("int2", 40000, "40000 is outside -32768 to 32767, the range of int2"),
        ("int4", "12x", "'12x' is not an integer"),
        ("int4", 1.5, "1.5 is not an integer"),
        ("int4", True, "True is not an integer"),
        ("int8", 2**63, "the range of int8"),
        ("float4", 1e39, "beyond the largest float4"),
        ("float8", "1_0", "is not a number"),
        ("bool", 1, "1 is not true or false"),
        ("date", "2024-02-30", "is not a date"),
        ("timestamptz", "2024-01-01 10:00", "has no time zone"),
        ("uuid", "x", "'x' is not a uuid"),
        ("int8", "9" * 20, "a column of type numeric takes it"),
        ("text", {1}, "is not JSON: set cannot be JSON"),
        ("time", "24:01", "is not a time of day"),
        ("timestamp", 7, "is not a time like"),
        ("bytea", "00ff", "is neither bytes nor text like"),
        ("uuid", b"123", "is not a uuid or 16 bytes"),
        ("text", "a\0b", "holds a NUL character"),
        ("text", "\ud800", "cannot be sent in the encoding"),
        ("jsonb", "{", "is not JSON"),
        ("jsonb", "NaN", "is not JSON"),
        ("jsonb", {"a": float("inf")}, "is not JSON"),
        ("jsonb", {"a": "\0"}, "holds a NUL character"),
    ],
)
def test_a_value_that_does_not_fit_names_its_row(
    kind: str, value: object, why: str
) -> None:
    block = Block(("v", "x"), ([[1.0]] * 2, [None, value]), first=10)
    with pytest.raises(InvalidFile, match="counted from 0") as caught:
        packer(Column("v", "vector", 1), Column("x", kind)).pack(block)
    assert f"row 11: {why}" in str(caught.value) or why in str(caught.value)
    assert "row 10" not in str(caught.value)


@pytest.mark.parametrize(
    ("vector", "why"),
    [
        ([1.0], "the vector has 1 numbers where 2 are expected"),
        ([1.0, float("nan")], "nan at position 1"),
        ([float("-inf"), 1.0], "-inf at position 0"),
        ([1.0, "2"], "'2' at position 1 is not a number"),
        ([1.0, True], "True at position 1 is not a number"),
        ([1.0, None], "None at position 1 is not a number"),
        ([1.0, 70000.0], "70000 at position 1 is beyond the largest halfvec value"),
        ([1, 10**400], "beyond single precision"),
        ("[1;2]", "is not a vector like [1,2,3]"),
        ("1,2", "is not a vector like [1,2,3]"),
        (5, "5 is not a vector"),
    ],
)
def test_a_bad_vector_names_its_row(vector: object, why: str) -> None:
    block = Block(("v",), ([[1.0, 2.0], vector, None],), first=2, form="jsonl")
    with pytest.raises(InvalidFile, match="numbered by line") as caught:
        packer(Column("v", "halfvec", 2)).pack(block)
    assert f"row 3: {why}" in str(caught.value) or why in str(caught.value)


def test_ten_bad_rows_are_named_and_the_rest_counted() -> None:
    matrix = np.ones((40, 2), dtype=np.float32)
    matrix[5:37, 1] = np.nan
    with pytest.raises(InvalidFile) as caught:
        packer(Column("v", "vector", 2)).pack(Block(("v",), (matrix,), first=100))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("test: 32 rows cannot be loaded")
    assert lines[1] == (
        "  row 105: nan at position 1: every value must be a finite number"
    )
    assert len(lines) == 12
    assert lines[-1] == "  and 22 more in that block of 40 rows"


def test_large_finite_sums_are_no_error() -> None:
    matrix = np.full((2, 8), 3e38, dtype=np.float32)
    packed = packer(Column("v", "vector", 8)).pack(Block(("v",), (matrix,)))
    assert packed.rows == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_every_float_type_packs_alike(dtype: str) -> None:
    matrix = np.arange(6).reshape(3, 2).astype(dtype)
    packed = packer(Column("v", "vector", 2)).pack(Block(("v",), (matrix,)))
    assert fields(packed.data)[2] == [struct.pack(">hhff", 2, 0, 4, 5)]


def test_json_lines_take_a_string_for_a_json_string() -> None:
    columns = (Column("v", "vector", 1), Column("j", "json"))
    values: Sequence[Any] = ["a", {"b": "é"}, None]
    block = Block(("v", "j"), ([[1]] * 3, values), form="jsonl")
    rows = fields(packer(*columns).pack(block).data)
    assert [row[1] for row in rows] == [b'"a"', '{"b": "é"}'.encode(), None]


def test_json_text_keeps_every_digit() -> None:
    text = '{"n": 1.10000000000000000001}'
    block = Block(("v", "j"), ([[1]], [text]))
    columns = (Column("v", "vector", 1), Column("j", "jsonb"))
    ((_, found),) = fields(packer(*columns).pack(block).data)
    assert found == b"\x01" + text.encode()
    assert json.loads(text)


def test_uuids_may_end_in_zero_bytes() -> None:
    value = uuid.UUID(int=5 << 64)
    block = Block(("v", "u"), ([[1]], [str(value)]))
    columns = (Column("v", "vector", 1), Column("u", "uuid"))
    ((_, found),) = fields(packer(*columns).pack(block).data)
    assert found == value.bytes
