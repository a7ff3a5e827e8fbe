"""asyncpg alone: docs/asyncpg.md as written, prepared searches, a switch, a pool."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from pgvector.asyncpg import register_vector
from support.databases import Conn
from support.pages import ROOT, blocks, run_python
from support.tables import make_table
from support.vectors import Vectors, matryoshka, nearest

ROWS = 2000
DOCS = """
create table docs (
    id bigint generated always as identity primary key,
    tenant int not null,
    title text not null,
    embedding vector(64)
);
insert into docs (tenant, title, embedding)
select
    i % 10,
    'title ' || i,
    array(select sin(i * sqrt(j)) / sqrt(j) from generate_series(1, 64) as j)
from generate_series(1, 2000) as i;
"""
"""The table of docs/sql.md."""

NEAREST = "select id from mrl.search(null::docs, 'embedding', $1, k => 5)"
WHOLE = NEAREST.replace("id", "*", 1)
FIRST = "docs_embedding_32_halfvec_cosine_hnsw"
SECOND = "docs_embedding_16_halfvec_cosine_hnsw"


def test_the_page_runs_as_written(
    conn: Conn, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    conn.execute(DOCS)
    row = conn.execute("select embedding::real[] from docs where id = 42").fetchone()
    assert row is not None
    page = blocks(ROOT / "docs/asyncpg.md")
    scope: dict[str, Any] = {"DSN": database, "QUERY": row[0]}
    python = [block for block in page if block.language == "python"]
    assert run_python(python, scope, capsys) == 2
    built = "select kind, usable from mrl.indexes order by dims"
    assert conn.execute(built).fetchall() == [("halfvec", True), ("bit", True)]


@pytest.fixture
def vectors(conn: Conn) -> Vectors:
    """The rows of `docs`, which has two short indexes; the first is in use."""
    vectors = matryoshka(ROWS)
    make_table(conn, vectors)
    for dims in (32, 16):
        conn.execute(
            "select mrl.create_index('docs', 'embedding', dims => %s, "
            "keep => 'generated', rebuild => true)",
            [dims],
        )
    conn.execute("analyze docs")
    return vectors


def on_pool(
    database: str, work: Callable[[Any], Awaitable[None]], **options: Any
) -> None:
    """Do some work on a pool of one connection."""

    async def run() -> None:
        async with asyncpg.create_pool(
            database, min_size=1, max_size=1, **options
        ) as pool:
            await work(pool)

    asyncio.run(run())


async def scans(conn: Any) -> dict[str, int]:
    """How often each index of `docs` was scanned in this session, its counts sent."""
    await conn.execute("select pg_stat_force_next_flush()")
    rows = await conn.fetch(
        "select indexrelname, idx_scan from pg_stat_user_indexes where relname = 'docs'"
    )
    return dict(map(tuple, rows))


def test_prepared_searches_follow_a_switch_and_a_new_column(
    vectors: Vectors, conn: Conn, database: str
) -> None:
    query = vectors[7]
    truth = nearest(vectors, query, 5)

    async def work(pool: Any) -> None:
        async with pool.acquire() as one:
            prepared = await one.prepare(NEAREST)
            # more than the five runs after which PostgreSQL may keep a plan
            for _ in range(7):
                found = await prepared.fetch(query)
                assert [row["id"] for row in found] == truth
            before = await scans(one)
            assert before[FIRST] >= 7 and before[SECOND] == 0, before
            conn.execute("select mrl.switch_index('docs', 'embedding', dims => 16)")
            assert [row["id"] for row in await prepared.fetch(query)] == truth
            assert (await one.fetch(NEAREST, query))[0]["id"] == truth[0]
            after = await scans(one)
            assert after[SECOND] >= 2 and after[FIRST] == before[FIRST]
            # the type of the rows changes
            assert len((await one.fetch(WHOLE, query))[0]) == 6
            conn.execute("select mrl.drop_index('docs', 'embedding', dims => 32)")
            assert [row["id"] for row in await prepared.fetch(query)] == truth
            with pytest.raises(asyncpg.UndefinedColumnError):
                await one.fetch(WHOLE, query)
            await one.reload_schema_state()
            assert len((await one.fetch(WHOLE, query))[0]) == 5

    # these rows are so few that PostgreSQL might read all of them
    settings = {"enable_seqscan": "off"}
    on_pool(database, work, init=register_vector, server_settings=settings)


def test_a_plain_select_is_prepared_and_filtered(
    vectors: Vectors, database: str
) -> None:
    query = vectors[7]
    passing = [i for i in nearest(vectors, query, 50) if i % 100 < 90][:5]

    async def work(pool: Any) -> None:
        async with pool.acquire() as one:
            statement = await one.fetchval(
                "select mrl.search_sql('docs', 'embedding', k => 5,"
                " filter => 'n < $1', columns => array['id'])"
            )
            prepared = await one.prepare(statement)
            for _ in range(7):
                found = await prepared.fetch(90, str(query.tolist()))
                assert [row["id"] for row in found] == passing
            plan = await one.fetch(
                f"explain (costs off) {statement}", 90, str(query.tolist())
            )
            assert any(FIRST in row[0] for row in plan), plan
            found = await one.fetch(
                "select key, distance from mrl.search_keys("
                "null::bigint, 'docs', 'embedding', $1, k => 3) order by distance",
                str(query.tolist()),
            )
            assert [row["key"] for row in found] == nearest(vectors, query, 3)

    settings = {"plan_cache_mode": "force_custom_plan"}
    on_pool(database, work, server_settings=settings)


def test_a_pool_that_resets_its_connections(vectors: Vectors, database: str) -> None:
    """Each time the connection is new, in and outside a transaction."""
    query = vectors[7]
    truth = nearest(vectors, query, 5)

    async def work(pool: Any) -> None:
        pids = set()
        for _ in range(3):
            async with pool.acquire() as one:
                pids.add(one.get_server_pid())
                await one.execute("set hnsw.ef_search = 77")
                async with one.transaction(readonly=True):
                    found = await one.fetch(NEAREST, query)
                    assert [row["id"] for row in found] == truth
                assert await one.fetchval("show hnsw.ef_search") == "77"
                assert await one.fetchval("show plan_cache_mode") == "force_custom_plan"
            assert await pool.fetchval("show hnsw.ef_search") == "40"
        assert len(pids) == 1
        # what is wrong has a code, and the connection goes on
        with pytest.raises(asyncpg.DataError, match="dimensions"):
            await pool.fetch(NEAREST, query[:3])
        with pytest.raises(asyncpg.PostgresError) as raised:
            await pool.fetch(NEAREST.replace("5", "0"), query)
        assert raised.value.sqlstate == "22023"
        assert len(await pool.fetch(NEAREST, query)) == 5

    settings = {"plan_cache_mode": "force_custom_plan"}
    on_pool(database, work, init=register_vector, server_settings=settings)
