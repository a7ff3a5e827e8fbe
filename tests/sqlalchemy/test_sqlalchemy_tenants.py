"""A Select of one tenant: by the tenant's index, or exactly, on every driver."""

from collections.abc import Iterator
from typing import Any

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Connection, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.databases import Server, connect
from support.drivers import DRIVERS, open_engine, run
from support.plans import first_pass, force_index
from support.tables import Docs
from support.tenants import (
    LARGE,
    SMALL,
    carry_out,
    nearest_of,
    set_tenants,
    tenants_table,
)
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy import distance, hybrid, index_name, score, search

VECTORS = matryoshka(2000)
QUERY = VECTORS[0] * 0.6 + VECTORS[1500] * 0.4


class Base(DeclarativeBase):
    """Models of this module."""


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    title: Mapped[str]
    tenant_id: Mapped[int]
    embedding: Mapped[Any] = mapped_column(VECTOR(64))


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    def build(url: str) -> None:
        with connect(url) as conn:
            tenants_table(conn, VECTORS)
            set_tenants(conn, dims=32, kind="halfvec")
            carry_out(conn)

    layout = MatryoshkaIndex("docs", "embedding", dims=32)
    with pg_server.copy_of("tenants", build) as url, connect(url) as conn:
        yield Docs(url, conn, VECTORS, layout)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_select_of_a_tenant(docs: Docs, driver: str) -> None:
    (state,) = MatryoshkaColumn("docs", "embedding").tenants(docs.conn)

    def work(conn: Connection) -> None:
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            conn.exec_driver_sql(f"set {setting} = off")
        for tenant, name in ((LARGE, state.index_name), (SMALL, None)):
            # more often than a prepared statement needs for a plan for all values
            for place in range(8):
                query = VECTORS[place] * 0.6 + VECTORS[1500] * 0.4
                asked = search(
                    select(Doc.id, distance, index_name),
                    Doc.embedding,
                    query,
                    tenant=tenant,
                    on=conn,
                    candidates=900,
                )
                rows = conn.execute(asked).all()
                truth = nearest_of(VECTORS, query, tenant)
                assert [row.id for row in rows] == truth
                assert {row.index_name for row in rows} == {name}
            narrow = search(
                select(Doc.id).where(Doc.n < 50),
                Doc.embedding,
                QUERY,
                tenant=tenant,
                on=conn,
                candidates=900,
            )
            part = range(1, 1001) if tenant == LARGE else range(1001, 2001)
            mine = [
                row
                for row in part
                if row % 100 < 50 and (tenant == LARGE or 3 + row % 50 == SMALL)
            ]
            truth = nearest_of(VECTORS, QUERY, tenant, ids=mine)
            assert list(conn.execute(narrow).scalars()) == truth
            fused = hybrid(
                select(Doc.id, score),
                Doc.embedding,
                QUERY,
                "title",
                text=Doc.title,
                tenant=tenant,
                on=conn,
            )
            found = [row.id for row in conn.execute(fused)]
            assert len(found) == 10
            assert {*found} <= {*part}

    run(docs.url, driver, work)


def test_the_plan_uses_the_index_of_the_tenant(docs: Docs) -> None:
    (state,) = MatryoshkaColumn("docs", "embedding").tenants(docs.conn)
    engine = open_engine(docs.url, "psycopg")
    with Session(engine) as session:
        asked = search(
            select(Doc.id), Doc.embedding, QUERY, tenant=LARGE, on=session
        ).order_by(None)
        compiled = asked.compile(engine)
        force_index(docs.conn)
        text = "explain (costs off, format json) " + str(compiled)
        params = compiled.construct_params()
        bind = compiled.bind_names
        values = {
            name: (str(QUERY.tolist()) if "query" in name else params[name])
            for name in bind.values()
        }
        plan = docs.conn.execute(text.encode(), values).fetchall()[0][0][0]["Plan"]
        assert first_pass(plan) == [state.index_name]
        with pytest.raises(InvalidSetting, match="is no value of key column"):
            search(select(Doc), Doc.embedding, QUERY, tenant="x", on=session)
    engine.dispose()


def test_what_is_refused(docs: Docs) -> None:
    with pytest.raises(InvalidSetting, match="give on=session"):
        search(select(Doc), Doc.embedding, QUERY, tenant=1)
    engine = open_engine(docs.url, "psycopg")
    with engine.connect() as conn:
        with pytest.raises(InvalidSetting, match="leave index out"):
            search(
                select(Doc), Doc.embedding, QUERY, tenant=1, on=conn, index=docs.index
            )
        with pytest.raises(InvalidSetting, match="give the candidates"):
            search(select(Doc), Doc.embedding, QUERY, tenant=1, on=conn, recall=0.9)
    engine.dispose()
