"""docs/mcp.md: its role suffices, and it names every tool and option."""

import asyncio
import json
import re

from mcp import Client
from psycopg import sql
from support.command import mrl_pg
from support.databases import Conn
from support.pages import ROOT, blocks
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.adapters.mcp import ReadOnly, Tools, server

PAGE = ROOT / "docs/mcp.md"


def test_the_page_is_true(conn: Conn, database: str) -> None:
    make_table(conn, matryoshka(20))
    MatryoshkaIndex("docs", "embedding", dims=8).create(conn)
    role = sql.Identifier("mrl_docs_reader")
    page = {block.language: block.text for block in blocks(PAGE)}
    # a name that no other test takes
    conn.execute(page["sql"].replace("reader", "mrl_docs_reader").encode())
    try:
        asyncio.run(_search_as_the_role(database))
    finally:
        conn.execute(sql.SQL("drop owned by {}").format(role))
        conn.execute(sql.SQL("drop role {}").format(role))
    help_text = mrl_pg("mcp", "--help").stdout
    options = set(re.findall(r"--[a-z-]+", help_text)) - {"--help", "--directory"}
    text = PAGE.read_text()
    assert not [option for option in options - {"--pg"} if option not in text]
    shown = help_text[help_text.index("{") : help_text.rindex("}") + 1]
    assert json.loads(shown) == json.loads(page["json"])


async def _search_as_the_role(database: str) -> None:
    as_reader = database.replace("postgres@", "mrl_docs_reader@", 1)
    async with Client(server(Tools(ReadOnly(as_reader)))) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert listed == set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.M))
        asked = {"table": "docs", "column": "embedding", "like": 3, "filter": "n < 9"}
        found = await client.call_tool("search", {**asked, "columns": ["title"]})
        assert not found.is_error, found.content
        assert found.structured_content is not None
        keys = [row["key"] for row in found.structured_content["rows"]]
        assert sorted(keys) == [1, 2, 4, 5, 6, 7, 8]
