"""Rows, keys and tables that are refused, by an error that names them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors
from support.databases import Conn, connect, role

from mrl_pg import (
    ColumnNotFound,
    InvalidFile,
    InvalidFilter,
    InvalidSetting,
    MatryoshkaColumn,
    MatryoshkaIndex,
    NoPrimaryKey,
    NotAVectorColumn,
    TableNotFound,
)

DOCS = MatryoshkaColumn("docs", "embedding")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table with one row, whose versions tell whether anything was written."""
    conn.execute(
        "create table docs (id bigint primary key, text varchar(5), metadata jsonb,"
        " n int2 check (n < 100), other int unique, embedding vector(2),"
        " half halfvec(2), twice int generated always as (n * 2) stored);"
        "insert into docs values (1, 'one', '{}', 1, 1, '[1,2]', '[1,2]')"
    )
    return conn


def state(conn: Conn) -> Any:
    """The rows and where they are."""
    return conn.execute("select ctid::text, xmin::text, * from docs").fetchall()


GOOD = {"id": 5, "text": "five"}

ROWS: dict[str, tuple[Any, str]] = {
    "length": ([{"id": 1, "embedding": [1, 2, 3]}], "row 0: the vector has 3 numbers"),
    "nan": (
        [{"id": 1, "embedding": [1, 2]}, {"id": 2, "embedding": [1, float("nan")]}],
        "row 1: nan at position 1",
    ),
    "matrix": ({"id": [1, 2], "embedding": np.ones((2, 3))}, "row 0: the vector has 3"),
    "half": ([{"id": 1, "half": [1, 1e6]}], "beyond the largest halfvec"),
    "text vector": ([{"id": 1, "embedding": "x"}], "not a vector"),
    "nul": ([GOOD, {"id": 1, "text": "a\0b"}], r"row 1: the text holds a NUL .*'text'"),
    "nul in json": (
        [{"id": 1, "metadata": {"a": ["b\0"]}}],
        "row 0: the JSON holds a NUL character",
    ),
    "nan in json": ([{"id": 1, "metadata": {"a": float("nan")}}], "is not JSON"),
    "no json": ([{"id": 1, "metadata": {"a": object()}}], "row 0: .* is not JSON"),
    "json text": ([{"id": 1, "metadata": "{a"}], "row 0: .* is not JSON"),
    "surrogate": ([{"id": 1, "text": "\ud800"}], "row 0: character"),
    "range": ([{"id": 1, "n": 2**15}], r"row 0: 32768 is outside .*column 'n'"),
    "type": ([{"id": "x", "n": 1}], r"row 0: 'x' is not an integer"),
    "twice": (
        [GOOD, {"id": 6, "text": ""}, GOOD],
        "row 2: it has the key of row 0",
    ),
    "null key": ([GOOD, {"id": None, "text": ""}], "row 1: key 'id' has no value"),
    "no key": ([{"text": "a"}], "no column 'id', which is in the primary key"),
    "missing": (
        [GOOD, {"id": 1}],
        "row 1: it has no value for 'text', which",
    ),
    "more": (
        [{"id": 1}, GOOD],
        "row 1: it has a value for 'text', which",
    ),
    "no row": ([GOOD, 7], "row 1: 7 is not a mapping of column to value"),
    "no first row": ([7], "row 0: 7 is not a mapping"),
    "no column": ([{}], "row 0 has no column"),
    "no columns": ({}, "the rows have no column"),
    "one row": (GOOD, r"if this is one row, put it into a list"),
    "uneven": ({"id": [1, 2], "n": [1]}, "'n' has 1 values, but 'id' has 2"),
    "generated": ([{"id": 1, "twice": 2}], "computes 'twice' of public.docs"),
    # what the server refuses
    "check": (
        [{"id": i, "n": n} for i, n in enumerate((1, 2, 100, 4, 200))],
        'row 2: new row .* violates check constraint "docs_n_check"',
    ),
    "too long": ([GOOD, {"id": 1, "text": "longer"}], "row 1: value too long"),
    "unique": (
        [{"id": i, "other": n} for i, n in enumerate((7, 8, 9, 9))],
        r"row 3: duplicate key value .* \(other\)=\(9\) already exists",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_named(docs: Conn, name: str) -> None:
    rows, message = ROWS[name]
    before = state(docs)
    with pytest.raises(InvalidFile, match=message) as error:
        DOCS.upsert(docs, rows)
    if "cannot be" in str(error.value):
        assert "nothing was written" in str(error.value)
    assert state(docs) == before


def test_rows_are_named_on_an_asynchronous_connection(
    docs: Conn, database: str
) -> None:
    before = state(docs)

    async def refused() -> None:
        async with await psycopg.AsyncConnection.connect(database) as conn:
            for name in ("nan", "twice", "check"):
                rows, message = ROWS[name]
                with pytest.raises(InvalidFile, match=message):
                    await DOCS.upsert_async(conn, rows)
            with pytest.raises(InvalidSetting, match="key 0"):
                await DOCS.get_async(conn, ["x"])
            with pytest.raises(InvalidFilter, match="nope"):
                await DOCS.delete_async(conn, filter="nope = 1")

    asyncio.run(refused())
    assert state(docs) == before


def test_a_late_block_undoes_the_blocks_before(docs: Conn) -> None:
    before = state(docs)
    rows = [{"id": i, "n": i // 25} for i in range(2600)]
    with pytest.raises(InvalidFile, match="row 2500: new row"):
        DOCS.upsert(docs, rows)
    with pytest.raises(InvalidFile, match="row 1500: it has the key of row 3"):
        DOCS.upsert(docs, [{"id": 3 if i == 1500 else i} for i in range(1600)])
    assert state(docs) == before


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([{"id": 1, "nope": 2}], ColumnNotFound, "'nope' .* there are: id, text, meta"),
        ([{"id": 1, 7: 2}], InvalidFile, "column name 7 is not text"),
        ("id", InvalidSetting, "rows='id' are not rows"),
        (7, InvalidSetting, "rows=7 are not rows"),
    ],
)
def test_what_are_no_rows(docs: Conn, rows: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        DOCS.upsert(docs, rows)


def test_settings(docs: Conn) -> None:
    with pytest.raises(InvalidSetting, match="if_exists='replace' is unknown"):
        DOCS.upsert(docs, [GOOD], if_exists="replace")  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="progress=3 cannot be called"):
        DOCS.upsert(docs, [GOOD], progress=3)  # type: ignore[arg-type]


def test_what_the_iterator_raises_reaches_the_caller(docs: Conn) -> None:
    before = state(docs)

    def rows() -> Iterator[dict[str, Any]]:
        yield from ({"id": i} for i in range(1500))
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        DOCS.upsert(docs, rows())
    assert state(docs) == before


def test_constraints_that_are_checked_at_the_end(docs: Conn) -> None:
    docs.execute(
        "alter table docs add foreign key (other) references docs (id)"
        " deferrable initially deferred"
    )
    before = state(docs)
    with pytest.raises(InvalidFile, match=r"the server refused a row: .*foreign"):
        DOCS.upsert(docs, [{"id": 7, "other": 8}])
    assert state(docs) == before
    DOCS.upsert(docs, {"id": [7, 8], "other": [8, 7]})


def test_triggers(docs: Conn) -> None:
    docs.execute(
        "create function no() returns trigger language plpgsql as"
        " $$begin if new.text = 'x' then raise 'no x'; end if;"
        " if new.text = 'y' then return null; end if; return new; end$$;"
        "create trigger no before insert or update on docs for each row"
        " execute function no()"
    )
    before = state(docs)
    with pytest.raises(InvalidFile, match="row 2: no x"):
        DOCS.upsert(docs, {"id": [5, 6, 7, 8], "text": [*"abxd"]})
    assert state(docs) == before
    report = DOCS.upsert(docs, {"id": [5, 6], "text": [*"ay"]})
    assert (report.rows, report.inserted, report.skipped) == (2, 1, 1)


@pytest.fixture
def app(docs: Conn, database: str) -> Iterator[Conn]:
    """A role that sees and writes the rows of one tenant only."""
    docs.execute(
        "alter table docs enable row level security;"
        "alter table docs add column tenant text default current_user;"
    )
    with connect(role(docs, database, "app")) as conn:
        docs.execute(
            "grant select, insert, update, delete on docs to app;"
            "create policy own on docs to app using (tenant = current_user)"
        )
        yield conn


def test_row_level_security(docs: Conn, app: Conn) -> None:
    before = state(docs)
    for rows, message in (
        ({"id": [5, 6], "tenant": ["app", "x"]}, "row 1: new row violates row-level"),
        # the row of another tenant, which this role does not see
        ({"id": [5, 1], "tenant": ["app", "app"]}, "row 1: new row violates row-level"),
    ):
        with pytest.raises(InvalidFile, match=message):
            DOCS.upsert(app, rows)
    assert state(docs) == before
    assert DOCS.upsert(app, {"id": [5, 6]}).inserted == 2
    assert DOCS.upsert(app, {"id": [5, 6], "text": ["a", "b"]}).updated == 2
    found = DOCS.get(app, [1, 5])
    assert [each and each["text"] for each in found] == [None, "a"]
    assert DOCS.delete(app, [1, 5]) == 1
    assert DOCS.delete(app, filter="true") == 1
    assert state(docs) == before


def test_a_role_without_the_right_is_told_so(docs: Conn, app: Conn) -> None:
    docs.execute("revoke insert, delete on docs from app")
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        DOCS.upsert(app, [GOOD])
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        DOCS.delete(app, [1])
    assert app.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


# ------------------------------------------------------------------ keys and filters


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["x"], r"key 0 \(counted from 0\): 'x' is not an integer"),
        ([1, None], r"key 1 .*no value"),
        ([1, 2**63], r"key 1 .* is outside"),
        ([(1, 2)], "key 0"),
        ("abc", "keys='abc' are not keys: give a list of keys"),
        (7, "keys=7 are not keys"),
        ({"id": 1}, "are not keys"),
    ],
)
def test_keys_are_named(docs: Conn, keys: Any, message: str) -> None:
    before = state(docs)
    with pytest.raises(InvalidSetting, match=message):
        DOCS.get(docs, keys)
    with pytest.raises(InvalidSetting, match=message):
        DOCS.delete(docs, keys)
    assert state(docs) == before


