"""The MCP server: a client of the official SDK talks to it over stdin and stdout."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from psycopg import sql
from psycopg.conninfo import make_conninfo
from support.command import mrl_pg
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, force_index
from support.tables import make_table
from support.tenants import LARGE, SMALL, nearest_of, tenants_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.adapters.mcp import ReadOnly, Tools, server
from mrl_pg.adapters.mcp.answers import small
from mrl_pg.embed import DemoModel, set_model
from mrl_pg.errors import InvalidSetting

TEXTS = (
    "it measures temperature",
    "a person who makes maps",
    "a large hairy spider",
    "a ship that carries oil",
    "a building where books are kept",
    "a tool for driving nails",
)
READER = "mrl_mcp_reader"
FOUND = "docs_embedding_64_halfvec_cosine_hnsw"


@dataclass(frozen=True, slots=True)
class Library:
    """A database of texts, and the connection string of a role that may only read."""

    conn: Conn
    owner_url: str
    reader_url: str


@pytest.fixture(scope="module")
def library(pg_server: Server) -> Iterator[Library]:
    role = sql.Identifier(READER)
    with pg_server.fresh() as url, connect(url) as conn:
        conn.execute(
            "create table docs (id bigint primary key, body text, embedding"
            " vector(512), data jsonb default '{}');"
            "create sequence counter; create table secrets (id int primary key);"
            "create function add_row() returns bool volatile language sql as"
            " $$ insert into secrets values (1); select true $$"
        )
        vectors = DemoModel().embed_documents(list(TEXTS))
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into docs values (%s, %s, %s)",
                [
                    # one long text, and the last row has no vector
                    (i, text * (200 if i == 3 else 1), str(vector.tolist()))
                    for i, (text, vector) in enumerate(
                        zip(TEXTS, vectors, strict=True), 1
                    )
                ],
            )
        conn.execute("insert into docs values (7, 'nothing')")
        MatryoshkaIndex("docs", "embedding", dims=64).create(conn)
        set_model(conn, MatryoshkaColumn("docs", "embedding"), "demo:static-wordnet")
        make_table(conn, matryoshka(150), table="many")
        # more than it needs, so that only the session keeps it from writing
        conn.execute(sql.SQL("create role {} login").format(role))
        for rights in ("tables", "sequences", "functions"):
            grant = f"grant all on all {rights} in schema public to {{}}"
            conn.execute(sql.SQL(grant).format(role))
        try:
            parts = urlsplit(url)
            reader = parts._replace(netloc=_as_reader(parts.netloc)).geturl()
            yield Library(conn, url, reader)
        finally:
            conn.execute(sql.SQL("drop owned by {}").format(role))
            conn.execute(sql.SQL("drop role {}").format(role))


def _as_reader(netloc: str) -> str:
    return f"{READER}@{netloc.rpartition('@')[2]}"


@asynccontextmanager
async def started(url: str, *options: str, log: Path) -> AsyncIterator[Client]:
    """A client of a server in a process of its own, started as an assistant does."""
    command = StdioServerParameters(
        command=str(Path(sys.executable).parent / "mrl-pg"),
        args=["mcp", "--dsn", url, *options],
    )
    with log.open("w") as errlog:
        async with Client(stdio_client(command, errlog=errlog)) as client:
            yield client


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured answer of a tool, which the text repeats."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    (content,) = result.content
    assert content.type == "text"
    assert json.loads(content.text).keys() <= result.structured_content.keys()
    return result.structured_content


async def failure(client: Client, tool: str, **arguments: Any) -> str:
    """The message of a tool's error."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    (content,) = result.content
    assert content.type == "text"
    assert "Traceback" not in content.text
    return content.text


DOCS: dict[str, Any] = {"table": "docs", "column": "embedding"}


