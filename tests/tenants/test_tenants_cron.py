"""The jobs of pg_cron that the page prints, on a server that has pg_cron."""

from collections.abc import Iterator

import pytest
from support.databases import SETTINGS, Conn, Server, connect
from support.folders import temporary_folder
from support.missing import missing
from support.pages import ROOT, blocks
from support.plans import explain, first_pass, force_index
from support.sql_calls import one
from support.tenants import LARGE, nearest_of, set_tenants, tenants_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn, install, server

VECTORS = matryoshka(400)
COLUMN = MatryoshkaColumn("docs", "embedding")
(PLAN,) = [
    block.text
    for block in blocks(ROOT / "docs/tenants.md")
    if "cron.schedule('plan tenants'" in block.text
]
HAS_CRON = "select count(*) from pg_available_extensions where name = 'pg_cron'"
COMMAND = "select command from cron.job where jobname = %s"


@pytest.fixture
def cron(pg_server: Server) -> Iterator[Conn]:
    """A connection to a server of its own that has pg_cron and mrl_pg."""
    version = pg_server.version
    if one(pg_server.admin, HAS_CRON) == 0:
        if version == 15:
            missing("pg_cron is not installed: apt-get install postgresql-15-cron")
        pytest.skip("the embedded server has no pg_cron")
    settings = {
        **SETTINGS,
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "postgres",
    }
    with (
        temporary_folder() as folder,
        server.embedded(folder / "cron", version, settings=settings) as own,
        connect(own.url()) as conn,
    ):
        conn.execute("create extension pg_cron")
        install(conn)
        yield conn


def test_the_jobs_of_the_page_build_and_drop(cron: Conn) -> None:
    tenants_table(cron, VECTORS)
    set_tenants(cron, threshold=100, dims=32, kind="halfvec")
    cron.execute(PLAN.encode())

    def a_minute() -> str:
        """What both jobs do in a minute, without the minute; the second's command."""
        cron.execute(one(cron, COMMAND, "plan tenants").encode())
        command: str = one(cron, COMMAND, "tenants")
        cron.execute(command.encode())
        return command

    done = [a_minute() for _ in range(3)]
    assert [command.split()[0] for command in done] == ["select", "create", "select"]
    assert done[-1] == "select 1"
    (state,) = COLUMN.tenants(cron)
    assert (state.tenant, state.state) == (str(LARGE), "valid")
    force_index(cron)
    query = VECTORS[3]
    plan = COLUMN.plan(cron, query, tenant=LARGE, candidates=200)
    assert first_pass(explain(cron, plan)) == [state.index_name]
    found = COLUMN.search(cron, query, tenant=LARGE, candidates=200)
    assert list(found.keys) == nearest_of(VECTORS, query, LARGE)
    # the same jobs take the index again
    cron.execute("update docs set tenant_id = null where id > 20")
    done = [a_minute() for _ in range(3)]
    assert [command.split()[0] for command in done] == ["drop", "select", "select"]
    assert COLUMN.tenants(cron) == ()
    assert one(cron, "select count(*) from cron.job") == 2