def test_keys_of_several_columns(conn: Conn) -> None:
    conn.execute(
        "create table docs (a int, b text, embedding vector(2), primary key (b, a))"
    )
    for keys in ([("x", 1), ("x",)], ["x1", "ab", 7], [("x", 1), 7]):
        with pytest.raises(InvalidSetting, match="give a tuple of b, a"):
            DOCS.get(conn, keys)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, InvalidSetting, "give keys=.* or filter="),
        ({"keys": [1], "filter": "true"}, InvalidSetting, "leave one of the two out"),
        ({"params": [1]}, InvalidSetting, "without filter="),
        ({"filter": "nope = 1"}, InvalidFilter, "nope"),
        ({"filter": "id = %s"}, InvalidFilter, "filter='id = %s' cannot run"),
        ({"filter": "id = %(n)s", "params": {"m": 1}}, InvalidFilter, "cannot run"),
        ({"filter": "id = %s", "params": ["x"]}, InvalidFilter, "cannot run"),
        ({"filter": "id = %s", "params": [object()]}, InvalidFilter, "cannot run"),
        ({"filter": "true); select (1"}, InvalidFilter, "cannot run"),
        ({"filter": 7}, InvalidFilter, "is not a condition"),
    ],
)
def test_filters(docs: Conn, options: Any, error: Any, message: str) -> None:
    before = state(docs)
    with docs.transaction():
        with pytest.raises(error, match=message):
            DOCS.delete(docs, **options)
        # the transaction of the caller goes on
        assert state(docs) == before