def test_over_stdio(library: Library, tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def talk() -> None:
        options = ("--timeout", "2", "--longest-text", "80")
        async with started(library.reader_url, *options, log=log) as client:
            await tools(client)
            await searches(client)
            await refused(client)
            await cannot_write(client, library.conn)
            await reports(client)

    asyncio.run(talk())
    assert "Traceback" not in log.read_text()
    assert log.read_text().startswith("using --dsn")


async def tools(client: Client) -> None:
    listed = (await client.list_tools()).tools
    named = {tool.name: tool for tool in listed}
    assert set(named) == {"search", "indexes", "status", "recall", "tune"}
    for tool in listed:
        assert tool.description and tool.output_schema
        assert tool.annotations is not None and tool.annotations.read_only_hint
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"
    assert named["search"].input_schema["required"] == ["table", "column"]


async def searches(client: Client) -> None:
    shown = {**DOCS, "columns": ["body", "embedding", "data"], "k": 2}
    found = await answer(client, "search", text="thermometer", **shown)
    assert found["index"] == FOUND
    first, second = found["rows"]
    assert first["key"] == 1
    assert first["columns"] == {
        "body": TEXTS[0],
        "embedding": "(a vector of 512 numbers)",
        "data": {},
    }
    assert 0 < first["distance"] < second["distance"] < 2
    assert len(str(first["distance"])) <= 7
    found = await answer(client, "search", text="spider", exact=True, **shown)
    assert found["index"] is None
    body = found["rows"][0]["columns"]["body"]
    rest = len(TEXTS[2]) * 200 - 80
    assert body == f"{TEXTS[2] * 4}… (cut: {rest:,} characters more)"
    # a vector, and another row; that row itself is left out
    vector = DemoModel().embed_queries(["atlas"])[0].tolist()
    found = await answer(client, "search", vector=vector, **DOCS)
    assert found["rows"][0] == {
        "key": 2,
        "distance": found["rows"][0]["distance"],
        "columns": {},
    }
    found = await answer(client, "search", like=2, k=6, **DOCS)
    assert sorted(row["key"] for row in found["rows"]) == [1, 3, 4, 5, 6]
    found = await answer(
        client,
        "search",
        text="thermometer",
        filter="id > %(least)s and body like '%%a%%'",
        params={"least": 3},
        recall=0.9,
        **DOCS,
    )
    assert sorted(row["key"] for row in found["rows"]) == [4, 5, 6]
    assert found["promise"]


async def refused(client: Client) -> None:
    """What is wrong reaches the model in words that say what to do."""
    for arguments, message in (
        ({}, "give one of text, vector and like"),
        ({"text": "x", "like": 1}, "give one of text, vector and like"),
        ({"text": "x", "table": "nowhere"}, "'nowhere' does not exist"),
        ({"text": "x", "columns": ["no"]}, "there are: id, body, embedding"),
        ({"vector": [1.0]}, "512"),
        ({"text": "x", "k": 1000}, "less than or equal to 100"),
        ({"like": 99}, "no row [99] with a vector"),
        ({"like": 7}, "no row [7] with a vector"),
        ({"like": [1, 2]}, "(1, 2) is not an integer (column 'id')"),
        ({"like": "x"}, "is not an integer"),
        ({"text": "x", "filter": "no = 1"}, 'column "no" does not exist'),
    ):
        said = await failure(client, "search", **{**DOCS, **arguments})
        assert message in said, said


WRITES = (
    "nextval('counter') > 0",
    "add_row()",
    # what one condition has set is gone in the next call
    "set_config('default_transaction_read_only', 'off', false) is not null",
    "add_row()",
    "set_config('transaction_read_only', 'off', true) is not null and add_row()",
    "true; drop table docs",
    "true); drop table docs; --",
    "true); commit; insert into secrets values (1); --",
    "exists (with gone as (delete from docs returning 1) select from gone)",
)


async def cannot_write(client: Client, conn: Conn) -> None:
    """A condition neither writes nor becomes a statement of its own."""
    for tool in ("search", "recall"):
        by = {"text": "x", "recall": 0.9} if tool == "search" else {"sample": 1}
        for condition in WRITES:
            if condition.startswith("set_config('default"):
                await answer(client, tool, filter=condition, **by, **DOCS)
            else:
                await failure(client, tool, filter=condition, **by, **DOCS)
    for condition in WRITES[:2]:
        said = await failure(client, "search", text="x", filter=condition, **DOCS)
        assert "in a read-only transaction: this server only reads" in said
    said = await failure(
        client, "search", text="x", filter="pg_sleep(3) is null", **DOCS
    )
    assert "longer than 2 s" in said
    row = conn.execute(
        "select (select count(*) from docs), (select count(*) from secrets),"
        " (select is_called from counter)"
    ).fetchone()
    assert row == (7, 0, False)


async def reports(client: Client) -> None:
    """The four tools that do not search."""
    (row,) = (await answer(client, "indexes"))["indexes"]
    assert (row["table"], row["column"], row["index"]) == ("docs", "embedding", FOUND)
    assert row["model"] == "demo:static-wordnet"
    assert row["columns_to_show"] == ["id bigint", "body text", "data jsonb"]
    (row,) = (await answer(client, "status", table="public.docs"))["states"]
    assert row["ok"] and row["problems"] == []
    found = await answer(client, "recall", k=3, sample=4, **DOCS)
    assert (found["index"], found["queries"]) == (FOUND, 4)
    assert 0 < found["recall"] <= 1
    found = await answer(
        client, "tune", table="many", column="embedding", k=1, queries=20
    )
    assert found["options"] and found["against"]
    assert found["recommended"] is None or "create_index" in found["commands"][0]


def test_a_superuser_gets_no_filters_unless_trusted(library: Library) -> None:
    database = ReadOnly(library.owner_url)

    async def talk() -> None:
        asked = {**DOCS, "text": "thermometer", "filter": "id < 3"}
        async with Client(server(Tools(database))) as client:
            said = await failure(client, "search", **asked)
            assert "refused here, because the server connects as a superuser" in said
            said = await failure(client, "recall", **DOCS, filter="true")
            assert "--trust-filters" in said
        async with Client(server(Tools(database, trust_filters=True))) as client:
            found = await answer(client, "search", **asked)
            assert [row["key"] for row in found["rows"]] == [1, 2]

    asyncio.run(talk())


def test_a_session_keeps_options_of_its_connection_string(library: Library) -> None:
    given = make_conninfo(library.owner_url, options="-c search_path=pg_catalog")
    with ReadOnly(given, timeout=1.5).statements() as conn:
        for name, value in (
            ("search_path", "pg_catalog"),
            ("default_transaction_read_only", "on"),
            ("statement_timeout", "1500ms"),
        ):
            shown = conn.execute(sql.SQL("show {}").format(sql.Identifier(name)))
            assert shown.fetchone() == (value,)
    with pytest.raises(InvalidSetting, match="timeout=0"):
        ReadOnly(given, timeout=0)


def test_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fork, where importing the SDK fails as if it was not installed."""
    for name in [name for name in sys.modules if name.startswith("mrl_pg.adapters.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    done = mrl_pg("mcp")
    assert done.returncode == InvalidSetting.exit_code
    assert done.stderr == (
        "error: the MCP server needs a package that is not installed: "
        "pip install 'mrl_pg[mcp]'\n"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[1,-2.5e-05,3]", "(a vector of 3 numbers)"),
        ("0101" * 32, "(a vector of 128 bits)"),
        ([0.5] * 300, "(a vector of 300 numbers)"),
        ({"a": "x" * 90}, '{"a": "xxx… (cut: 36 characters more)'),
        (b"abc", "(3 bytes)"),
        (1.23456789, 1.235),
        (["a", None, 12], ["a", None, 12]),
    ],
)
def test_what_a_value_becomes(value: object, shown: object) -> None:
    assert small(value, 10) == shown


def test_one_tenant(conn: Conn, database: str) -> None:
    vectors = matryoshka(600)
    query = vectors[3]
    tenants_table(conn, vectors)
    column = MatryoshkaColumn("docs", "embedding")
    column.set_tenants(conn, "tenant_id", threshold=200, dims=32, kind="halfvec")
    (state,) = column.run_tenants(conn).indexes
    tools = Tools(ReadOnly(database))
    asked: dict[str, Any] = {**DOCS, "tenant": LARGE}
    found = tools.search(vector=query.tolist(), **asked)
    assert found.index == state.index_name
    truth = nearest_of(vectors, query, LARGE)
    assert len({row.key for row in found.rows} & {*truth}) >= 9
    force_index(conn)
    plan = column.plan(conn, query, tenant=LARGE)
    assert first_pass(explain(conn, plan)) == [state.index_name]
    few = tools.search(vector=query.tolist(), **{**asked, "tenant": str(SMALL)})
    assert few.index is None
    assert [row.key for row in few.rows] == nearest_of(vectors, query, SMALL)
    # another row of the tenant, which itself is left out
    like = tools.search(like=4, k=5, **asked)
    assert [row.key for row in like.rows] == nearest_of(vectors, query, LARGE, 6)[1:]
    measured = tools.recall(sample=20, **asked)
    assert (measured.index, measured.queries) == (state.index_name, 20)
    assert measured.recall is not None and measured.recall >= 0.9
    exact = tools.recall(**{**asked, "tenant": SMALL})
    assert (exact.index, exact.recall, exact.queries) == (None, 1, 0)
    with pytest.raises(InvalidSetting, match="no value of key column"):
        tools.search(vector=query.tolist(), **{**asked, "tenant": "x"})
