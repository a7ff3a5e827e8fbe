"""Whoever searches, builds, measures or loads runs nothing that a stranger made.

All that mrl_pg sends is looked at as well, as it travels: no name in it is looked up.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector import sqlalchemy as types
from psycopg import pq, sql
from sqlalchemy import Column, Integer, MetaData, Table, select
from support.command import mrl_pg as shell
from support.databases import Conn, Server, connect
from support.qualified import unqualified
from support.scratch import engine
from support.strangers import STRANGER, fill, forget, ran, shadow
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.calibration import real_queries
from mrl_pg.exchange import run
from mrl_pg.load import load
from mrl_pg.sqlalchemy import Matryoshka, registered
from mrl_pg.sqlalchemy import search as search_by_sqlalchemy
from mrl_pg.tune import tune
from mrl_pg.tune.rows import read_rows as look

VECTORS = matryoshka(300)
QUERY = VECTORS[6] + VECTORS[7]
VECTOR = f"'{QUERY.tolist()}'::public.vector"
INDEX = MatryoshkaIndex("docs", "embedding", dims=16, schema="public")
OTHERS = [
    replace(INDEX, dims=8, kind="bit", short="", name=""),
    replace(INDEX, dims=24, kind="vector", distance="l2", short="", name=""),
    replace(INDEX, dims=12, keep="trigger", short="", name=""),
]
PATH = "-c search_path=public,pg_catalog"


@pytest.fixture(scope="module")
def ground(pg_server: Server) -> Iterator[str]:
    """A table with an index and a calibration, and what a stranger put beside it."""
    with pg_server.fresh() as url:
        with connect(url) as conn:
            make_table(conn, VECTORS)
            INDEX.create(conn)
            INDEX.calibrate(conn, sample=5)
            # keys of a type that the stranger has another one of
            conn.execute(
                "create table words (word text primary key, embedding vector(64))"
            )
            conn.execute("insert into words select id::text, embedding from docs")
            replace(INDEX, table="words", short="", name="").create(conn)
            conn.execute("analyze")
            fill(conn)
        yield url
        with connect(url) as conn:
            conn.execute(f"drop owned by {STRANGER} cascade".encode())
    pg_server.admin.execute(f"drop role {STRANGER}".encode())


@pytest.fixture
def conn(ground: str) -> Iterator[Conn]:
    """A session that finds the stranger's first; in the end none of it has run."""
    with connect(ground) as conn:
        forget(conn)
        shadow(conn)
        yield conn
        if conn.info.transaction_status == pq.TransactionStatus.IDLE:
            assert not ran(conn)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What cursors send meanwhile; in the end no name in it is looked up."""
    texts: list[str] = []

    def watch(name: str) -> None:
        plain: Any = getattr(psycopg.Cursor, name)

        def watching(self: Any, query: Any, params: Any = None, **given: Any) -> Any:
            if isinstance(query, sql.Composable):
                text = query.as_string(self)
            else:
                text = query.decode() if isinstance(query, bytes) else str(query)
            if params is not None:
                text = re.sub(r"%(\(\w+\))?[sbt]", "$1", text).replace("%%", "%")
            texts.append(text)
            return plain(self, query, params, **given)

        monkeypatch.setattr(psycopg.Cursor, name, watching)

    watch("execute")
    watch("copy")
    yield texts
    assert texts
    for text in dict.fromkeys(texts):
        assert unqualified(text) == [], text


def searches(conn: Conn) -> None:
    where = "n operator(pg_catalog.<) %s"
    for options in (
        {},
        {"exact": True},
        {"filter": where, "params": [100]},
        {"candidates": 1100},
        {"max_scan_tuples": 500, "filter": where, "params": [100]},
        {"ef_search": 200},
        {"columns": ["n"]},
    ):
        assert len(INDEX.search(conn, QUERY, **options)) == 10
        assert len(INDEX.search_many(conn, [QUERY, QUERY], **options)) == 2
        assert len(INDEX.hybrid(conn, QUERY, "title", text="title", **options)) == 10
        for match in ("any", "all"):
            found = INDEX.search_words(conn, "title", text="title", match=match)
            assert len(found) == 10
        assert len(INDEX.search_mmr(conn, QUERY, **options)) == 10
    INDEX.search(conn, QUERY, recall=0.9)
    INDEX.search(conn, QUERY, recall=0.9, filter=where, params=[100])
    INDEX.plan(conn, QUERY)
    # looks whether there are more
    few = INDEX.search(conn, QUERY, filter="id operator(pg_catalog.<) %s", params=[5])
    assert len(few) == 4


def measures(conn: Conn) -> None:
    assert INDEX.recall(conn, sample=3, keep=True).queries == 3
    assert INDEX.recall(conn, queries=[QUERY]).queries == 1
    assert INDEX.calibrate(conn, sample=4).points
    assert INDEX.history(conn)


def keeps(conn: Conn) -> None:
    run(conn, real_queries.sample_queries(INDEX, share=1, most=5))
    assert INDEX.keep_query(conn, QUERY)
    assert run(conn, real_queries.in_force(INDEX)).kept == 1
    INDEX.calibrate(conn, real_queries=True, sample=1)
    INDEX.recall(conn, real_queries=True, sample=1)
    run(conn, real_queries.sample_queries(INDEX, share=0))
    run(conn, real_queries.forget_queries(INDEX))


def builds(conn: Conn) -> None:
    for index in OTHERS:
        index.create(conn, progress=lambda progress: None)
        assert not index.create(conn).changed
        index.drop(conn)


def tunes(conn: Conn) -> None:
    tune(conn, "docs", "embedding", schema="public", recall=0.9, sample=20, tries=1)


@pytest.mark.parametrize("verb", [searches, measures, keeps, builds, tunes])
def test_python(
    conn: Conn,
    sent: list[str],
    monkeypatch: pytest.MonkeyPatch,
    verb: Callable[[Conn], None],
) -> None:
    monkeypatch.setattr(look, "JUDGED_ROWS", 50)
    verb(conn)
    assert not ran(conn)


def test_loading(conn: Conn, sent: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", VECTORS[:20])
    for _ in range(2):
        load(conn, tmp_path / "vectors.npy", "loaded", schema="public")


@pytest.mark.parametrize(
    "statement",
    [
        f"mrl.search(null::public.docs, 'embedding', {VECTOR}",
        f"mrl.search_keys(null::bigint, 'public.docs', 'embedding', {VECTOR}",
        f"mrl.search_keys(null::pg_catalog.text, 'public.words', 'embedding', {VECTOR}",
        f"mrl.search_many(null::public.docs, 'embedding', array[{VECTOR}]",
        f"mrl.hybrid(null::public.docs, 'embedding', {VECTOR}, 'title', 'title'",
    ],
    ids=["rows", "keys", "words", "many", "hybrid"],
)
def test_searches_of_sql(conn: Conn, statement: str) -> None:
    filtered = ", filter => '1 operator(pg_catalog.<) $1::int', args => '{100}'"
    for options in ("", filtered, ", exact => true", ", candidates => 1100"):
        found = conn.execute(f"select from {statement}{options})".encode()).fetchall()
        assert len(found) == 10
    conn.execute(f"select from {statement}, recall => 0.9)".encode())


def test_verbs_of_sql(conn: Conn) -> None:
    call = "'public.docs', 'embedding'"
    for step in (
        f"select mrl.recall({call}, sample => 3, keep => true)",
        f"select mrl.recall({call}, queries => array[{VECTOR}])",
        f"select mrl.calibrate({call}, sample => 4)",
        f"select mrl.sample_queries({call}, 1)",
        f"select mrl.keep_query({call}, {VECTOR})",
        f"select mrl.kept_queries({call})",
        "select from mrl.kept_queries",
        f"select mrl.sample_queries({call}, 0)",
        f"select mrl.forget_queries({call})",
        f"select mrl.create_index_sql({call}, 8)",
        f"select mrl.preflight({call}, 8)",
        f"select mrl.create_index({call}, 8, kind => 'bit')",
        f"select mrl.create_index({call}, 12, keep => 'trigger')",
        f"call mrl.fill_short_column({call}, 'embedding_12_halfvec')",
        f"select mrl._check_values({call}, 'embedding_12_halfvec')",
        f"insert into public.docs (id, embedding) values (1000, {VECTOR})",
        "delete from public.docs where id operator(pg_catalog.=) 1000::bigint",
        f"select mrl.drop_index({call}, 12)",
        "select from mrl.indexes",
        f"select mrl.create_search_function('public.near', {call})",
        f"select from public.near({VECTOR})",
        f"select mrl.search_sql({call})",
        f"select mrl.drop_index({call}, 8)",
        f"select mrl.truncate({VECTOR}, 8)",
    ):
        conn.execute(step.encode())
        assert not ran(conn), step


def test_the_shell(
    ground: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with connect(ground) as conn:
        forget(conn)
    monkeypatch.setenv("PGOPTIONS", PATH)
    query = tmp_path / "query.npy"
    np.save(query, QUERY)
    described = ("docs", "embedding", "--dims", "16")
    for command in (
        ("indexes",),
        ("search", *described, "--query", query),
        ("recall", *described, "--sample", "3"),
        ("calibrate", *described, "--sample", "4"),
        ("tune", "docs", "embedding", "--plan"),
        ("install",),
    ):
        done = shell(*command, "--dsn", ground)
        assert done.returncode == 0, done.stderr
        with connect(ground) as conn:
            assert not ran(conn), command


def test_sqlalchemy(ground: str) -> None:
    with connect(ground) as conn:
        forget(conn)
    table = Table(
        "docs",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("embedding", types.VECTOR(VECTORS.shape[1]), Matryoshka(16)),
    )
    statement = search_by_sqlalchemy(select(table.c.id), table.c.embedding, QUERY)
    with engine(ground) as made, made.connect() as connection:
        # not before: SQLAlchemy and psycopg ask for types by bare names
        connection.exec_driver_sql("set search_path = public, pg_catalog")
        assert len(connection.execute(statement).all()) == 10
        assert registered(connection)
    with connect(ground) as conn:
        assert not ran(conn)