def test_rows_that_others_refer_to(docs: Conn) -> None:
    docs.execute("create table parts (doc bigint references docs)")
    docs.execute("insert into parts values (1)")
    with pytest.raises(errors.ForeignKeyViolation):
        DOCS.delete(docs, [1])
    assert docs.execute("select id from docs").fetchall() == [(1,)]


def test_columns_to_read(docs: Conn) -> None:
    with pytest.raises(ColumnNotFound, match=r"'nope' does not exist in public\.docs"):
        DOCS.get(docs, [1], columns=["nope"])
    with pytest.raises(InvalidSetting, match="one string"):
        DOCS.get(docs, [1], columns="text")
    (found,) = DOCS.get(docs, [1], columns=[])
    assert found is not None
    assert (found.key, found.columns) == (1, {})


# ------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        ("", TableNotFound, "table 'docs' does not exist"),
        ("create view docs as select 1 as id", TableNotFound, "is a view"),
        ("create table docs (embedding vector(2))", NoPrimaryKey, "no primary key"),
        ("create table docs (id int primary key)", ColumnNotFound, "there are: id"),
        (
            "create table docs (id int primary key, embedding text)",
            NotAVectorColumn,
            "is of type text",
        ),
    ],
)
def test_tables(conn: Conn, made: str, error: Any, message: str) -> None:
    conn.execute(made)
    index = MatryoshkaIndex("docs", "embedding", dims=1)
    for searched in (DOCS, index):
        with pytest.raises(error, match=message):
            searched.upsert(conn, [{"id": 1}])
        with pytest.raises(error, match=message):
            searched.get(conn, [1])
        with pytest.raises(error, match=message):
            searched.delete(conn, [1])


def test_the_wrong_kind_of_connection(docs: Conn) -> None:
    with pytest.raises(InvalidSetting, match="without _async"):
        asyncio.run(DOCS.get_async(docs, [1]))  # type: ignore[arg-type]
