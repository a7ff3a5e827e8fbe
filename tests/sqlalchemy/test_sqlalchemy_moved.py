"""A search looks whether its short column still is the prefix of its full column."""

from typing import Any

import pytest
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, select
from sqlalchemy.exc import DBAPIError
from support.databases import Conn
from support.drivers import DRIVERS, run
from support.plans import first_pass, nodes
from support.search_models import exact, explained, sending
from support.tables import append
from support.vectors import Vectors, matryoshka

from mrl_pg import MatryoshkaIndex, uninstall
from mrl_pg.errors import IndexMismatch
from mrl_pg.sqlalchemy import Matryoshka, search

FULL, OTHER = 'Em"b%s: \\', "embedding"
"""A name that each layer between here and the server would like to change."""

INDEX = MatryoshkaIndex("docs", FULL, dims=32)
VECTORS = matryoshka(300)
QUERY = VECTORS[3]


def docs(schema: str | None = None) -> Table:
    return Table(
        "docs",
        MetaData(schema=schema),
        Column("id", BigInteger, primary_key=True),
        Column(FULL, VECTOR(64), Matryoshka(32)),
    )


@pytest.fixture
def moved(conn: Conn) -> Conn:
    """A table with two full columns, a short one of the first, and no mrl."""
    create = "create table docs (id bigint primary key, n int, title text, {}, {})"
    columns = [
        sql.SQL("{} vector(64)").format(sql.Identifier(name)) for name in (FULL, OTHER)
    ]
    conn.execute(sql.SQL(create).format(*columns))
    append(conn, VECTORS, sql.Identifier("docs"))
    # other rows are near in the other column
    conn.execute(
        sql.SQL(
            "update docs set {} = (select o.{} from docs o where o.id = 301 - docs.id)"
        ).format(sql.Identifier(FULL), sql.Identifier(OTHER))
    )
    INDEX.create(conn)
    conn.execute("analyze docs")
    uninstall(conn)
    return conn


def truth(vectors: Vectors) -> list[int]:
    return exact(vectors, QUERY)


def found(connection: Connection, **options: Any) -> list[int]:
    table = docs()
    searched = search(select(table.c.id), table.c[FULL], QUERY, **options)
    return list(connection.scalars(searched))


CHANGES = {
    "full columns swapped": (
        "alter table docs rename {full} to aside",
        "alter table docs rename {other} to {full}",
        "alter table docs rename aside to {other}",
    ),
    "short column of another": (
        "alter table docs drop {short}",
        "alter table docs add {short} halfvec(32) generated always as"
        " (l2_normalize(subvector({other}, 1, 32))::halfvec(32)) stored",
        "create index on docs using hnsw ({short} halfvec_cosine_ops)",
    ),
    "short column of other dimensions": (
        "alter table docs drop {short}",
        "alter table docs add {short} halfvec(32) generated always as"
        " (l2_normalize(subvector({full}, 2, 32))::halfvec(32)) stored",
    ),
    "short column that nothing computes": (
        "alter table docs alter {short} drop expression",
    ),
}


def change(conn: Conn, name: str) -> None:
    names = {"full": FULL, "other": OTHER, "short": INDEX.short}
    slots = {key: sql.Identifier(value) for key, value in names.items()}
    for statement in CHANGES[name]:
        conn.execute(sql.SQL(statement).format(**slots))


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_short_column_that_is_another_is_an_error(
    moved: Conn, database: str, driver: str, name: str
) -> None:
    """It used to answer wrong rows, also by a plan that was kept of better days."""

    def work(connection: Connection) -> None:
        for _ in range(8):
            assert found(connection) == truth(VECTORS[::-1])
        change(moved, name)
        with pytest.raises(IndexMismatch) as caught:
            found(connection)
        said = str(caught.value)
        column = f"docs.{INDEX.short}"
        assert said.startswith(
            f"column {column!r} is not the renormalised prefix of {FULL!r} (it is "
        )
        assert said.endswith("): name another with short=")
        if name.endswith("nothing computes"):
            assert "(it is not generated)" in said
        assert "invalid input syntax" in str(caught.value.__cause__)
        now = VECTORS if name == "full columns swapped" else VECTORS[::-1]
        assert found(connection, exact=True) == truth(now)

    run(database, driver, work)


@pytest.mark.parametrize("kind", ["bit", "vector"])
def test_every_kind_and_schema_is_looked_at(
    moved: Conn, database: str, kind: Any
) -> None:
    index = MatryoshkaIndex("docs", FULL, dims=64, kind=kind)
    for statement in (
        "create schema elsewhere",
        "alter table docs set schema elsewhere",
    ):
        moved.execute(statement.encode())
    made = sql.SQL(
        "alter table elsewhere.docs add {} {}(64) generated always as ({}) stored"
    )
    value = {
        "bit": "binary_quantize(subvector({}, 1, 64))::bit(64)",
        "vector": "l2_normalize(subvector({}, 1, 64))::vector(64)",
    }[kind]
    computed = sql.SQL(value).format(sql.Identifier(FULL))
    moved.execute(made.format(sql.Identifier(index.short), sql.SQL(kind), computed))
    table = docs("translated")

    swap = [
        sql.SQL("alter table elsewhere.docs rename {} to {}").format(
            sql.Identifier(old), sql.Identifier(new)
        )
        for old, new in ((OTHER, "aside"), (FULL, OTHER), ("aside", FULL))
    ]

    def work(connection: Connection) -> None:
        translated = connection.execution_options(
            schema_translate_map={"translated": "elsewhere"}
        )
        searched = search(
            select(table.c.id), table.c[FULL], QUERY, index=index, candidates=300
        )
        assert list(translated.scalars(searched)) == truth(VECTORS[::-1])
        for statement in swap:
            moved.execute(statement)
        with pytest.raises(IndexMismatch):
            list(translated.scalars(searched))

    run(database, "psycopg", work)


def test_the_look_is_before_the_scan(moved: Conn, database: str) -> None:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql("set enable_seqscan = off")
        with sending(connection.engine) as sent:
            assert found(connection) == truth(VECTORS[::-1])
        plan = explained(connection, sent.searches[0])
        # below a one-time filter
        assert first_pass(plan) == [INDEX.name]
        (scan,) = [
            node for node, _ in nodes(plan) if node.get("Index Name") == INDEX.name
        ]
        assert "Filter" not in scan

    run(database, "psycopg", work)


def test_other_errors_stay_as_they_are(moved: Conn, database: str) -> None:
    def work(connection: Connection) -> None:
        with pytest.raises(DBAPIError, match="invalid input syntax"):
            connection.exec_driver_sql("select 'mrl_pg: x'::int")

    run(database, "psycopg", work)
