"""Tables that COPY cannot fill: row-level security, types that the server reads."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors
from support.databases import Conn, Server, connect, role
from support.loads import texts

from mrl_pg.errors import InvalidFile
from mrl_pg.load import LoadReport, load_blocks, load_blocks_async

VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3)
SECURED = """
drop table if exists docs;
create table docs (
    id int generated always as identity,
    tenant text,
    tags text[],
    price numeric,
    note text,
    embedding vector(3)
);
alter table docs enable row level security;
create policy own on docs using (tenant = current_user);
grant select, insert on docs to app;
"""
COLUMNS: dict[str, Any] = {
    "tenant": ["app"] * 5,
    "id": [5, 6, 7, 8, 9],
    "tags": [["a"], None, [], ["b", None], ["c"]],
    "price": [1, 2**70, None, "0.10", 1.5],
    "note": ["é", None, "", "\\", "x"],
}
ROWS = [
    ("5", "{a}", "1", "é", "[0,1,2]"),
    ("6", None, "1180591620717411303424", None, "[3,4,5]"),
    ("7", "{}", None, "", "[6,7,8]"),
    ("8", "{b,NULL}", "0.10", "\\", "[9,10,11]"),
    ("9", "{c}", "1.5", "x", "[12,13,14]"),
]


@pytest.fixture(scope="module")
def url(pg_server: Server) -> Iterator[str]:
    with pg_server.fresh() as made:
        yield made


@pytest.fixture
def owner(url: str) -> Iterator[Conn]:
    with connect(url) as conn:
        role(conn, url, "app")
        conn.execute(SECURED)
        yield conn


@pytest.fixture
def app(owner: Conn, url: str) -> Iterator[Conn]:
    with connect(role(owner, url, "app")) as conn:
        yield conn


@pytest.mark.parametrize("block_rows", [2, 100])
def test_a_table_under_row_level_security(
    owner: Conn, app: Conn, block_rows: int
) -> None:
    with pytest.raises(errors.FeatureNotSupported, match="COPY FROM not supported"):
        app.execute("copy docs from stdin")
    report = load_blocks(app, VECTORS, "docs", columns=COLUMNS, block_rows=block_rows)
    assert report.rows == 5
    assert texts(owner, "id", "tags", "price", "note", "embedding") == ROWS
    # the owner is not held by the policy; types still need the server
    load_blocks(owner, VECTORS, "docs", columns={**COLUMNS, "tenant": [None] * 5})
    assert texts(owner, "id", "tags", "price", "note", "embedding") == ROWS * 2


def test_rows_that_the_policy_refuses_are_named(owner: Conn, app: Conn) -> None:
    given = {"tenant": [*["app"] * 3, "other", "app"]}
    with pytest.raises(InvalidFile, match="row 3: new row violates row-level security"):
        load_blocks(app, VECTORS, "docs", columns=given)
    assert texts(owner, "id") == []


def test_rows_that_a_trigger_refuses_are_named(owner: Conn, app: Conn) -> None:
    owner.execute(
        "create or replace function no() returns trigger language plpgsql as "
        "$$begin if new.note = 'x' then raise 'no x'; end if; return new; end$$; "
        "create trigger no before insert on docs for each row execute function no()"
    )
    with pytest.raises(InvalidFile, match="row 4: no x"):
        load_blocks(app, VECTORS, "docs", columns=COLUMNS)
    owner.execute("alter table docs drop column tags, drop column price")
    plain = {"tenant": ["app"] * 5, "note": COLUMNS["note"]}
    with pytest.raises(InvalidFile, match="refused row 4: no x; nothing was loaded"):
        load_blocks(owner, VECTORS, "docs", columns=plain)
    assert texts(owner, "note") == []


def test_a_role_without_the_right_is_told_so(owner: Conn, app: Conn) -> None:
    owner.execute("revoke insert on docs from app")
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied for"):
        load_blocks(app, VECTORS, "docs", columns=COLUMNS)
    assert app.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_types_that_the_server_reads_in_a_new_table(owner: Conn) -> None:
    owner.execute("drop table docs")
    load_blocks(
        owner, VECTORS, "docs", columns={**COLUMNS, "price": [1, 2**70] + [0] * 3}
    )
    assert texts(owner, "tags", "embedding") == [(row[1], row[4]) for row in ROWS]
    halves = {"kind": "halfvec", "columns": {"tags": COLUMNS["tags"]}}
    load_blocks(owner, VECTORS, "docs2", **halves)  # type: ignore[arg-type]
    owner.execute("drop table docs2")


def test_the_same_on_an_asynchronous_connection(owner: Conn, app: Conn) -> None:
    async def both() -> LoadReport:
        async with await psycopg.AsyncConnection.connect(
            app.info.dsn, autocommit=True
        ) as conn:
            given = {"tenant": ["app", "app", "app", "other", "app"]}
            with pytest.raises(InvalidFile, match="row 3: new row violates"):
                await load_blocks_async(
                    conn, VECTORS, "docs", columns=given, block_rows=2
                )
            return await load_blocks_async(conn, VECTORS, "docs", columns=COLUMNS)

    assert asyncio.run(both()).rows == 5
    assert texts(owner, "id", "tags", "price", "note", "embedding") == ROWS
